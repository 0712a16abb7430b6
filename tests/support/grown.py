"""A history as it is after months, made up: noisy as real ones are, and the same each time."""

from collections.abc import Iterator
from random import Random
from typing import Final

import attrs

from kubekuma.model.meta import Key
from kubekuma.record.blocks import HOUR_MS, Beat, Sealed, seal
from kubekuma.record.database import Connection
from kubekuma.record.rollups import DAY_SECONDS, HOUR_SECONDS
from kubekuma.record.sealed import outcome_bits
from kubekuma.record.tally import packed, tallied

# So many different hours take turns; each is of one target, slow or fast.
POOL: Final = 400
DAY_MS: Final = 24 * HOUR_MS
# Changes of state of a monitor in 90 days: most have few, some flap.
CHANGES: Final = (0, 2, 2, 4, 4, 6, 8, 12, 20, 40)


@attrs.frozen(kw_only=True)
class StoredHour:
    """An hour of heartbeats in each form that is stored."""

    beats: list[Beat]
    outcomes: int
    sealed: Sealed
    figures: bytes
    buckets: bytes


def made_hour(random: Random, interval_seconds: int = 60) -> list[Beat]:
    """The heartbeats of an hour that begins at 0: of HTTPS, rarely slow, more rarely failed."""
    phase, fast = random.randrange(1000 * interval_seconds), random.lognormvariate(0, 0.7)

    def about(usual_ms: float, spread: float) -> int:
        return round(1000 * usual_ms * fast * random.lognormvariate(0, spread))

    beats = []
    for number in range(3600 // interval_seconds):
        # Off by a few milliseconds, as is measured of the product.
        at = number * 1000 * interval_seconds + phase + round(random.expovariate(0.5))
        lengths = (about(0.8, 0.3), about(9, 0.2), about(20, 0.15), about(35, 0.3), about(1.5, 0.4))
        if random.random() < 0.0005:
            said = "connect: timed out after 10 s"
            late = 10_000_000 + random.randrange(3000)
            beat = Beat(
                at, "failed", "Timeout", said, late, lengths[0], None, None, None, None, None, 1
            )
        else:
            beat = Beat(at, "passed", "Passed", "", sum(lengths), *lengths, 200, 1)
        beats.append(beat)
    return [beat for beat in beats if beat.at < HOUR_MS]


def stored_hours(interval_seconds: int = 60) -> list[StoredHour]:
    """The hours that take turns."""
    random, found = Random(7), []  # noqa: S311 - the same each time
    for _ in range(POOL):
        beats = made_hour(random, interval_seconds)
        ten: list[list[tuple[str, int]]] = [[] for _ in range(6)]
        for beat in beats:
            ten[beat.at * 6 // HOUR_MS].append((beat.outcome, beat.latency))
        found.append(
            StoredHour(
                beats=beats,
                outcomes=outcome_bits(beats),
                sealed=seal(0, beats),
                figures=packed([tallied((beat.outcome, beat.latency) for beat in beats)]),
                buckets=packed([tallied(each) for each in ten]),
            )
        )
    return found


def key_of(number: int) -> Key:
    """The monitor of series ``number``."""
    return Key("shop", f"monitor-{number}")


def put_series(db: Connection, count: int) -> None:
    """Make series 1 to ``count``."""
    rows = [(n, *key_of(n), f"u{n}") for n in range(1, count + 1)]
    db.executemany("INSERT INTO series (id, namespace, name, uid) VALUES (?, ?, ?, ?)", rows)


def put_rows(db: Connection, hours: list[StoredHour], series: range, hour: int) -> None:
    """One hour of each of ``series``, as it is before it is sealed."""
    marks = ", ".join("?" * (1 + len(Beat._fields)))
    rows = (
        (number, hour + beat.at, *beat[1:])
        for number in series
        for beat in hours[(number + hour // HOUR_MS) % POOL].beats
    )
    db.executemany(f"INSERT INTO heartbeats VALUES ({marks})", rows)  # noqa: S608 - marks


def put_hour(
    db: Connection,
    hours: list[StoredHour],
    monitors: int,
    hour: int,
    *,
    details: bool,
    thinned: bool,
) -> None:
    """One hour of each monitor, as it is stored at its age."""
    chosen = [(n, hours[(n + hour // HOUR_MS) % POOL]) for n in range(1, monitors + 1)]
    if thinned:
        rows = ((n, hour, it.buckets) for n, it in chosen)
        db.executemany("INSERT INTO heartbeat_buckets VALUES (?, ?, ?)", rows)
    else:
        blocks = (
            (n, hour, it.outcomes, hour + it.beats[-1].at, it.sealed.beats) for n, it in chosen
        )
        db.executemany("INSERT INTO heartbeat_blocks VALUES (?, ?, ?, ?, ?)", blocks)
    if details:
        rows = ((n, hour, it.sealed.details) for n, it in chosen)
        db.executemany("INSERT INTO heartbeat_details VALUES (?, ?, ?)", rows)
    figures = [(n, HOUR_SECONDS, hour, it.figures) for n, it in chosen]
    if hour % DAY_MS == 0:
        figures += [(n, DAY_SECONDS, hour, it.figures) for n, it in chosen]
    db.executemany("INSERT INTO rollups VALUES (?, ?, ?, ?)", figures)


def put_spans(db: Connection, monitors: int, since: int, until: int) -> int:
    """Outages of each monitor; return how many spans they make."""
    rows = list(_spans(monitors, since, until))
    db.executemany(
        "INSERT INTO spans VALUES (?, ?, ?, NULL) ON CONFLICT (series, start) DO NOTHING", rows
    )
    return len(rows)


def _spans(monitors: int, since: int, until: int) -> Iterator[tuple[int, int, str]]:
    random = Random(8)  # noqa: S311 - the same each time
    for number in range(1, monitors + 1):
        yield number, since, "up"
        starts = sorted(random.sample(range(since + 1, until), CHANGES[number % len(CHANGES)]))
        for place, start in enumerate(starts):
            yield number, start, "up" if place % 2 else "down"
