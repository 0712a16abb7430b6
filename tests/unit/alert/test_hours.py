"""When people want to hear, through the week and through both changes of the clocks."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubekuma.alert.hours import opening
from kubekuma.model.policy import ActiveTime, Weekday

WORKDAYS = (Weekday.MON, Weekday.TUE, Weekday.WED, Weekday.THU, Weekday.FRI)
OFFICE = ActiveTime(weekdays=WORKDAYS, start="09:00", end="17:30", timezone="Europe/Berlin")
NIGHT = ActiveTime(start="22:00", end="06:00")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("hours", "at", "opens"),
    [
        ((), "2026-01-03T03:00", "2026-01-03T03:00"),
        ((OFFICE,), "2026-01-02T08:00", "2026-01-02T08:00"),
        ((OFFICE,), "2026-01-02T07:59", "2026-01-02T08:00"),
        # A Friday's evening waits for Monday.
        ((OFFICE,), "2026-01-02T16:30", "2026-01-05T08:00"),
        ((OFFICE,), "2026-07-03T15:30", "2026-07-06T07:00"),
        ((NIGHT,), "2026-01-02T05:59", "2026-01-02T05:59"),
        ((NIGHT,), "2026-01-02T06:00", "2026-01-02T22:00"),
        ((OFFICE, NIGHT), "2026-01-02T16:30", "2026-01-02T22:00"),
        ((ActiveTime(),), "2026-01-02T16:30", "2026-01-02T16:30"),
        ((ActiveTime(weekdays=(Weekday.FRI,)),), "2026-01-03T00:00", "2026-01-09T00:00"),
        # 02:30 is left out in the spring, and comes twice in autumn: the first counts.
        (
            (ActiveTime(start="02:30", end="04:00", timezone="Europe/Berlin"),),
            "2026-03-29T00:30",
            "2026-03-29T01:00",
        ),
        (
            (ActiveTime(start="02:30", end="04:00", timezone="Europe/Berlin"),),
            "2026-10-24T23:00",
            "2026-10-25T00:30",
        ),
    ],
)  # fmt: skip
def test_the_next_opening(hours: Any, at: str, opens: str) -> None:
    assert opening(hours, utc(at)) == utc(opens)


clocks = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.integers(0, 59))
times = st.builds(
    ActiveTime,
    weekdays=st.lists(st.sampled_from(Weekday), unique=True, max_size=3).map(tuple),
    start=clocks,
    end=clocks,
    timezone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"]),
)


@given(st.lists(times, min_size=1, max_size=3), st.integers(0, 366 * 24 * 60))
def test_it_comes_within_a_week_and_is_open(hours: list[ActiveTime], minutes: int) -> None:
    at = utc("2026-01-01T00:00") + timedelta(minutes=minutes)
    opens = opening(hours, at)
    assert at <= opens <= at + timedelta(days=8)
    assert opening(hours, opens) == opens
