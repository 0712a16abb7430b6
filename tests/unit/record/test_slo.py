"""Budgets are exact: no millisecond is lost to the way that 99.9 is written down."""

import pytest

from kubekuma.record.slo import ErrorBudget, burn_rate, error_budget
from kubekuma.record.uptime import Uptime

DAY_MS = 86_400_000


def down(ms: int) -> Uptime:
    return Uptime(good_ms=30 * DAY_MS - ms, down_ms=ms)


@pytest.mark.parametrize(
    ("objective", "spent", "left", "ratio"),
    [
        ("99.9", 0, 2_592_000, 1.0),
        ("99.9", 1_296_000, 1_296_000, 0.5),
        ("99.9", 2_592_000, 0, 0.0),
        ("99.9", 5_184_000, -2_592_000, -1.0),
        ("99.999", 0, 25_920, 1.0),
        ("100", 0, 0, None),
        ("100", 1, -1, None),
    ],
)
def test_what_is_left_of_a_month(
    objective: str, spent: int, left: int, ratio: float | None
) -> None:
    budget = error_budget(objective, down(spent))
    assert (budget.left_ms, budget.left_ratio) == (left, ratio)


@pytest.mark.parametrize(
    ("objective", "uptime", "rate"),
    [
        ("99.9", down(2_592_000), 1.0),
        ("99.9", Uptime(good_ms=985_600, down_ms=14_400), 14.4),
        ("99.9", down(0), 0.0),
        ("99.9", Uptime(), None),
        ("100", down(0), 0.0),
        ("100", down(1), float("inf")),
    ],
)
def test_how_fast_it_is_spent(objective: str, uptime: Uptime, rate: float | None) -> None:
    assert burn_rate(objective, uptime) == rate


def test_nothing_watched_allows_nothing() -> None:
    assert error_budget("99.9", Uptime()) == ErrorBudget(allowed_ms=0, left_ms=0)
