"""Why somebody was not told of an outage, and since when."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import attrs

from kubekuma.model.meta import Key
from kubekuma.record.database import Connection
from kubekuma.record.times import epoch_ms, from_epoch_ms

_LAST: Final = """
    SELECT provider, said FROM alert_decisions WHERE outage = ? ORDER BY at
"""
_OF_MONITOR: Final = """
    SELECT outage, at, provider, said FROM alert_decisions WHERE monitor = ? AND at < ?
    ORDER BY at DESC, provider LIMIT ?
"""


@attrs.frozen(kw_only=True)
class Decision:
    """``provider`` as ``namespace/name``; empty: nobody was told."""

    outage: str
    at: datetime
    provider: str
    said: str


def note_decisions(
    db: Connection, outage: str, monitor: Key, said: Mapping[str, str], at: datetime
) -> None:
    """Keep why whom was not told, by provider, if that is anything new."""
    if not said:
        return
    last = dict(db.execute(_LAST, (outage,)).fetchall())
    db.executemany(
        "INSERT INTO alert_decisions (outage, at, monitor, provider, said) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (outage, at, provider) DO UPDATE SET said = excluded.said",
        [
            (outage, epoch_ms(at), str(monitor), provider, why)
            for provider, why in said.items()
            if last.get(provider) != why
        ],
    )


def decisions(db: Connection, monitor: Key, before: datetime, limit: int) -> list[Decision]:
    """What was decided of a monitor before that time, the newest first."""
    found = db.execute(_OF_MONITOR, (str(monitor), epoch_ms(before), limit))
    return [
        Decision(outage=outage, at=from_epoch_ms(at), provider=provider, said=said)
        for outage, at, provider, said in found
    ]
