"""Figures of hours and days, which outlive the heartbeats that they are of."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

import structlog

from kubekuma.model.meta import Key
from kubekuma.record.blocks import Beat
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
    SELECT seconds, start, figures FROM rollups
    WHERE series = (SELECT id FROM series WHERE namespace = :namespace AND name = :name)
    AND seconds >= :shortest AND seconds <= :longest AND start >= :since AND start < :until
    ORDER BY seconds, start
"""


class Figures(NamedTuple):
    """The figures of one stretch of time: from ``start``, in ms, for ``seconds``."""

    start: int
    seconds: int
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
        put_figures(db, series, seconds, start, [tally])


def put_figures(
    db: Connection, series: int, seconds: int, start: int, tallies: Sequence[Tally]
) -> None:
    """Store ``tallies``, of ``seconds`` each, the first of which begins at ``start``."""
    db.execute(_PUT, (series, seconds, start, packed(tallies)))


def figures(
    db: Connection, key: Key, since: int, until: int, lengths: tuple[int, int]
) -> Iterator[Figures]:
    """What is stored that begins in ``since <= start < until``; of lengths within ``lengths``.

    What is damaged is left out, and logged.
    """
    shortest, longest = lengths
    wanted = {
        "namespace": key.namespace,
        "name": key.name,
        "shortest": shortest,
        "longest": longest,
        "since": since,
        "until": until,
    }
    for seconds, start, stored in db.execute(_WITHIN, wanted):
        for number, tally in enumerate(_unpacked(stored, key=str(key), start=start)):
            if tally.counts:
                yield Figures(start + 1000 * seconds * number, seconds, tally)


def _unpacked(stored: bytes, **whose: object) -> Iterable[Tally]:
    try:
        return unpacked(stored)
    except TallyError as error:
        _log.error("figures are lost", error=str(error), **whose)
        return ()
