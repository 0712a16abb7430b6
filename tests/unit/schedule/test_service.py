"""Each enrolled key once per interval, whatever else happens."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from itertools import pairwise
from typing import Any

import attrs
import pytest
import trio
from support.fault import at_every_cancellation
from trio.testing import MockClock, wait_all_tasks_blocked

from kubekuma.model.meta import Key
from kubekuma.model.order import CheckNow, Drop, Enrol, Order, Pause, Recheck
from kubekuma.schedule.service import EAGER_PER_STEP, run_scheduler
from kubekuma.schedule.slots import next_slot

WEB, MAIL = Key("shop", "web"), Key("shop", "mail")


def enrol(key: Key = WEB, **more: Any) -> Enrol:
    usual = Enrol(key=key, uid="u1", generation=1, interval_seconds=60, jitter_percent=0)
    return attrs.evolve(usual, **more)


@attrs.define
class Scheduled:
    """A scheduler at work, and when it sent what."""

    clock: MockClock
    orders: trio.MemorySendChannel[Order]
    sent: list[tuple[float, Key]] = attrs.field(factory=list)
    lags: list[float] = attrs.field(factory=list)

    async def follow(self, order: Order) -> None:
        """Have ``order`` followed before anything else happens."""
        self.orders.send_nowait(order)
        await wait_all_tasks_blocked()

    def times(self, key: Key = WEB) -> list[float]:
        return [round(at, 6) for at, each in self.sent if each == key]


@asynccontextmanager
async def scheduler(clock: MockClock) -> AsyncIterator[Scheduled]:
    orders_in, orders = trio.open_memory_channel[Order](100_000)
    due_in, due = trio.open_memory_channel[tuple[Key, ...]](0)
    scheduled = Scheduled(clock, orders_in)

    async def collect() -> None:
        async for keys in due:
            scheduled.sent.extend((clock.current_time(), key) for key in keys)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(collect)
        await nursery.start(
            partial(run_scheduler, orders, due_in, report_lag=scheduled.lags.append)
        )
        try:
            yield scheduled
        finally:
            orders_in.close()


async def test_a_key_comes_at_once_and_then_once_per_interval_for_hours(
    autojump_clock: MockClock,
) -> None:
    await trio.sleep(1234.5)
    async with scheduler(autojump_clock) as it:
        await it.follow(enrol())
        await trio.sleep(5 * 3600)
    first, *slots = it.times()
    assert first == 1234.5
    assert len(slots) == 300
    assert slots[0] == next_slot(WEB, 60, 0, first)
    assert {round(after - before, 6) for before, after in pairwise(slots)} == {60.0}
    assert set(it.lags) == {0.0}


async def test_saying_it_again_changes_nothing(autojump_clock: MockClock) -> None:
    async with scheduler(autojump_clock) as it:
        for _ in range(100):
            await it.follow(enrol())
            await trio.sleep(13.7)
    first, *slots = it.times()
    assert first == 0
    assert slots[0] == next_slot(WEB, 60, 0, 0.0)
    assert {round(after - before, 6) for before, after in pairwise(slots)} == {60.0}


async def test_an_edit_is_checked_at_once_and_keeps_the_slot(autojump_clock: MockClock) -> None:
    async with scheduler(autojump_clock) as it:
        await it.follow(enrol())
        await trio.sleep(70)
        edited = autojump_clock.current_time()
        await it.follow(enrol(generation=2))
        await trio.sleep(120)
    slot = next_slot(WEB, 60, 0, 0.0)
    assert it.times() == [0, slot, *([slot + 60] if slot + 60 < edited else []), edited] + [
        each for each in (slot + 60, slot + 120, slot + 180) if edited < each < edited + 120
    ]


async def test_another_occasion_is_checked_at_once_like_an_edit(
    autojump_clock: MockClock,
) -> None:
    async with scheduler(autojump_clock) as it:
        await it.follow(enrol(interval_seconds=3600))
        await trio.sleep(7)
        await it.follow(enrol(interval_seconds=3600, occasion="down"))
        await it.follow(enrol(interval_seconds=3600, occasion="down"))
        await trio.sleep(7)
    assert it.times()[:2] == [0, 7]


async def test_another_interval_takes_another_slot(autojump_clock: MockClock) -> None:
    async with scheduler(autojump_clock) as it:
        await it.follow(enrol(interval_seconds=3600))
        await trio.sleep(30)
        await it.follow(enrol(interval_seconds=10, generation=2))
        await trio.sleep(95)
    first, edited, *slots = it.times()
    assert (first, edited) == (0, 30)
    assert slots[0] == next_slot(WEB, 10, 0, 30.0)
    assert {round(after - before, 6) for before, after in pairwise(slots)} == {10.0}
    assert len(slots) in {9, 10}


@pytest.mark.parametrize("order", [Drop(key=WEB), Pause(key=WEB)])
async def test_who_is_dropped_or_paused_comes_no_more_until_enrolled_again(
    autojump_clock: MockClock, order: Order
) -> None:
    async with scheduler(autojump_clock) as it:
        await it.follow(enrol())
        await it.follow(enrol(MAIL))
        await trio.sleep(100)
        await it.follow(order)
        await it.follow(order)
        seen = len(it.times())
        # What comes too late is nobody's any more.
        await it.follow(Recheck(key=WEB, seconds=1))
        await it.follow(CheckNow(key=WEB))
        await trio.sleep(1000)
        assert len(it.times()) == seen
        assert len(it.times(MAIL)) > 15
        again = autojump_clock.current_time()
        await it.follow(enrol())
        await trio.sleep(100)
    assert it.times()[seen] == again


async def test_a_recheck_replaces_the_slot(autojump_clock: MockClock) -> None:
    async with scheduler(autojump_clock) as it:
        await it.follow(enrol())
        slot = next_slot(WEB, 60, 0, 0.0)
        await trio.sleep(slot + 50)
        now = autojump_clock.current_time()
        await it.follow(Recheck(key=WEB, seconds=20))
        await trio.sleep(200)
    after = [each for each in it.times() if each > now]
    assert after[0] == pytest.approx(now + 20, abs=0.11)
    assert after[1] == next_slot(WEB, 60, 0, after[0])
    assert round(after[2] - after[1], 6) == 60


async def test_a_recheck_is_not_forgotten_when_the_monitor_is_looked_at_again(
    autojump_clock: MockClock,
) -> None:
    async with scheduler(autojump_clock) as it:
        await it.follow(enrol(interval_seconds=3600))
        await it.follow(Recheck(key=WEB, seconds=5))
        await it.follow(enrol(interval_seconds=3600))
        await trio.sleep(6)
    assert it.times() == [0, 5.1]


async def test_a_recheck_sooner_than_the_slot_leaves_the_slot_to_come(
    autojump_clock: MockClock,
) -> None:
    async with scheduler(autojump_clock) as it:
        await it.follow(enrol(interval_seconds=600))
        slot = next_slot(WEB, 600, 0, 0.0)
        await it.follow(Recheck(key=WEB, seconds=0.0))
        await trio.sleep(slot + 1)
    assert it.times() == [0, 0.1, slot]


async def test_check_now_comes_out_of_turn_and_moves_nothing(autojump_clock: MockClock) -> None:
    async with scheduler(autojump_clock) as it:
        await it.follow(enrol())
        slot = next_slot(WEB, 60, 0, 0.0)
        await trio.sleep(slot + 10)
        for _ in range(3):
            it.orders.send_nowait(CheckNow(key=WEB))
        await trio.sleep(60)
    assert it.times() == [0, slot, slot + 10, slot + 60]


async def test_the_initial_delay_is_waited_for_and_then_the_slot(
    autojump_clock: MockClock,
) -> None:
    async with scheduler(autojump_clock) as it:
        await it.follow(enrol(first_after_seconds=90.0))
        await trio.sleep(30)
        await it.follow(enrol(first_after_seconds=60.0))  # what is left of it, said again
        await trio.sleep(300)
    first, second, *_ = it.times()
    assert first == pytest.approx(90, abs=0.1)
    assert second == next_slot(WEB, 60, 0, first)


async def test_an_initial_delay_that_is_taken_back_is_not_waited_for(
    autojump_clock: MockClock,
) -> None:
    async with scheduler(autojump_clock) as it:
        await it.follow(enrol(first_after_seconds=3600.0))
        await trio.sleep(30)
        await it.follow(enrol(generation=2))
        await trio.sleep(200)
    assert it.times() == [30, *(next_slot(WEB, 60, 0, at) for at in (30.0, 90.0, 150.0))]


async def test_many_new_keys_are_checked_a_few_in_each_step(autojump_clock: MockClock) -> None:
    keys = [Key("shop", f"m{number}") for number in range(100)]
    async with scheduler(autojump_clock) as it:
        for key in keys:
            it.orders.send_nowait(enrol(key, interval_seconds=86_400))
        await trio.sleep(10)
    steps: dict[float, int] = {}
    for at, _ in it.sent:
        steps[at] = steps.get(at, 0) + 1
    slots = {next_slot(key, 86_400, 0, 0.0) for key in keys}
    assert max(count for at, count in steps.items() if at not in slots) == EAGER_PER_STEP
    assert {key for _, key in it.sent} == set(keys)
    assert max(steps) == pytest.approx(len(keys) / EAGER_PER_STEP * 0.1, abs=0.21)


async def test_who_came_by_its_slot_is_not_checked_again_for_being_new(
    autojump_clock: MockClock,
) -> None:
    keys = [Key("shop", f"m{number}") for number in range(500)]
    async with scheduler(autojump_clock) as it:
        for key in keys:
            it.orders.send_nowait(enrol(key))
        await trio.sleep(59)
    for key in keys:
        _, *later = it.times(key)
        assert later in ([], [next_slot(key, 60, 0, 0.0)])
    assert len(it.sent) < 2 * len(keys)


async def test_ten_thousand_keys_stay_on_the_grid(autojump_clock: MockClock) -> None:
    keys = [Key("shop", f"m{number}") for number in range(10_000)]
    async with scheduler(autojump_clock) as it:
        for key in keys:
            it.orders.send_nowait(enrol(key, jitter_percent=10))
        await trio.sleep(300.05)
        it.sent.clear()
        await trio.sleep(240)
    times: dict[Key, list[float]] = {}
    for at, key in it.sent:
        times.setdefault(key, []).append(at)
        assert at * 10 == pytest.approx(round(at * 10), abs=1e-5)
    assert set(times) == set(keys)
    assert all(len(each) == 4 for each in times.values())
    assert all(
        round(after - before, 6) == 60.0
        for each in times.values()
        for before, after in pairwise(each)
    )
    in_step: dict[float, int] = {}
    for at, _ in it.sent:
        in_step[round(at, 3)] = in_step.get(round(at, 3), 0) + 1
    assert max(in_step.values()) < 60  # 16.7 on average: spread, and not in lumps


async def test_a_scheduler_that_was_held_up_skips_what_it_missed(
    autojump_clock: MockClock,
) -> None:
    orders_in, orders = trio.open_memory_channel[Order](1)
    due_in, due = trio.open_memory_channel[tuple[Key, ...]](0)
    lags: list[float] = []
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(run_scheduler, orders, due_in, report_lag=lags.append))
        orders_in.send_nowait(enrol(interval_seconds=10))
        await due.receive()
        await trio.sleep(1000)  # nobody receives: the next one waits to be sent
        received: list[float] = []
        with trio.move_on_after(25):
            while True:
                await due.receive()
                received.append(autojump_clock.current_time())
        nursery.cancel_scope.cancel()
    slots = [at for at in received if at > 1000]
    assert slots[0] == next_slot(WEB, 10, 0, 1000.0)
    assert {round(after - before, 6) for before, after in pairwise(slots)} == {10.0}
    # One was on its way and one had become due: the hundred in between are gone.
    assert len(received) - len(slots) <= 2
    assert max(lags) > 900


async def test_the_end_of_orders_ends_it_and_closes_what_it_sends() -> None:
    orders_in, orders = trio.open_memory_channel[Order](1)
    due_in, due = trio.open_memory_channel[tuple[Key, ...]](0)
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(run_scheduler, orders, due_in, report_lag=ignore))
        orders_in.close()
        with pytest.raises(trio.EndOfChannel):
            await due.receive()


async def test_both_ends_are_closed_whenever_it_is_cancelled() -> None:
    async def attempt() -> None:
        orders_in, orders = trio.open_memory_channel[Order](5)
        due_in, due = trio.open_memory_channel[tuple[Key, ...]](5)
        for order in (enrol(), CheckNow(key=WEB), Drop(key=WEB), enrol(MAIL)):
            orders_in.send_nowait(order)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(close_soon, orders_in)
                await run_scheduler(orders, due_in, report_lag=ignore)
        finally:
            with pytest.raises((trio.BrokenResourceError, trio.ClosedResourceError)):
                orders_in.send_nowait(Drop(key=WEB))
            while due.statistics().current_buffer_used:
                due.receive_nowait()
            with pytest.raises(trio.EndOfChannel):
                due.receive_nowait()

    assert await at_every_cancellation(attempt) > 3


async def close_soon(orders: trio.MemorySendChannel[Order]) -> None:
    for _ in range(4):
        await trio.lowlevel.checkpoint()
    orders.close()


ignore: Callable[[float], None] = lambda _: None  # noqa: E731 - nobody asks for lag here
