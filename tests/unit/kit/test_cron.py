"""Cron expressions: when they come, in which zone, and which never come."""

from datetime import UTC, datetime

import pytest

from kubekuma.kit.cron import cron_after, parse_cron


def after(text: str, zone: str, *when: int) -> str:
    return f"{cron_after(text, zone, datetime(*when, tzinfo=UTC)):%m-%d %H:%M}"  # type: ignore[misc, arg-type]


def test_the_next_time_is_later_than_what_it_is_asked_of() -> None:
    assert after("30 2 * * *", "UTC", 2026, 3, 1, 2, 29) == "03-01 02:30"
    assert after("30 2 * * *", "UTC", 2026, 3, 1, 2, 30) == "03-02 02:30"
    assert after("*/15 8-17 * * MON-FRI", "UTC", 2026, 3, 6, 17, 50) == "03-09 08:00"


def test_it_goes_by_the_clocks_of_its_zone() -> None:
    assert after("30 2 * * *", "Europe/Berlin", 2026, 1, 1) == "01-01 01:30"
    assert after("30 2 * * *", "Europe/Berlin", 2026, 7, 1) == "07-01 00:30"


def test_a_time_that_there_is_not_comes_after_the_gap_and_one_that_there_is_twice_comes_once() -> (
    None
):
    # 2026-03-29 02:00 CET is 03:00 CEST, which is 01:00 UTC.
    assert after("30 2 * * *", "Europe/Berlin", 2026, 3, 28, 12) == "03-29 01:00"
    # 2026-10-25 03:00 CEST is 02:00 CET: half past two is at 00:30 and at 01:30 UTC.
    assert after("30 2 * * *", "Europe/Berlin", 2026, 10, 24, 12) == "10-25 00:30"
    assert after("30 2 * * *", "Europe/Berlin", 2026, 10, 25, 0, 30) == "10-26 01:30"


@pytest.mark.parametrize("text", ["30 2 * * *", "0 0 29 2 *", "0 0 L * *"])
def test_what_comes_is_taken(text: str) -> None:
    parse_cron(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "five fields"),
        ("* * * * * *", "five fields"),
        ("@daily", "five fields"),
        ("61 * * * *", "Bad minute"),
        ("* * * FOO *", "Bad month"),
        ("0 0 30 2 *", "Bad day-of-month"),
        ("0 0 31 2 * ", "Bad day-of-month"),
    ],
)
def test_what_never_comes_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_cron(text)
