"""Keys wait in turn, once, and come again when they change while they are dealt with."""

import trio
from support.fault import at_every_cancellation
from trio.testing import MockClock, wait_all_tasks_blocked

from kubekuma.kit.backoff import Backoff
from kubekuma.kit.workqueue import WorkQueue


async def test_keys_are_taken_in_the_order_of_their_adding_and_each_once() -> None:
    queue = WorkQueue[str]()
    for key in "abcab":
        queue.add(key)
    assert len(queue) == 3
    assert [await queue.take() for _ in range(3)] == ["a", "b", "c"]
    assert len(queue) == 0


async def test_several_are_taken_at_once_and_never_those_that_are_dealt_with() -> None:
    queue = WorkQueue[str]()
    for key in "abcd":
        queue.add(key)
    assert await queue.take_some(3) == ["a", "b", "c"]
    queue.add("a")
    assert await queue.take_some(3) == ["d"]
    for key in "abcd":
        queue.done(key)
    assert await queue.take_some(3) == ["a"]


async def test_a_key_added_while_it_is_dealt_with_comes_again_and_not_before() -> None:
    queue = WorkQueue[str]()
    queue.add("a")
    key = await queue.take()
    queue.add("a")
    queue.add("b")
    assert await queue.take() == "b"
    queue.done(key)
    assert await queue.take() == "a"


async def test_a_waiting_worker_is_woken_by_a_key(autojump_clock: MockClock) -> None:
    queue = WorkQueue[str]()
    taken: list[tuple[float, str]] = []

    async def work() -> None:
        taken.append((autojump_clock.current_time(), await queue.take()))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(work)
        await wait_all_tasks_blocked()
        queue.add("a")
    assert [key for _, key in taken] == ["a"]


async def test_delayed_keys_come_at_their_time_and_the_earlier_of_two(
    autojump_clock: MockClock,
) -> None:
    queue = WorkQueue[str]()
    queue.add_after("a", 60)
    queue.add_after("a", 10)
    queue.add_after("a", 30)
    queue.add_after("b", 20)
    assert await queue.take() == "a"
    assert autojump_clock.current_time() == 10
    queue.done("a")
    assert await queue.take() == "b"
    assert autojump_clock.current_time() == 20
    queue.done("b")
    # The overtaken entry of "a" says nothing any more.
    with trio.move_on_after(1000) as waited:
        await queue.take()
    assert waited.cancelled_caught


async def test_a_key_added_at_once_does_not_come_again_later(autojump_clock: MockClock) -> None:
    queue = WorkQueue[str]()
    queue.add_after("a", 10)
    queue.add("a")
    queue.done(await queue.take())
    with trio.move_on_after(1000):
        await queue.take()
    assert autojump_clock.current_time() == 1000


async def test_failures_of_one_key_come_later_each_time_and_success_forgets_them(
    autojump_clock: MockClock,
) -> None:
    queue = WorkQueue[str](Backoff(first=1.0, most=5.0, jitter=0.0))
    queue.add("a")
    for delay in (1.0, 2.0, 4.0, 5.0, 5.0):
        key = await queue.take()
        began = autojump_clock.current_time()
        assert queue.failed(key, 0.0) == delay
        queue.add("b")  # others do not wait for it
        assert await queue.take() == "b"
        queue.done("b")
        assert await queue.take() == "a"
        assert autojump_clock.current_time() == began + delay
        queue.add("a")
        queue.failed("a", 0.0)  # changed meanwhile: there is no reason to wait
        assert await queue.take() == "a"
        assert autojump_clock.current_time() == began + delay
        queue.done("a")
        queue.add("a")
        for _ in range([1.0, 2.0, 4.0, 5.0, 5.0].index(delay) + 1):
            queue.failed(await queue.take(), 0.0)
    queue.done(await queue.take())
    queue.add("a")
    assert queue.failed(await queue.take(), 0.0) == 1.0


async def test_nothing_is_lost_whenever_a_worker_is_cancelled() -> None:
    async def attempt() -> None:
        queue = WorkQueue[str]()
        queue.add("a")
        taken = []
        try:
            await trio.lowlevel.checkpoint()
            taken.append(await queue.take())
        finally:
            with trio.CancelScope(shield=True):
                if not taken:
                    assert await queue.take() == "a"

    assert await at_every_cancellation(attempt) > 1


async def test_a_cancelled_worker_takes_nothing() -> None:
    queue = WorkQueue[str]()
    queue.add("a")
    with trio.CancelScope() as scope:
        scope.cancel()
        await queue.take()
    assert len(queue) == 1
    assert await queue.take() == "a"
