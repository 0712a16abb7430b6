"""Error budgets that are used up too fast."""

import pytest

from kubekuma.model.monitor import Slo
from kubekuma.record.burn import burning
from kubekuma.record.uptime import Uptime

HOUR = 3_600_000
FIVE = 300_000


def uptime(length: int, down: int) -> Uptime:
    return Uptime(good_ms=length - down, down_ms=down)


# Two per cent of 30 days' budget in an hour is 14.4 times as much as may be.
@pytest.mark.parametrize(
    ("objective", "days", "down_of_hour", "down_of_five", "burns"),
    [
        ("99.9", 30, 51_840, 4_320, True),
        ("99.9", 30, 51_839, 4_320, False),
        # It is over, though the hour is not.
        ("99.9", 30, 600_000, 0, False),
        ("99.9", 30, 0, 0, False),
        ("99.9", 7, 12_096, 300_000, True),
        # A day's budget may be used within the day, and not faster.
        ("99", 1, 36_000, 3_000, True),
        ("99", 1, 35_000, 3_000, False),
        ("100", 30, 1, 1, True),
    ],
)
def test_it_is_told_by_the_hour_and_by_the_last_minutes(
    objective: str, days: int, down_of_hour: int, down_of_five: int, *, burns: bool
) -> None:
    slo = Slo(objective_percent=objective, window_days=days)
    said = burning(slo, uptime(HOUR, down_of_hour), uptime(FIVE, down_of_five))
    assert bool(said) is burns


def test_it_says_how_fast() -> None:
    slo = Slo(objective_percent="99.9")
    said = burning(slo, uptime(HOUR, HOUR), uptime(FIVE, FIVE))
    assert said == (
        "the last hour took 139% of the error budget of 30 days (99.9 %),"
        " 1e+03 times as much as it may"
    )


def test_where_nothing_was_measured_nothing_burns() -> None:
    slo = Slo(objective_percent="99.9")
    assert burning(slo, Uptime(), Uptime()) == ""
    assert burning(slo, uptime(HOUR, HOUR), Uptime()) == ""
