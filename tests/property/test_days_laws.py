"""Days are as long as the calendar says, and are charged as a clock beside them would count."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from build import WEB
from hypothesis import given
from hypothesis import strategies as st
from support.history import memory

from kubekuma.model.audit import Act
from kubekuma.model.meta import Key
from kubekuma.model.state import Charge, Span
from kubekuma.record.days import charged, day_bars, midnight
from kubekuma.record.incidents import insert_span
from kubekuma.record.reclassified import Reclassification, reclassify
from kubekuma.record.states import series_of
from kubekuma.record.times import Window, epoch_ms, from_epoch_ms
from kubekuma.record.uptime import Uptime, uptime_within

HOUR_MS = 3_600_000
MAIL = Key("shop", "mail")
ZONES = ["UTC", "Europe/Berlin", "America/St_Johns", "Asia/Beirut", "Pacific/Apia", "Asia/Kolkata"]

zones = st.sampled_from(ZONES).map(ZoneInfo)
charges = st.sampled_from(["up", "degraded", "down", "unknown", "paused", "maintenance"])
spans = st.dictionaries(st.integers(0, 60), charges, max_size=12).map(
    lambda found: sorted(found.items())
)


@given(spans, st.lists(st.integers(-5, 70), min_size=2, max_size=8).map(sorted))
def test_each_tick_is_counted_once_for_what_it_is(
    laid: list[tuple[int, str]], edges: list[int]
) -> None:
    expected: list[dict[str, int]] = [{} for _ in edges[1:]]
    for number, found in enumerate(expected):
        for tick in range(edges[number], edges[number + 1]):
            now = [charge for start, charge in laid if start <= tick]
            if now:
                found[now[-1]] = found.get(now[-1], 0) + 1
    assert charged(laid, edges) == expected


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", date(2026, 3, 29), 23),
        ("Europe/Berlin", date(2026, 10, 25), 25),
        ("Europe/Berlin", date(2026, 10, 26), 24),
        ("Asia/Beirut", date(2026, 3, 29), 23),  # midnight itself is skipped
        ("Australia/Lord_Howe", date(2026, 10, 4), 23.5),
        ("Pacific/Apia", date(2011, 12, 30), 0),  # the day that never was
        ("America/St_Johns", date(2006, 10, 29), 25),  # midnight comes twice
    ],
)
def test_a_day_has_as_many_hours_as_it_has_there(zone: str, day: date, hours: float) -> None:
    length = midnight(day + timedelta(days=1), ZoneInfo(zone)) - midnight(day, ZoneInfo(zone))
    assert length == timedelta(hours=hours)


@given(
    zones,
    st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001 - hypothesis adds the zone
    st.integers(1, 30),
    st.lists(st.tuples(st.integers(1, 90 * HOUR_MS), st.sampled_from(Charge)), max_size=10),
    st.integers(0, 900),
    st.dictionaries(st.integers(1, 40), st.sampled_from(Charge), max_size=4),
)
def test_bars_are_sums_over_adjacent_days(
    zone: ZoneInfo,
    now: datetime,
    days: int,
    lengths: list[tuple[int, Charge]],
    hours_ago: int,
    said: dict[int, Charge],
) -> None:
    act = Act(at=now, actor="kim", reason="it was our own network")
    with memory() as db:
        series = series_of(db, WEB, "u1")
        start = epoch_ms(now) - hours_ago * HOUR_MS
        for length, charge in lengths:
            insert_span(db, series, Span(start=from_epoch_ms(start), charge=charge))
            start += length
        for number, charge in said.items():
            # Twenty hours long, and a day apart.
            since = now - timedelta(hours=24 * number)
            window = Window(since=since, until=since + timedelta(hours=20))
            made = reclassify(db, str(number), WEB, window, charge, act)
            assert isinstance(made, Reclassification)
        found = day_bars(db, [WEB, MAIL], zone, days, now)
        bars = found[WEB]
        assert len(bars) == len(found[MAIL]) == days
        assert all(
            bar.unknown_ms == epoch_ms(bar.until) - epoch_ms(bar.since) for bar in found[MAIL]
        )
        assert bars[-1].until == now
        for bar in bars:
            parts = bar.up_ms, bar.degraded_ms, bar.down_ms, bar.maintenance_ms, bar.unknown_ms
            assert min(parts) >= 0
            assert sum(parts) == epoch_ms(bar.until) - epoch_ms(bar.since)
            assert bar.since.astimezone(zone).date() == bar.day
            uptime = uptime_within(db, WEB, Window(since=bar.since, until=bar.until))
            assert uptime == Uptime(good_ms=bar.up_ms + bar.degraded_ms, down_ms=bar.down_ms)
        whole = uptime_within(db, WEB, Window(since=bars[0].since, until=now))
        assert whole.down_ms == sum(bar.down_ms for bar in bars)
        assert whole.good_ms == sum(bar.up_ms + bar.degraded_ms for bar in bars)
