"""How fast a target was: percentiles over time, for charts."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

import attrs

from kubekuma.model.meta import Key
from kubekuma.record.database import Connection
from kubekuma.record.rollups import DAY_SECONDS, HOUR_SECONDS, buckets, figures
from kubekuma.record.sealed import sealed_beats
from kubekuma.record.tally import Tally
from kubekuma.record.times import Window, epoch_ms, from_epoch_ms, from_microseconds

# What people find on an axis. From a day on, days begin at midnight UTC.
STEPS: Final = (
    *(10, 30, 60, 120, 300, 600, 900, 1_800),
    *(HOUR_SECONDS * hours for hours in (1, 2, 3, 6, 12)),
    *(DAY_SECONDS * days for days in (1, 2, 7, 14, 30, 90, 365)),
)
# Less than an hour is summed up from heartbeats themselves: for so many hours at most.
_MOST_FINE: Final = timedelta(days=8)

_ROWS: Final = """
    SELECT at, outcome, latency FROM heartbeats
    WHERE series = (SELECT id FROM series WHERE namespace = ? AND name = ?) AND at >= ? AND at < ?
"""


@attrs.frozen(kw_only=True)
class Point:
    """One step of a chart. Latencies are in seconds; None: nothing passed in it."""

    at: datetime  # when it begins
    checks: int
    failed: int
    unknown: int
    mean: float | None
    p50: float | None
    p95: float | None
    most: float | None


@attrs.frozen(kw_only=True)
class LatencySeries:
    """Steps of ``step_seconds`` each, the oldest first; those without a check are left out."""

    step_seconds: int
    points: tuple[Point, ...]


def latency_series(db: Connection, key: Key, window: Window, most_points: int) -> LatencySeries:
    """How fast ``key`` was within ``window``, in ``most_points`` points at most.

    Steps lie on a grid; the first and last are whole where the window cuts through them, as far as
    there are figures of what is outside.
    """
    step = step_of(window, most_points)
    tallies: dict[int, Tally] = {}
    first = epoch_ms(window.since) // (1000 * step) * (1000 * step)
    for at, tally in _tallies(db, key, first, epoch_ms(window.until), step):
        start = at // (1000 * step) * (1000 * step)
        tallies.setdefault(start, Tally()).merge(tally)
    points = (_point(start, tallies[start]) for start in sorted(tallies))
    return LatencySeries(step_seconds=step, points=tuple(points))


def latency_within(db: Connection, key: Key, window: Window) -> Point | None:
    """How fast ``key`` was in all hours that begin within ``window``; None: nothing was checked."""
    since, whole = epoch_ms(window.since), Tally()
    for _, tally in _tallies(db, key, since, epoch_ms(window.until), HOUR_SECONDS):
        whole.merge(tally)
    return _point(since, whole) if whole.counts else None


def step_of(window: Window, most_points: int) -> int:
    """The shortest step, in seconds, of which ``most_points`` at most cover ``window``."""
    length = window.until - window.since
    for step in STEPS:
        first = epoch_ms(window.since) // (1000 * step)
        last = (epoch_ms(window.until) - 1) // (1000 * step)
        fine_enough = step >= HOUR_SECONDS or length <= _MOST_FINE
        if fine_enough and last - first < most_points:
            return step
    return STEPS[-1]


def _tallies(
    db: Connection, key: Key, since: int, until: int, step: int
) -> Iterator[tuple[int, Tally]]:
    """What is known of the window, by when it begins."""
    if step < HOUR_SECONDS:
        for beat in sealed_beats(db, key, since, until, details=False):
            yield beat.at, _one(beat.outcome, beat.latency)
        stored = buckets(db, key, since, until)
    else:
        seconds = DAY_SECONDS if step >= DAY_SECONDS else HOUR_SECONDS
        stored = figures(db, key, since, until, seconds)
    yield from stored
    for at, outcome, latency in db.execute(_ROWS, (key.namespace, key.name, since, until)):
        yield at, _one(outcome, latency)


def _one(outcome: str, latency: int) -> Tally:
    tally = Tally()
    tally.add(outcome, latency)
    return tally


def _point(start: int, tally: Tally) -> Point:
    measured = tally.measured
    return Point(
        at=from_epoch_ms(start),
        checks=sum(tally.counts.values()),
        failed=tally.counts.get("failed", 0),
        unknown=tally.counts.get("unknown", 0),
        mean=tally.total / measured / 1_000_000 if measured else None,
        p50=from_microseconds(tally.percentile(0.5)),
        p95=from_microseconds(tally.percentile(0.95)),
        most=from_microseconds(tally.most),
    )
