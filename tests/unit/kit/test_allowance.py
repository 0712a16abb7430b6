"""So many a second for each caller, and no memory without a bound."""

from hypothesis import given
from hypothesis import strategies as st

from kubekuma.kit.allowance import Allowance


def test_a_burst_passes_and_then_so_many_a_second() -> None:
    allowance = Allowance(2.0, burst=3)
    assert [allowance.take("a", 100.0) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert allowance.take("a", 100.0) == 0.5
    # What was refused costs nothing.
    assert allowance.take("a", 100.4) > 0
    assert allowance.take("a", 100.5) == 0.0
    assert allowance.take("a", 100.5) == 0.5


def test_callers_do_not_know_each_other() -> None:
    allowance = Allowance(1.0, burst=1)
    assert allowance.take("a", 0.0) == 0.0
    assert allowance.take("b", 0.0) == 0.0
    assert allowance.take("a", 0.0) == 1.0


def test_who_was_longest_away_is_forgotten() -> None:
    allowance = Allowance(1.0, burst=1, most=2)
    for caller in "abc":
        assert allowance.take(caller, 0.0) == 0.0
    assert allowance.take("c", 0.0) == 1.0
    assert allowance.take("a", 0.0) == 0.0


@given(st.lists(st.floats(0.0, 3.0), max_size=60))
def test_nobody_ever_gets_more_than_the_burst_and_the_rate(pauses: list[float]) -> None:
    allowance, now, passed = Allowance(1.0, burst=4), 0.0, 0
    for pause in pauses:
        now += pause
        passed += allowance.take("a", now) == 0.0
    assert passed <= 4 + now + 1e-6
