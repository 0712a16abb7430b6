"""Heartbeats: one row for each recorded result."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, TypeAlias

import attrs

from kubekuma.model.meta import Key
from kubekuma.model.result import Outcome, Reason, Timings
from kubekuma.model.state import Heartbeat
from kubekuma.record.database import Connection
from kubekuma.record.times import epoch_ms, from_epoch_ms, from_microseconds, microseconds

Row: TypeAlias = tuple[Any, ...]

_COLUMNS: Final = (
    "at, outcome, reason, message, latency, dns, connect, tls, first_byte, transfer,"
    " status_code, attempt"
)
_INSERT: Final = (
    f"INSERT INTO heartbeats (series, {_COLUMNS})"  # noqa: S608 - constants
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    # The same check recorded again, after a commit of which we never heard.
    " ON CONFLICT (series, at) DO NOTHING"
)
_PAGE: Final = (
    f"SELECT {_COLUMNS} FROM heartbeats"  # noqa: S608 - the same
    " WHERE series = (SELECT id FROM series WHERE namespace = ? AND name = ?)"
    " AND at >= ? AND at < ? AND (CAST(? AS TEXT) IS NULL OR outcome = ?) ORDER BY at DESC LIMIT ?"
)
_LAST: Final = (
    f"SELECT series, {_COLUMNS} FROM heartbeats WHERE (series, at) IN"  # noqa: S608 - the same
    " (SELECT id, (SELECT MAX(at) FROM heartbeats WHERE series = id) FROM series)"
)


@attrs.frozen(kw_only=True)
class Window:
    """The half-open span ``since <= t < until``."""

    since: datetime
    until: datetime


def heartbeat_row(series: int, heartbeat: Heartbeat) -> Row:
    """The row in which ``heartbeat`` is stored."""
    timings = heartbeat.timings
    return (
        series,
        epoch_ms(heartbeat.at),
        heartbeat.outcome.value,
        heartbeat.reason.value,
        heartbeat.message,
        microseconds(heartbeat.latency_seconds),
        microseconds(timings.dns),
        microseconds(timings.connect),
        microseconds(timings.tls),
        microseconds(timings.first_byte),
        microseconds(timings.transfer),
        heartbeat.status_code,
        heartbeat.attempt,
    )


def insert_heartbeats(db: Connection, rows: Sequence[Row]) -> None:
    """Store ``rows``; those that are there already stay as they are."""
    db.executemany(_INSERT, rows)


def heartbeats(
    db: Connection, key: Key, window: Window, limit: int, outcome: str | None = None
) -> list[Heartbeat]:
    """The last ``limit`` heartbeats within ``window``, the newest first; of one outcome, or all."""
    bounds = (epoch_ms(window.since), epoch_ms(window.until))
    found = db.execute(_PAGE, (key.namespace, key.name, *bounds, outcome, outcome, limit))
    return [_heartbeat(row) for row in found]


def last_heartbeats(db: Connection) -> dict[int, Heartbeat]:
    """The last heartbeat of each series."""
    return {series: _heartbeat(row) for series, *row in db.execute(_LAST)}


def last_spoke(db: Connection) -> dict[int, datetime]:
    """When the last heartbeat of each series was that said something of its target."""
    found = db.execute(
        "SELECT id, (SELECT at FROM heartbeats WHERE series = id AND outcome <> 'unknown'"
        " ORDER BY at DESC LIMIT 1) FROM series"
    )
    return {series: from_epoch_ms(at) for series, at in found if at is not None}


def _heartbeat(row: Sequence[Any]) -> Heartbeat:
    at, outcome, reason, message, latency, dns, connect, tls, first, transfer, code, attempt = row
    return Heartbeat(
        at=from_epoch_ms(at),
        outcome=Outcome(outcome),
        reason=Reason(reason),
        message=message,
        latency_seconds=from_microseconds(latency) or 0.0,
        timings=Timings(
            dns=from_microseconds(dns),
            connect=from_microseconds(connect),
            tls=from_microseconds(tls),
            first_byte=from_microseconds(first),
            transfer=from_microseconds(transfer),
        ),
        status_code=code,
        attempt=attempt,
    )
