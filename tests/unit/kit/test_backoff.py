"""Delays double up to a bound, and chance only ever adds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubekuma.kit.backoff import Backoff


def test_delays_double_from_the_first_to_the_most() -> None:
    backoff = Backoff(first=0.8, most=30.0, jitter=1.0)
    delays = [backoff.delay(attempt, 0.0) for attempt in range(8)]
    assert delays == pytest.approx([0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0])


@given(st.integers(0, 10**9), st.floats(0, 1, exclude_max=True))
def test_chance_adds_up_to_its_share_however_often_it_failed(attempt: int, chance: float) -> None:
    backoff = Backoff(first=0.5, most=60.0, jitter=0.2)
    plain = backoff.delay(attempt, 0.0)
    assert 0.5 <= plain <= 60.0
    assert plain <= backoff.delay(attempt, chance) <= plain * 1.2
