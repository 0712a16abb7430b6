"""Figures of hours and days, and of parts of an hour, which outlive what they are of."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import structlog

from kubekuma.model.meta import Key
from kubekuma.record.blocks import HOUR_MS, Beat, hour_of
from kubekuma.record.database import Connection
from kubekuma.record.tally import Tally, TallyError, packed, tallied, unpacked

_log = structlog.get_logger(__name__)

HOUR_SECONDS: Final = 3_600
DAY_SECONDS: Final = 86_400

_ONE: Final = "SELECT figures FROM rollups WHERE series = ? AND seconds = ? AND start = ?"
_PUT: Final = """
    INSERT INTO rollups VALUES (?, ?, ?, ?)
    ON CONFLICT (series, seconds, start) DO UPDATE SET figures = excluded.figures
"""
_WITHIN: Final = """
    SELECT start, figures FROM rollups
    WHERE series = (SELECT id FROM series WHERE namespace = ? AND name = ?)
    AND seconds = ? AND start >= ? AND start < ?
    ORDER BY start
"""
_BUCKETS: Final = "SELECT figures FROM heartbeat_buckets WHERE series = ? AND hour = ?"
_PUT_BUCKETS: Final = """
    INSERT INTO heartbeat_buckets VALUES (?, ?, ?)
    ON CONFLICT (series, hour) DO UPDATE SET figures = excluded.figures
"""
_BUCKETS_WITHIN: Final = """
    SELECT hour, figures FROM heartbeat_buckets
    WHERE series = (SELECT id FROM series WHERE namespace = ? AND name = ?)
    AND hour >= ? AND hour < ?
    ORDER BY hour
"""


class Figures(NamedTuple):
    """The figures of one stretch of time, from ``start`` on, in ms."""

    start: int
    tally: Tally


def add_figures(db: Connection, series: int, beats: Sequence[Beat]) -> None:
    """Count ``beats``, all of one hour and none counted before, in their hour and day."""
    fresh = tallied((beat.outcome, beat.latency) for beat in beats)
    for seconds in (HOUR_SECONDS, DAY_SECONDS):
        start = beats[0].at - beats[0].at % (1000 * seconds)
        found = db.execute(_ONE, (series, seconds, start)).fetchone()
        tally = Tally()
        for each in _unpacked(found[0], series=series, start=start) if found else ():
            tally.merge(each)
        tally.merge(fresh)
        db.execute(_PUT, (series, seconds, start, packed([tally])))


def add_buckets(
    db: Connection, series: int, hour: int, beats: Sequence[Beat], seconds: int
) -> None:
    """Count ``beats``, all of the hour that begins at ``hour``, in its buckets of ``seconds``.

    ``seconds`` must divide the hour. What was counted in buckets of another
    length goes to where each of them began.
    """
    buckets = [Tally() for _ in range(HOUR_SECONDS // seconds)]
    found = db.execute(_BUCKETS, (series, hour)).fetchone()
    known = _unpacked(found[0], series=series, start=hour) if found else ()
    for number, tally in enumerate(known):
        buckets[number * len(buckets) // len(known)].merge(tally)
    for beat in beats:
        buckets[(beat.at - hour) // (1000 * seconds)].add(beat.outcome, beat.latency)
    db.execute(_PUT_BUCKETS, (series, hour, packed(buckets)))


def figures(db: Connection, key: Key, since: int, until: int, seconds: int) -> Iterator[Figures]:
    """Of each hour or day, by ``seconds``, that begins in ``since <= start < until``.

    What is damaged is left out, and logged.
    """
    for start, stored in db.execute(_WITHIN, (*key, seconds, since, until)):
        for tally in _unpacked(stored, key=str(key), start=start):
            yield Figures(start, tally)


def buckets(db: Connection, key: Key, since: int, until: int) -> Iterator[Figures]:
    """The buckets that begin in ``since <= start < until``, as ``figures``."""
    for hour, stored in db.execute(_BUCKETS_WITHIN, (*key, hour_of(since), until)):
        tallies = _unpacked(stored, key=str(key), start=hour)
        for number, tally in enumerate(tallies):
            start = hour + HOUR_MS * number // len(tallies)
            if tally.counts and since <= start < until:
                yield Figures(start, tally)


def _unpacked(stored: bytes, **whose: object) -> Sequence[Tally]:
    try:
        return unpacked(stored)
    except TallyError as error:
        _log.error("figures are lost", error=str(error), **whose)
        return ()
