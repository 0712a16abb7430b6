"""Sealed hours: how rows of heartbeats become blocks, and how they are read again."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import structlog

from kubekuma.model.meta import Key
from kubekuma.model.result import Outcome
from kubekuma.record.blocks import HOUR_MS, Beat, BlockError, hour_of, seal, unseal
from kubekuma.record.database import Connection
from kubekuma.record.rollups import add_figures

_log = structlog.get_logger(__name__)

# So many blocks are read at once, and no more than are needed.
_PORTION: Final = 12

_COLUMNS: Final = ", ".join(Beat._fields)
_ENDS: Final = """
    SELECT id,
        (SELECT MIN(at) FROM heartbeats WHERE series = id),
        (SELECT MAX(at) FROM heartbeats WHERE series = id)
    FROM series
"""
_ROWS: Final = (
    f"SELECT {_COLUMNS} FROM heartbeats"  # noqa: S608 - constants
    " WHERE series = ? AND at >= ? AND at < ? ORDER BY at"
)
_BLOCK: Final = """
    SELECT beats, details FROM heartbeat_blocks LEFT JOIN heartbeat_details USING (series, hour)
    WHERE series = ? AND hour = ?
"""
_PUT_BEATS: Final = """
    INSERT INTO heartbeat_blocks VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (series, hour) DO UPDATE
    SET outcomes = excluded.outcomes, spoke = excluded.spoke, beats = excluded.beats
"""
_PUT_DETAILS: Final = """
    INSERT INTO heartbeat_details VALUES (?, ?, ?)
    ON CONFLICT (series, hour) DO UPDATE SET details = excluded.details
"""
_PAGE: Final = f"""
    SELECT hour, beats, details
    FROM heartbeat_blocks LEFT JOIN heartbeat_details USING (series, hour)
    WHERE series = (SELECT id FROM series WHERE namespace = :namespace AND name = :name)
    AND hour >= :first AND hour < :before AND (outcomes & :outcomes) <> 0
    ORDER BY hour DESC LIMIT {_PORTION}
"""  # noqa: S608 - the same
_BITS: Final = {outcome.value: 1 << number for number, outcome in enumerate(Outcome)}
_ALL_BITS: Final = sum(_BITS.values())


class Hour(NamedTuple):
    """One hour of one series, by when it begins."""

    series: int
    hour: int


def hours_to_seal(db: Connection, before: int) -> list[Hour]:
    """Of each series the first hour that has rows and ended before ``before``, in ms.

    The hour of a series' last heartbeat is left: what verdicts rest on stays a row.
    """
    ends = (
        (series, hour_of(first), last)
        for series, first, last in db.execute(_ENDS)
        if last is not None
    )
    return [
        Hour(series, hour)
        for series, hour, last in ends
        if hour + HOUR_MS <= before and hour < hour_of(last)
    ]


def seal_hours(db: Connection, hours: Sequence[Hour]) -> None:
    """Make blocks of the rows of each of ``hours``.

    All in one transaction: an hour is rows or a block, and rows that come late join the block.
    """
    for series, hour in hours:
        bounds = (series, hour, hour + HOUR_MS)
        rows = [Beat._make(row) for row in db.execute(_ROWS, bounds)]
        sealed = sealed_hour(db, series, hour)
        known = {beat.at for beat in sealed}
        fresh = [row for row in rows if row.at not in known]
        if fresh:
            _put(db, series, hour, sorted([*sealed, *fresh]))
            add_figures(db, series, fresh)
        db.execute("DELETE FROM heartbeats WHERE series = ? AND at >= ? AND at < ?", bounds)


def outcome_bits(beats: Sequence[Beat]) -> int:
    """A bit for each outcome that occurs in ``beats``."""
    return sum(_BITS.get(outcome, 0) for outcome in {beat.outcome for beat in beats})


def sealed_hour(db: Connection, series: int, hour: int) -> list[Beat]:
    """The sealed heartbeats of one hour, by time; none if it is not sealed, or damaged."""
    found = db.execute(_BLOCK, (series, hour)).fetchone()
    return _unsealed(hour, *found, series=series) if found else []


def sealed_beats(
    db: Connection,
    key: Key,
    since: int,
    until: int,
    outcome: str | None = None,
    *,
    details: bool = True,
) -> Iterator[Beat]:
    """The sealed heartbeats of ``since <= at < until``, the newest first; of one outcome, or all.

    ``details``: with phases and messages, as far as they are kept.
    Hours that are damaged are left out, and logged.
    """
    wanted = {
        "namespace": key.namespace,
        "name": key.name,
        "first": hour_of(since),
        "before": until,
        "outcomes": _BITS.get(outcome, 0) if outcome else _ALL_BITS,
    }
    while True:
        page = db.execute(_PAGE, wanted).fetchall()
        for hour, beats, more in page:
            for beat in reversed(_unsealed(hour, beats, more if details else None, key=str(key))):
                if since <= beat.at < until and outcome in {None, beat.outcome}:
                    yield beat
        if len(page) < _PORTION:
            return
        wanted["before"] = page[-1][0]


def _unsealed(hour: int, beats: bytes, details: bytes | None, **whose: Any) -> list[Beat]:
    try:
        return unseal(hour, beats, details)
    except BlockError as error:
        _log.error("an hour of heartbeats is lost", hour=hour, error=str(error), **whose)
        return []


def _put(db: Connection, series: int, hour: int, beats: Sequence[Beat]) -> None:
    block, details = seal(hour, beats)
    spoke = [beat.at for beat in beats if beat.outcome != Outcome.UNKNOWN.value]
    db.execute(_PUT_BEATS, (series, hour, outcome_bits(beats), spoke[-1] if spoke else None, block))
    if details:
        db.execute(_PUT_DETAILS, (series, hour, details))
