"""Incidents and spans: what follows from a change of verdict."""

from datetime import datetime
from typing import Final

import attrs

from kubekuma.model.meta import Key
from kubekuma.model.state import Cause, Closed, Opened, Span
from kubekuma.record.database import Connection
from kubekuma.record.documents import from_json, to_json
from kubekuma.record.times import epoch_ms, from_epoch_ms

_INCIDENTS: Final = """
    SELECT incidents.id, started_at, confirmed_at, ended_at, reason, message, cause
    FROM incidents JOIN series ON series.id = series
    WHERE namespace = ? AND name = ? AND started_at < ?
    ORDER BY started_at DESC LIMIT ?
"""


@attrs.frozen(kw_only=True)
class Incident:
    """One outage."""

    id: str
    started_at: datetime
    confirmed_at: datetime
    ended_at: datetime | None
    reason: str
    message: str
    cause: Cause | None  # None: it began before causes were kept


def insert_span(db: Connection, series: int, span: Span) -> None:
    """Charge time as ``span`` says, from its start on."""
    db.execute(
        "INSERT INTO spans VALUES (?, ?, ?, ?)"
        " ON CONFLICT (series, start) DO UPDATE"
        " SET charge = excluded.charge, incident = excluded.incident",
        (series, epoch_ms(span.start), span.charge.value, span.incident),
    )


def open_incident(db: Connection, series: int, uid: str, opened: Opened) -> None:
    """Record that an outage has begun."""
    db.execute(
        "INSERT INTO incidents"
        " (id, series, uid, started_at, confirmed_at, reason, message, cause)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
        (
            opened.id,
            series,
            uid,
            epoch_ms(opened.started_at),
            epoch_ms(opened.confirmed_at),
            opened.cause.reason.value,
            opened.cause.message,
            to_json(opened.cause),
        ),
    )


def close_incident(db: Connection, closed: Closed) -> None:
    """Record that an outage has ended."""
    db.execute(
        "UPDATE incidents SET ended_at = ? WHERE id = ?", (epoch_ms(closed.ended_at), closed.id)
    )


def incidents(db: Connection, key: Key, before: datetime, limit: int) -> list[Incident]:
    """The last ``limit`` outages that began before ``before``, the newest first."""
    found = db.execute(_INCIDENTS, (key.namespace, key.name, epoch_ms(before), limit))
    return [
        Incident(
            id=id_,
            started_at=from_epoch_ms(started_at),
            confirmed_at=from_epoch_ms(confirmed_at),
            ended_at=None if ended_at is None else from_epoch_ms(ended_at),
            reason=reason,
            message=message,
            cause=None if cause is None else from_json(cause, Cause),
        )
        for id_, started_at, confirmed_at, ended_at, reason, message, cause in found
    ]
