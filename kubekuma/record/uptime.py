"""Uptime over a window: a sum over spans, exact and additive over adjacent windows."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import attrs

from kubekuma.model.meta import Key
from kubekuma.model.state import Charge
from kubekuma.record.database import Connection
from kubekuma.record.times import epoch_ms

# The windows that status, metrics and API speak of.
WINDOWS: Final[Mapping[str, timedelta]] = {
    "1h": timedelta(hours=1),
    "24h": timedelta(days=1),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}

# Each span lasts until the next of its series; of one that reaches beyond the window, the part
# within counts.
_CHARGED: Final = """
    SELECT namespace, name, charge, CAST(SUM(
        CASE WHEN ends < :until THEN ends ELSE :until END
        - CASE WHEN start > :since THEN start ELSE :since END
    ) AS BIGINT)
    FROM (
        SELECT series, start, charge,
            LEAD(start, 1, :until) OVER (PARTITION BY series ORDER BY start) AS ends
        FROM spans WHERE {chosen}
    ) AS charged
    JOIN series ON id = series
    WHERE ends > :since AND start < :until
    GROUP BY namespace, name, charge
"""
_ONE: Final = _CHARGED.format(
    chosen="series = (SELECT id FROM series WHERE namespace = :namespace AND name = :name)"
)
_ALL: Final = _CHARGED.format(chosen="1 = 1")


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
    return {
        name: _uptimes(db, _ONE, now - length, now, who).get(key, Uptime())
        for name, length in WINDOWS.items()
    }


def uptimes(db: Connection, names: Sequence[str], now: datetime) -> dict[str, dict[Key, Uptime]]:
    """The uptime of every monitor in those of ``WINDOWS`` that are named, up to ``now``."""
    return {name: _uptimes(db, _ALL, now - WINDOWS[name], now, {}) for name in names}


def _uptimes(
    db: Connection, sql: str, since: datetime, until: datetime, who: Mapping[str, str]
) -> dict[Key, Uptime]:
    found: dict[Key, dict[str, int]] = {}
    window = {"since": epoch_ms(since), "until": epoch_ms(until), **who}
    for namespace, name, charge, milliseconds in db.execute(sql, window):
        found.setdefault(Key(namespace, name), {})[charge] = milliseconds
    return {key: _uptime(charged) for key, charged in found.items()}


def _uptime(charged: Mapping[str, int]) -> Uptime:
    return Uptime(
        good_ms=charged.get(Charge.UP, 0) + charged.get(Charge.DEGRADED, 0),
        down_ms=charged.get(Charge.DOWN, 0),
    )
