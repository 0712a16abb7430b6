"""A burst at once, then so many a second."""

import trio
from trio.testing import MockClock

from kubekuma.kit.pace import Pace


async def turns(pace: Pace, clock: MockClock, count: int) -> list[float]:
    began = clock.current_time()
    times = []
    for _ in range(count):
        await pace.turn()
        times.append(round(clock.current_time() - began, 6))
    return times


async def test_a_burst_goes_through_at_once_and_the_rest_at_its_rate(
    autojump_clock: MockClock,
) -> None:
    pace = Pace(10, 3)
    assert await turns(pace, autojump_clock, 6) == [0, 0, 0, 0.1, 0.2, 0.3]


async def test_a_rest_earns_a_burst_and_never_more(autojump_clock: MockClock) -> None:
    pace = Pace(10, 3)
    await turns(pace, autojump_clock, 3)
    await trio.sleep(0.2)
    assert await turns(pace, autojump_clock, 3) == [0, 0, 0.1]
    await trio.sleep(1000)
    assert await turns(pace, autojump_clock, 5) == [0, 0, 0, 0.1, 0.2]


async def test_many_callers_share_one_rate(autojump_clock: MockClock) -> None:
    pace = Pace(20, 100)
    passed: list[float] = []

    async def caller() -> None:
        while True:
            await pace.turn()
            passed.append(autojump_clock.current_time())

    with trio.move_on_after(10):
        async with trio.open_nursery() as nursery:
            for _ in range(7):
                nursery.start_soon(caller)
    in_any_second = max(sum(at <= each <= at + 1 for each in passed) for at in passed)
    assert 298 <= len(passed) <= 301
    assert in_any_second <= 121


async def test_waiting_for_a_turn_is_a_checkpoint_also_when_there_is_one() -> None:
    with trio.CancelScope() as scope:
        scope.cancel()
        await Pace(10, 3).turn()
    assert scope.cancelled_caught
