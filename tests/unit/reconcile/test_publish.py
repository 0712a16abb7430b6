"""Status goes out: changes at once and first, figures later, never beyond the budget."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from kubekuma.kube.errors import Refused, Unreachable
from kubekuma.reconcile.publish import BURST, Lanes, run_publisher

Clock = trio.testing.MockClock


@asynccontextmanager
async def publishing(
    lanes: Lanes[str], write: Callable[[str], Awaitable[None]]
) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        await nursery.start(run_publisher, lanes, write)
        yield
        nursery.cancel_scope.cancel()


class Written(list[tuple[float, str]]):
    """What was written, and how many seconds after the start."""

    def __init__(self) -> None:
        super().__init__()
        self.began = trio.current_time()

    async def __call__(self, item: str) -> None:
        await trio.lowlevel.checkpoint()
        self.append((trio.current_time() - self.began, item))


async def test_a_burst_goes_out_at_once_and_the_rest_at_twenty_a_second(
    autojump_clock: Clock,  # noqa: ARG001
) -> None:
    lanes, written = Lanes[str](), Written()
    for number in range(BURST + 40):
        lanes.add(f"m{number}")
    async with publishing(lanes, written):
        await trio.sleep(10)
    at_once = sum(at < 0.01 for at, _ in written)
    assert BURST <= at_once <= BURST + 1
    assert len(written) == BURST + 40
    assert written[-1][0] == pytest.approx(2.0, abs=0.1)


async def test_what_is_added_again_while_it_waits_is_written_once(
    autojump_clock: Clock,  # noqa: ARG001
) -> None:
    lanes, written = Lanes[str](), Written()
    for _ in range(3):
        lanes.add("web")
    lanes.add_after("web", 5)
    async with publishing(lanes, written):
        await trio.sleep(20)
    assert [item for _, item in written] == ["web"]


async def test_figures_wait_for_their_time_and_the_earliest_counts(
    autojump_clock: Clock,  # noqa: ARG001
) -> None:
    lanes, written = Lanes[str](), Written()
    lanes.add_after("web", 300)
    lanes.add_after("web", 100)
    lanes.add_after("web", 200)
    async with publishing(lanes, written):
        await trio.sleep(1000)
    assert [(round(at), item) for at, item in written] == [(100, "web")]


async def test_changes_overtake_figures(autojump_clock: Clock) -> None:  # noqa: ARG001
    lanes, written = Lanes[str](), Written()
    for number in range(1000):
        lanes.add_after(f"figure{number}", 0)
    async with publishing(lanes, written):
        await trio.sleep(30)
        asked = trio.current_time() - written.began
        lanes.add("down")
        await trio.sleep(30)
    (written_at,) = [at for at, item in written if item == "down"]
    assert written_at - asked < 0.5


async def test_an_object_that_is_gone_is_written_no_more(
    autojump_clock: Clock,  # noqa: ARG001
) -> None:
    lanes, tries = Lanes[str](), Written()

    async def gone(item: str) -> None:
        await tries(item)
        raise Refused(404, "NotFound", "no such monitor")

    lanes.add("web")
    async with publishing(lanes, gone):
        await trio.sleep(1000)
    assert len(tries) == 1


async def test_an_api_server_that_is_away_gets_it_once_it_is_back(
    autojump_clock: Clock,  # noqa: ARG001
) -> None:
    lanes, written, tries = Lanes[str](), Written(), Written()

    async def write(item: str) -> None:
        await tries(item)
        if tries[-1][0] < 60:
            raise Unreachable("refused")
        await written(item)

    lanes.add("web")
    async with publishing(lanes, write):
        await trio.sleep(600)
    assert [item for _, item in written] == ["web"]
    assert lanes.errors == len(tries) - 1
    assert len(tries) <= 4 * 13  # each writer tries once in five seconds


async def test_one_object_is_never_written_twice_at_once(
    autojump_clock: Clock,  # noqa: ARG001
) -> None:
    lanes, at_once, most = Lanes[str](), 0, 0
    done = 0

    async def write(item: str) -> None:
        nonlocal at_once, most, done
        at_once += 1
        most = max(most, at_once)
        if done < 3:
            lanes.add(item)
        await trio.sleep(2)
        at_once -= 1
        done += 1

    lanes.add("web")
    async with publishing(lanes, write):
        await trio.sleep(60)
    assert most == 1
    assert done > 3  # what changed during a write is written after it


async def test_one_body_that_cannot_be_made_does_not_end_the_others(
    autojump_clock: Clock,  # noqa: ARG001
) -> None:
    lanes, written = Lanes[str](), Written()

    async def write(item: str) -> None:
        if item == "broken":
            raise KeyError(item)
        await written(item)

    lanes.add("broken")
    lanes.add("web")
    async with publishing(lanes, write):
        await trio.sleep(1)
    assert [item for _, item in written] == ["web"]
