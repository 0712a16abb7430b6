"""The publisher is cut off anywhere: what was not written is still to be written."""

import trio
from support.fault import at_every_cancellation

from kubekuma.kube.errors import Unreachable
from kubekuma.reconcile.publish import Lanes, run_publisher


async def test_cut_off_anywhere_it_can_begin_again() -> None:
    async def attempt() -> None:
        lanes, written = Lanes[str](), []

        async def write(item: str) -> None:
            await trio.lowlevel.checkpoint()
            written.append(item)

        for item in "abc":
            lanes.add(item)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(run_publisher, lanes, write)
                for _ in range(8):
                    await trio.lowlevel.checkpoint()
                nursery.cancel_scope.cancel()
        finally:
            # Nothing is taken for being written for ever: a change is written by the next one.
            with trio.CancelScope(shield=True), trio.move_on_after(1):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(run_publisher, lanes, write)
                    for item in "abc":
                        lanes.add(item)
                    while not {"a", "b", "c"} <= set(written):
                        await trio.lowlevel.checkpoint()
                    nursery.cancel_scope.cancel()
            assert {"a", "b", "c"} <= set(written)

    assert await at_every_cancellation(attempt) > 5


async def test_a_change_stays_ahead_of_figures_while_the_api_server_is_away(
    autojump_clock: trio.testing.MockClock,
) -> None:
    lanes, written = Lanes[str](), []

    async def write(item: str) -> None:
        await trio.lowlevel.checkpoint()
        if autojump_clock.current_time() < 600:
            raise Unreachable("refused")
        written.append(item)

    for number in range(5000):
        lanes.add_after(f"figure {number}", 1)
    for number in range(30):
        lanes.add(f"change {number}")
    with trio.move_on_after(640):
        await run_publisher(lanes, write)
    changes = [written.index(f"change {number}") for number in range(30)]
    # Within seconds, among the first: the figures take minutes.
    assert max(changes) < 200
    assert len(written) < 1200


async def test_two_writers_never_write_the_same_and_the_last_word_is_the_last(
    autojump_clock: trio.testing.MockClock,
) -> None:
    lanes, stored, value = Lanes[str](), [0], 0
    writing = 0

    async def write(_: str) -> None:
        nonlocal writing
        writing += 1
        assert writing == 1
        read = value
        await trio.sleep(7 if read % 2 else 1)
        stored.append(read)
        writing -= 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_publisher, lanes, write)
        for _ in range(20):
            value += 1
            lanes.add("web")
            lanes.add_after("web", 1)
            await trio.sleep(1.3)
        await trio.sleep(60)
        nursery.cancel_scope.cancel()
    assert stored[-1] == 20
    assert stored == sorted(stored)
    assert autojump_clock.current_time() > 60
