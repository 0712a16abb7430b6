"""Sums over spans are the same on both databases; the laws they obey are tests of their own."""

from datetime import timedelta
from zoneinfo import ZoneInfo

from build import START, WEB, at

from kubekuma.model.meta import Key
from kubekuma.model.state import Charge, Span
from kubekuma.record.database import Connection
from kubekuma.record.days import day_bars
from kubekuma.record.incidents import insert_span
from kubekuma.record.states import series_of
from kubekuma.record.times import Window
from kubekuma.record.uptime import Uptime, uptime_within, uptimes, uptimes_of

MAIL = Key("shop", "mail")
HOUR = 3600
HOUR_MS = 3_600_000
NOW = START + timedelta(days=3)


def lay(db: Connection) -> None:
    series = series_of(db, WEB, "u1")
    for hours, charge in ((0, Charge.UP), (30, Charge.DOWN), (31, Charge.UP), (71, Charge.PAUSED)):
        insert_span(db, series, Span(start=at(hours * HOUR), charge=charge))
    insert_span(db, series_of(db, MAIL, "u2"), Span(start=at(60 * HOUR), charge=Charge.DEGRADED))


def test_every_window_is_summed_up(db: Connection) -> None:
    lay(db)
    of_one = uptimes_of(db, WEB, NOW)
    assert of_one == {
        "1h": Uptime(),
        "24h": Uptime(good_ms=23 * HOUR_MS),
        "7d": Uptime(good_ms=70 * HOUR_MS, down_ms=HOUR_MS),
        "30d": Uptime(good_ms=70 * HOUR_MS, down_ms=HOUR_MS),
        "90d": Uptime(good_ms=70 * HOUR_MS, down_ms=HOUR_MS),
    }
    # Whichever windows, in whichever order.
    found = uptimes(db, ("7d", "1h", "24h"), NOW)
    assert {name: by_key[WEB] for name, by_key in found.items()} == {
        name: of_one[name] for name in ("7d", "1h", "24h")
    }
    assert found["1h"][MAIL] == Uptime(good_ms=HOUR_MS)
    window = Window(since=at(29.5 * HOUR), until=at(30.5 * HOUR))
    assert uptime_within(db, WEB, window) == Uptime(good_ms=HOUR_MS // 2, down_ms=HOUR_MS // 2)
    assert uptime_within(db, Key("shop", "none"), window) == Uptime()


def test_days_are_those_of_the_zone(db: Connection) -> None:
    lay(db)
    found = day_bars(db, [WEB, MAIL], ZoneInfo("Asia/Kolkata"), 4, NOW)
    hours = [
        tuple(
            ms / HOUR_MS
            for ms in (bar.up_ms, bar.degraded_ms, bar.down_ms, bar.maintenance_ms, bar.unknown_ms)
        )
        for bar in found[WEB]
    ]
    # Midnight is at 18:30 UTC; the last day has begun 5.5 hours ago.
    assert hours == [(18.5, 0, 0, 0, 5.5), (23, 0, 1, 0, 0), (24, 0, 0, 0, 0), (4.5, 0, 0, 0, 1)]
    assert [bar.degraded_ms / HOUR_MS for bar in found[MAIL]] == [0, 0, 6.5, 5.5]
