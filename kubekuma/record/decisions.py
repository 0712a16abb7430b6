"""Why somebody was not told of an outage, and since when."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import attrs

from kubekuma.record.database import Connection
from kubekuma.record.times import epoch_ms, from_epoch_ms

_DECISIONS: Final = """
    SELECT at, provider, said FROM alert_decisions WHERE outage = ? ORDER BY at, provider
"""


@attrs.frozen(kw_only=True)
class Decision:
    """``provider`` as ``namespace/name``; empty: nobody was told."""

    at: datetime
    provider: str
    said: str


def note_decisions(db: Connection, outage: str, said: Mapping[str, str], at: datetime) -> None:
    """Keep why whom was not told, by provider, if that is anything new."""
    last = {each.provider: each.said for each in decisions(db, outage)}
    db.executemany(
        "INSERT INTO alert_decisions (outage, at, provider, said) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (outage, at, provider) DO UPDATE SET said = excluded.said",
        [
            (outage, epoch_ms(at), provider, why)
            for provider, why in said.items()
            if last.get(provider) != why
        ],
    )


def decisions(db: Connection, outage: str) -> list[Decision]:
    """Everything of that kind, in order."""
    found = db.execute(_DECISIONS, (outage,))
    return [
        Decision(at=from_epoch_ms(at), provider=provider, said=said) for at, provider, said in found
    ]


def drop_decisions(db: Connection, outage: str) -> None:
    """Forget what was decided of an outage."""
    db.execute("DELETE FROM alert_decisions WHERE outage = ?", (outage,))
