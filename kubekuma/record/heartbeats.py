"""Heartbeats: one row for each recorded result, until its hour is sealed."""

import heapq
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, Final, TypeAlias

from kubekuma.model.meta import Key
from kubekuma.model.result import Outcome, Reason, Timings
from kubekuma.model.state import Heartbeat
from kubekuma.record.blocks import Beat
from kubekuma.record.database import Connection
from kubekuma.record.sealed import sealed_beats
from kubekuma.record.times import Window, epoch_ms, from_epoch_ms, from_microseconds, microseconds

Row: TypeAlias = tuple[Any, ...]

_COLUMNS: Final = ", ".join(Beat._fields)
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
_SPOKE: Final = """
    SELECT id,
        (SELECT at FROM heartbeats WHERE series = id AND outcome <> 'unknown'
            ORDER BY at DESC LIMIT 1),
        (SELECT spoke FROM heartbeat_blocks WHERE series = id AND spoke IS NOT NULL
            ORDER BY hour DESC LIMIT 1)
    FROM series
"""


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
    found = islice(beats(db, key, window, limit, outcome), limit)
    return [_heartbeat(beat) for beat in found]


def beats(
    db: Connection, key: Key, window: Window, limit: int, outcome: str | None = None
) -> Iterator[Beat]:
    """As ``heartbeats``, in the form that is stored: ``limit`` of them, or a few more."""
    since, until = epoch_ms(window.since), epoch_ms(window.until)
    found = db.execute(_PAGE, (key.namespace, key.name, since, until, outcome, outcome, limit))
    rows = [Beat._make(row) for row in found]
    if len(rows) == limit:
        # Of what is sealed, only what came late could still be among them.
        since = rows[-1].at
    last = None
    # What was written again after its hour was sealed is what it was the first time.
    sealed = sealed_beats(db, key, since, until, outcome)
    for beat in heapq.merge(sealed, rows, key=lambda beat: -beat.at):
        if beat.at != last:
            yield beat
        last = beat.at


def last_heartbeats(db: Connection) -> dict[int, Heartbeat]:
    """The last heartbeat of each series: its hour is never sealed."""
    return {series: _heartbeat(Beat._make(row)) for series, *row in db.execute(_LAST)}


def last_spoke(db: Connection) -> dict[int, datetime]:
    """When the last heartbeat of each series was that said something of its target."""
    found = {series: [at for at in ends if at is not None] for series, *ends in db.execute(_SPOKE)}
    return {series: from_epoch_ms(max(ends)) for series, ends in found.items() if ends}


def _heartbeat(beat: Beat) -> Heartbeat:
    return Heartbeat(
        at=from_epoch_ms(beat.at),
        outcome=Outcome(beat.outcome),
        reason=Reason(beat.reason),
        message=beat.message,
        latency_seconds=from_microseconds(beat.latency) or 0.0,
        timings=Timings(
            dns=from_microseconds(beat.dns),
            connect=from_microseconds(beat.connect),
            tls=from_microseconds(beat.tls),
            first_byte=from_microseconds(beat.first_byte),
            transfer=from_microseconds(beat.transfer),
        ),
        status_code=beat.status_code,
        attempt=beat.attempt,
    )
