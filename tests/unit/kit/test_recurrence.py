"""Rules that are refused, clocks that change, and searches that end."""

from datetime import UTC, datetime
from itertools import islice
from zoneinfo import ZoneInfo

import pytest

from kubekuma.kit.recurrence import instant, parse_rule, starts

BERLIN = ZoneInfo("Europe/Berlin")


def first(count: int, rule: str, at: datetime) -> list[str]:
    found = islice(starts(parse_rule(rule), at, BERLIN), count)
    return [each.strftime("%Y-%m-%d %H:%M") for each in found]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must be parts such as FREQ=WEEKLY between semicolons, not ''"),
        ("FREQ=DAILY;", "must be parts such as FREQ=WEEKLY between semicolons, not ''"),
        ("FREQ=HOURLY", "must have FREQ as one of DAILY, WEEKLY, MONTHLY, YEARLY"),
        ("INTERVAL=2", "must have FREQ as one of DAILY, WEEKLY, MONTHLY, YEARLY"),
        ("FREQ=DAILY;FREQ=DAILY", "must not have FREQ twice"),
        ("FREQ=DAILY;COUNT=2;UNTIL=20270101", "must have COUNT or UNTIL, not both"),
        ("FREQ=DAILY;INTERVAL=0", "must have INTERVAL between 1 and 1000, not 0"),
        ("FREQ=DAILY;COUNT=+-3", "must have COUNT between 1 and 10000, not +-3"),
        ("FREQ=DAILY;BYMONTHDAY=0", "must have BYMONTHDAY between -31 and 31, not 0"),
        ("FREQ=DAILY;BYHOUR=1,24", "must have BYHOUR between 0 and 23, not 24"),
        ("FREQ=DAILY;BYDAY=1MO", "must have BYDAY without numbers when FREQ is DAILY"),
        ("FREQ=MONTHLY;BYDAY=XX", "must have BYDAY as days such as MO or 2TU, not 'XX'"),
        ("FREQ=MONTHLY;WKST=XX", "must have WKST as one of MO, TU, WE, TH, FR, SA, SU"),
        (
            "FREQ=DAILY;UNTIL=now",
            "must have UNTIL as a day or a time, such as 20270131 or 20270131T120000Z, not now",
        ),
    ],
)
def test_what_is_no_rule_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError) as refusal:  # noqa: PT011 - the message is compared whole
        parse_rule(text)
    assert str(refusal.value) == said


def test_hours_are_those_of_the_zone_before_and_after_clocks_change() -> None:
    found = first(3, "FREQ=WEEKLY", datetime(2026, 3, 22, 3, 30, tzinfo=UTC))
    assert found == ["2026-03-22 03:30", "2026-03-29 02:30", "2026-04-05 02:30"]


def test_a_time_that_is_left_out_is_that_of_the_change() -> None:
    assert instant(datetime.fromisoformat("2026-03-29T02:30"), BERLIN) == datetime(
        2026, 3, 29, 1, tzinfo=UTC
    )


def test_a_time_that_comes_twice_is_the_first_of_the_two() -> None:
    found = instant(datetime.fromisoformat("2026-10-25T02:30"), BERLIN)
    assert found == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_until_a_day_means_all_of_that_day_where_the_clock_is() -> None:
    start = datetime(2026, 1, 1, 22, 30, tzinfo=UTC)
    assert first(9, "RRULE:FREQ=DAILY;UNTIL=20260102", start) == [
        "2026-01-01 22:30",
        "2026-01-02 22:30",
    ]


def test_what_never_comes_true_is_given_up() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for rule in (
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=-31",
        "FREQ=MONTHLY;INTERVAL=12;BYMONTH=2",
        "FREQ=WEEKLY;INTERVAL=1000;BYMONTH=2;BYMONTHDAY=31",
    ):
        assert first(5, rule, start) == ["2026-01-01 00:00"]


def test_a_rule_ends_with_the_calendar() -> None:
    found = first(5, "FREQ=YEARLY", datetime(9997, 6, 1, tzinfo=UTC))
    assert found == ["9997-06-01 00:00", "9998-06-01 00:00", "9999-06-01 00:00"]
