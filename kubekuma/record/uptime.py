"""Uptime over a window: a sum over spans, exact and additive over adjacent windows.

Where a person has said what time counts as, it counts as that.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import attrs

from kubekuma.model.meta import Key
from kubekuma.model.state import Charge
from kubekuma.record.database import Connection
from kubekuma.record.reclassified import pieces
from kubekuma.record.times import Window, epoch_ms

# The windows that status, metrics and API speak of.
WINDOWS: Final[Mapping[str, timedelta]] = {
    "1h": timedelta(hours=1),
    "24h": timedelta(days=1),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
    "90d": timedelta(days=90),
}

# Each span lasts until the next of its series; of one that reaches beyond a window, the part within
# counts. All windows end at the same time, and are summed up in one go. Series come first, and of
# each only the spans from the one on that was under way: however long the history is.
_CHARGED: Final = """
    WITH chosen AS /* MATERIALIZED */ (
        SELECT id, COALESCE(
            (SELECT MAX(start) FROM spans WHERE series = id AND start <= :since0), :since0
        ) AS begins
        FROM series WHERE {chosen}
    )
    SELECT which, {sums}
    FROM (
        SELECT 2 * id + CASE charge WHEN 'down' THEN 1 ELSE 0 END AS which, charge, start,
            LEAD(start, 1, :until) OVER (PARTITION BY id ORDER BY start) AS ends
        FROM chosen CROSS JOIN spans
        WHERE series = id AND start >= begins AND start < :until
    ) AS laid
    WHERE charge IN ('up', 'degraded', 'down')
    GROUP BY which
"""
_NAMES: Final = "SELECT id, namespace, name FROM series WHERE {chosen}"
_SUM: Final = """
    CAST(SUM(CASE WHEN ends > :since{0}
        THEN ends - CASE WHEN start > :since{0} THEN start ELSE :since{0} END
        ELSE 0 END) AS BIGINT)
"""
_ONE: Final = "namespace = :namespace AND name = :name"
_ALL: Final = "1 = 1"
_DOWN: Final = Charge.DOWN.value
_COUNTS: Final = frozenset({Charge.UP.value, Charge.DEGRADED.value, _DOWN})


@attrs.frozen(kw_only=True)
class Uptime:
    """How long a target was watched within a window, in milliseconds, and how it did."""

    good_ms: int = 0  # up or degraded
    down_ms: int = 0

    @property
    def ratio(self) -> float | None:
        """Between 0 and 1; None when nothing was measured."""
        watched = self.good_ms + self.down_ms
        return self.good_ms / watched if watched else None

    @property
    def percent(self) -> str | None:
        """With two decimals, cut: 100.00 means not one millisecond down."""
        watched = self.good_ms + self.down_ms
        if not watched:
            return None
        hundredths = self.good_ms * 10_000 // watched
        return f"{hundredths // 100}.{hundredths % 100:02}"


def total(uptimes: Iterable[Uptime]) -> Uptime:
    """The uptime of several monitors, or windows, as of one: time is added to time."""
    good = down = 0
    for each in uptimes:
        good, down = good + each.good_ms, down + each.down_ms
    return Uptime(good_ms=good, down_ms=down)


def uptimes_of(db: Connection, key: Key, now: datetime) -> dict[str, Uptime]:
    """The uptime of one monitor in each of ``WINDOWS`` up to ``now``."""
    found = _uptimes(db, key, [now - length for length in WINDOWS.values()], now)
    return dict(zip(WINDOWS, found.get(key, [Uptime()] * len(WINDOWS)), strict=True))


def uptimes(db: Connection, names: Sequence[str], now: datetime) -> dict[str, dict[Key, Uptime]]:
    """The uptime of every monitor in those of ``WINDOWS`` that are named, up to ``now``.

    A monitor that was not watched in a window may be absent there.
    """
    found = _uptimes(db, None, [now - WINDOWS[name] for name in names], now)
    return {
        name: {key: of_each[number] for key, of_each in found.items()}
        for number, name in enumerate(names)
    }


def uptimes_for(
    db: Connection, lengths: Sequence[timedelta], now: datetime
) -> dict[Key, list[Uptime]]:
    """The uptime of every monitor in the last so long, for each of ``lengths``, in their order."""
    return _uptimes(db, None, [now - length for length in lengths], now)


def uptime_within(db: Connection, key: Key, window: Window) -> Uptime:
    """The uptime of one monitor within ``window``, whichever."""
    return _uptimes(db, key, [window.since], window.until).get(key, [Uptime()])[0]


def _uptimes(
    db: Connection, key: Key | None, since: Sequence[datetime], until: datetime
) -> dict[Key, list[Uptime]]:
    """The uptime of one monitor, or of each, from each of ``since`` on, in their order."""
    end, begins = epoch_ms(until), [epoch_ms(each) for each in since]
    # The longest window is the first in the statement.
    order = sorted(range(len(begins)), key=begins.__getitem__)
    sums = ",".join(_SUM.format(place) for place in range(len(begins)))
    words = {"chosen": _ONE if key else _ALL, "sums": sums}
    whose = key._asdict() if key else {}
    bounds = {f"since{place}": begins[number] for place, number in enumerate(order)}
    nothing = [0] * len(begins)
    of_series: dict[int, list[list[int]]] = {}
    for which, *lengths in db.execute(_CHARGED.format(**words), {"until": end, **bounds, **whose}):
        series, down = divmod(which, 2)
        if series not in of_series:
            of_series[series] = [nothing, nothing]
        of_series[series][down] = lengths
    places = [order.index(number) for number in range(len(begins))]
    found = {}
    for series, namespace, name in db.execute(_NAMES.format(**words), whose):
        if series in of_series:
            good, down = of_series[series]
            found[Key(namespace, name)] = [
                Uptime(good_ms=good[place], down_ms=down[place]) for place in places
            ]
    _correct(db, found, begins, end, key)
    return found


def _correct(
    db: Connection, found: dict[Key, list[Uptime]], begins: Sequence[int], end: int, key: Key | None
) -> None:
    """Count in ``found`` what people have said."""
    for piece in pieces(db, min(begins), end, key):
        if piece.charge not in _COUNTS:
            continue
        good, down = (0, 1) if piece.charge == _DOWN else (1, 0)
        found[piece.key] = [
            Uptime(
                good_ms=before.good_ms + good * piece.within(begin, end),
                down_ms=before.down_ms + down * piece.within(begin, end),
            )
            for before, begin in zip(
                found.get(piece.key, [Uptime()] * len(begins)), begins, strict=True
            )
        ]
