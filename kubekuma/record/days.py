"""How the days of a monitor were, in whichever time zone: sums over its spans."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import pairwise
from typing import Final, TypeAlias

import attrs

from kubekuma.model.meta import Key
from kubekuma.record.database import Connection
from kubekuma.record.reclassified import pieces
from kubekuma.record.times import Window, epoch_ms

# When it begins, in ms, and what it is charged as; until the next one.
Laid: TypeAlias = tuple[int, str]

_SHOWN: Final = frozenset({"up", "degraded", "down", "maintenance"})
_SPANS: Final = """
    SELECT start, charge FROM spans
    WHERE series = (SELECT id FROM series WHERE namespace = :namespace AND name = :name)
    AND start < :until AND start >= COALESCE(
        (SELECT MAX(start) FROM spans WHERE start <= :since AND series =
            (SELECT id FROM series WHERE namespace = :namespace AND name = :name)),
        :since)
    ORDER BY start
"""


@attrs.frozen(kw_only=True)
class DayBar:
    """One local day, as far as it is over. The five lengths, in ms, add up to all of it."""

    day: date
    since: datetime
    until: datetime  # of the day that is not over, now
    up_ms: int = 0
    degraded_ms: int = 0
    down_ms: int = 0
    maintenance_ms: int = 0
    unknown_ms: int = 0  # not watched, for whatever reason


def day_bars(
    db: Connection, keys: Sequence[Key], zone: tzinfo, days: int, now: datetime
) -> dict[Key, list[DayBar]]:
    """The last ``days`` local days of each of ``keys``, the oldest first; the last is today."""
    today = now.astimezone(zone).date()
    dates = [today - timedelta(days=back) for back in range(days - 1, -1, -1)]
    edges = [*(midnight(day, zone) for day in dates), now]
    stamps = [epoch_ms(edge) for edge in edges]
    return {
        key: [
            _bar(day, since, until, lengths)
            for day, (since, until), lengths in zip(
                dates, pairwise(edges), _charged(db, key, stamps), strict=True
            )
        ]
        for key in keys
    }


def charged_within(db: Connection, key: Key, window: Window) -> Mapping[str, int]:
    """How long time of ``key`` was charged as what within ``window``, in ms."""
    (found,) = _charged(db, key, [epoch_ms(window.since), epoch_ms(window.until)])
    return {charge: length for charge, length in found.items() if length}


def midnight(day: date, zone: tzinfo) -> datetime:
    """When ``day`` begins in ``zone``; where its midnight is skipped, at the first moment after."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def charged(spans: Sequence[Laid], edges: Sequence[int]) -> list[dict[str, int]]:
    """For each stretch between two of ``edges``, how long it was charged as what.

    All in ms, ``spans`` and ``edges`` in order. Before the first span, nothing is charged.
    """
    found: list[dict[str, int]] = [{} for _ in edges[1:]]
    ends = [start for start, _ in spans[1:]] + [edges[-1]]
    place = 0
    for (start, charge), end in zip(spans, ends, strict=False):  # without spans, an end is left
        while place < len(found) and edges[place + 1] <= start:
            place += 1
        for number in range(place, len(found)):
            if edges[number] >= end:
                break
            length = min(end, edges[number + 1]) - max(start, edges[number])
            if length > 0:
                found[number][charge] = found[number].get(charge, 0) + length
    return found


def _charged(db: Connection, key: Key, stamps: Sequence[int]) -> list[dict[str, int]]:
    """As ``charged``, with what people have said."""
    found = charged(_laid(db, key, stamps), stamps)
    for piece in pieces(db, stamps[0], stamps[-1], key):
        for lengths, (since, until) in zip(found, pairwise(stamps), strict=True):
            lengths[piece.charge] = lengths.get(piece.charge, 0) + piece.within(since, until)
    return found


def _laid(db: Connection, key: Key, stamps: Sequence[int]) -> list[Laid]:
    who = {"namespace": key.namespace, "name": key.name}
    found = db.execute(_SPANS, {**who, "since": stamps[0], "until": stamps[-1]})
    return [(start, charge) for start, charge in found]


def _bar(day: date, since: datetime, until: datetime, lengths: Mapping[str, int]) -> DayBar:
    whole = epoch_ms(until) - epoch_ms(since)
    return DayBar(
        day=day,
        since=since,
        until=until,
        up_ms=lengths.get("up", 0),
        degraded_ms=lengths.get("degraded", 0),
        down_ms=lengths.get("down", 0),
        maintenance_ms=lengths.get("maintenance", 0),
        unknown_ms=whole - sum(lengths.get(charge, 0) for charge in _SHOWN),
    )
