"""Slots: fixed by the key, on the grid, one an interval."""

from hypothesis import given
from hypothesis import strategies as st

from kubekuma.model.meta import Key
from kubekuma.schedule.slots import next_slot, next_step

keys = st.builds(Key, st.just("ns"), st.text("abcdef", min_size=1, max_size=8))
intervals = st.integers(1, 86_400)
jitters = st.integers(0, 50)
# trio's clock begins at a random place between 10,000 and 1,000,000 seconds.
instants = st.floats(0, 2_000_000, allow_nan=False)


@given(keys, intervals, jitters, instants)
def test_a_slot_comes_after_now_and_within_an_interval(
    key: Key, interval: int, jitter: int, now: float
) -> None:
    slot = next_slot(key, interval, jitter, now)
    assert now < slot <= now + interval + 0.1


@given(keys, intervals, jitters, instants)
def test_the_period_is_the_interval_exactly(
    key: Key, interval: int, jitter: int, now: float
) -> None:
    first = next_slot(key, interval, jitter, now)
    second = next_slot(key, interval, jitter, first)
    assert round((second - first) * 10) == interval * 10


@given(keys, intervals, jitters, instants)
def test_slots_lie_on_the_grid(key: Key, interval: int, jitter: int, now: float) -> None:
    slot = next_slot(key, interval, jitter, now)
    assert slot == round(slot * 10) / 10


@given(keys, intervals, jitters, instants, st.floats(0, 0.999))
def test_a_late_check_skips_what_it_has_missed(
    key: Key, interval: int, jitter: int, now: float, late: float
) -> None:
    slot = next_slot(key, interval, jitter, now)
    missed = next_slot(key, interval, jitter, slot + 3 * interval + late * interval)
    assert round((missed - slot) * 10) % (interval * 10) == 0
    assert missed > slot + 3 * interval


def test_keys_are_spread_over_the_interval() -> None:
    slots = [next_slot(Key("ns", f"m{n}"), 60, 5, 1000.0) - 1000.0 for n in range(6000)]
    by_second = [sum(second <= slot < second + 1 for slot in slots) for second in range(60)]
    assert min(by_second) > 60
    assert max(by_second) < 150


@given(instants)
def test_the_next_step_is_the_next_point_of_the_grid(now: float) -> None:
    step = next_step(now)
    assert now < step <= now + 0.1001
    assert step == round(step * 10) / 10
