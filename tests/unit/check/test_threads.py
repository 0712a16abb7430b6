"""Threads of libraries: bounded, left behind, and counted."""

import threading
from collections.abc import Callable

import pytest
import trio
import trio.testing

from kubekuma.check.threads import Threads
from kubekuma.check.trace import Trace
from kubekuma.model.result import Reason


@pytest.fixture
def threads() -> Threads:
    return Threads(2)


async def until(holds: Callable[[], bool]) -> None:
    with trio.fail_after(5):
        while not holds():
            await trio.testing.wait_all_tasks_blocked(0.01)


async def test_what_a_call_gives_or_raises(threads: Threads) -> None:
    assert await threads.run(lambda: 42, Trace()) == 42
    with pytest.raises(ZeroDivisionError):
        await threads.run(lambda: 1 // 0, Trace())
    assert (threads.running, threads.abandoned) == (0, 0)


async def test_a_library_that_hangs_keeps_its_thread_and_nobody(threads: Threads) -> None:
    free = threading.Event()
    with trio.move_on_after(0.05) as deadline:
        await threads.run(free.wait, Trace())
    assert deadline.cancelled_caught
    assert (threads.running, threads.abandoned) == (1, 1)
    assert await threads.run(lambda: 42, Trace()) == 42
    free.set()
    await until(lambda: threads.running == 0)
    assert threads.abandoned == 0


async def test_there_are_no_more_than_so_many(threads: Threads, nursery: trio.Nursery) -> None:
    free = threading.Event()
    traces = [Trace() for _ in range(3)]
    for trace in traces:
        nursery.start_soon(threads.run, free.wait, trace)
    await until(lambda: threads.running == 2)
    assert threads.abandoned == 0
    await until(lambda: [each.at_deadline is None for each in traces].count(True) == 2)
    (waiting,) = (each.at_deadline for each in traces if each.at_deadline)
    assert waiting.reason is Reason.INTERNAL_ERROR
    assert waiting.message == "all 2 threads for client libraries are busy"
    free.set()
    await until(lambda: threads.running == 0)
