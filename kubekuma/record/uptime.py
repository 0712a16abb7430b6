"""Uptime over a window: a sum over spans, exact and additive over adjacent windows."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import attrs

from kubekuma.model.meta import Key
from kubekuma.model.state import Charge
from kubekuma.record.database import Connection
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
# counts. All windows end at the same time, and are summed up in one go.
_CHARGED: Final = """
    SELECT namespace, name, charge, {lengths}
    FROM (
        SELECT series, charge, {sums}
        FROM (
            SELECT series, charge, start, CASE WHEN ends < :until THEN ends ELSE :until END AS ends
            FROM (
                SELECT series, start, charge,
                    LEAD(start, 1, :until) OVER (PARTITION BY series ORDER BY start) AS ends
                FROM spans WHERE {chosen}
            ) AS laid
            WHERE ends > :since0 AND start < :until AND charge IN ('up', 'degraded', 'down')
        ) AS within
        GROUP BY series, charge
    ) AS charged
    JOIN series ON id = series
"""
_SUM: Final = """
    CAST(SUM(CASE WHEN ends > :since{0}
        THEN ends - CASE WHEN start > :since{0} THEN start ELSE :since{0} END
        ELSE 0 END) AS BIGINT) AS length{0}
"""
_ONE: Final = "series = (SELECT id FROM series WHERE namespace = :namespace AND name = :name)"
_ALL: Final = "1 = 1"
_DOWN: Final = Charge.DOWN.value


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


def uptimes_of(db: Connection, key: Key, now: datetime) -> dict[str, Uptime]:
    """The uptime of one monitor in each of ``WINDOWS`` up to ``now``."""
    who = {"namespace": key.namespace, "name": key.name}
    found = _uptimes(db, _ONE, [now - length for length in WINDOWS.values()], now, who)
    return dict(zip(WINDOWS, found.get(key, [Uptime()] * len(WINDOWS)), strict=True))


def uptimes(db: Connection, names: Sequence[str], now: datetime) -> dict[str, dict[Key, Uptime]]:
    """The uptime of every monitor in those of ``WINDOWS`` that are named, up to ``now``.

    A monitor that was not watched in a window may be absent there.
    """
    found = _uptimes(db, _ALL, [now - WINDOWS[name] for name in names], now, {})
    return {
        name: {key: of_each[number] for key, of_each in found.items()}
        for number, name in enumerate(names)
    }


def uptime_within(db: Connection, key: Key, window: Window) -> Uptime:
    """The uptime of one monitor within ``window``, whichever."""
    who = {"namespace": key.namespace, "name": key.name}
    found = _uptimes(db, _ONE, [window.since], window.until, who)
    return found.get(key, [Uptime()])[0]


def _uptimes(
    db: Connection,
    chosen: str,
    since: Sequence[datetime],
    until: datetime,
    who: Mapping[str, str],
) -> dict[Key, list[Uptime]]:
    """The uptime of each monitor from each of ``since`` on, in their order."""
    # The longest window is the first in the statement.
    order = sorted(range(len(since)), key=lambda number: since[number])
    sums = ",".join(_SUM.format(place) for place in range(len(since)))
    bounds = {f"since{place}": epoch_ms(since[number]) for place, number in enumerate(order)}
    lengths = ",".join(f"length{place}" for place in range(len(since)))
    sql = _CHARGED.format(lengths=lengths, sums=sums, chosen=chosen)
    charged: dict[Key, tuple[list[int], list[int]]] = {}
    for namespace, name, charge, *found in db.execute(
        sql, {"until": epoch_ms(until), **bounds, **who}
    ):
        key = Key(namespace, name)
        if key not in charged:
            charged[key] = [0] * len(since), [0] * len(since)
        sums_of = charged[key][charge == _DOWN]
        for place, length in enumerate(found):
            sums_of[place] += length
    places = [order.index(number) for number in range(len(since))]
    return {
        key: [Uptime(good_ms=good[place], down_ms=down[place]) for place in places]
        for key, (good, down) in charged.items()
    }
