"""Checks that hang, overlap, wait or are cut off: nothing is lost, doubled or made up."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial

import attrs
import pytest
import trio
from build import WEB, monitor
from hypothesis import given
from hypothesis import strategies as st
from support.fault import at_every_cancellation
from trio.testing import MockClock, wait_all_tasks_blocked

from kubekuma.check.service import LEAST_AT_ONCE, CheckLoad, limit_at_once, run_checks
from kubekuma.model.meta import Key
from kubekuma.model.monitor import Monitor
from kubekuma.model.result import CheckResult, Reason
from kubekuma.model.state import Checked

MAIL = Key("shop", "mail")


def wall() -> datetime:
    return datetime.fromtimestamp(trio.current_time(), UTC)


@attrs.define
class Stage:
    """The stage at work, on targets that answer when they are told to, and what it sent."""

    due: trio.MemorySendChannel[tuple[Key, ...]]
    monitors: dict[Key, Monitor]
    limiter: trio.CapacityLimiter
    load: CheckLoad = attrs.field(factory=CheckLoad)
    began: list[Monitor] = attrs.field(factory=list)
    found: list[Checked] = attrs.field(factory=list)
    answer: trio.Event = attrs.field(factory=trio.Event)

    async def check(self, monitor: Monitor) -> CheckResult:
        self.began.append(monitor)
        await self.answer.wait()
        return CheckResult(reason=Reason.PASSED)

    async def ask(self, *keys: Key) -> None:
        await self.due.send(keys)
        await wait_all_tasks_blocked()

    def quiet(self) -> bool:
        """Whether nothing is under way, and nothing is held."""
        counters = (self.load.in_flight, self.load.waiting)
        return counters == (0, 0) and self.limiter.borrowed_tokens == 0


@asynccontextmanager
async def stage(*monitors: Monitor, at_once: int = 10) -> AsyncIterator[Stage]:
    due_in, due = trio.open_memory_channel[tuple[Key, ...]](0)
    results_in, results = trio.open_memory_channel[Checked](0)
    known = {each.meta.key: each for each in monitors}
    it = Stage(due_in, known, trio.CapacityLimiter(at_once))

    async def collect() -> None:
        async for each in results:
            it.found.append(each)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(collect)
        await nursery.start(
            partial(
                run_checks,
                due,
                results_in,
                known,
                run_check=it.check,
                limiter=it.limiter,
                load=it.load,
                now=wall,
            )
        )
        yield it
        due_in.close()
    assert it.quiet()


async def test_a_monitor_is_never_checked_twice_at_once_and_the_skipped_are_counted() -> None:
    async with stage(monitor("web"), monitor("mail")) as it:
        await it.ask(WEB)
        await it.ask(WEB, MAIL)
        await it.ask(WEB)
        assert [each.meta.key for each in it.began] == [WEB, MAIL]
        assert it.load.skipped == 2
        it.answer.set()
        await wait_all_tasks_blocked()
        await it.ask(WEB)
        assert [each.meta.key for each in it.began] == [WEB, MAIL, WEB]
    assert [each.key for each in it.found].count(WEB) == 2


async def test_a_result_says_whose_it_is_by_which_spec_and_when_it_began(
    autojump_clock: MockClock,
) -> None:
    first = monitor("web", uid="u7", generation=3)
    async with stage(first, monitor("mail"), at_once=1) as it:
        await it.ask(WEB)
        await it.ask(MAIL)
        await trio.sleep(5)
        it.answer.set()
    (web, mail) = it.found
    assert (web.key, web.uid, web.generation) == (WEB, "u7", 3)
    assert (web.at.timestamp(), mail.at.timestamp()) == (0, 5)
    assert autojump_clock.current_time() == 5


async def test_more_than_may_run_at_once_wait_and_the_load_says_so() -> None:
    monitors = [monitor(f"m{number}") for number in range(7)]
    async with stage(*monitors, at_once=3) as it:
        await it.ask(*(each.meta.key for each in monitors))
        assert (it.load.in_flight, it.load.waiting) == (3, 4)
        assert len(it.began) == 3
        it.limiter.total_tokens = 5
        await wait_all_tasks_blocked()
        assert (it.load.in_flight, it.load.waiting) == (5, 2)
        it.answer.set()
    assert len(it.found) == 7


async def test_what_is_gone_when_it_is_due_or_when_its_turn_comes_is_not_checked() -> None:
    async with stage(monitor("web"), monitor("mail"), at_once=1) as it:
        await it.ask(Key("shop", "gone"))
        await it.ask(WEB)
        await it.ask(MAIL)
        del it.monitors[MAIL]
        it.answer.set()
    assert [each.key for each in it.found] == [WEB]


async def test_what_was_edited_while_it_waited_is_checked_as_it_is_now() -> None:
    async with stage(monitor("web"), monitor("mail"), at_once=1) as it:
        await it.ask(WEB)
        await it.ask(MAIL)
        it.monitors[MAIL] = monitor("mail", generation=2)
        it.answer.set()
    assert [(each.key, each.generation) for each in it.found] == [(WEB, 1), (MAIL, 2)]


async def test_the_end_of_what_is_due_lets_running_checks_end(autojump_clock: MockClock) -> None:
    async with stage(monitor("web"), monitor("mail"), at_once=1) as it:
        await it.ask(WEB)
        await it.ask(MAIL)
        it.due.close()
        await trio.sleep(8)
        it.answer.set()
    assert [each.key for each in it.found] == [WEB, MAIL]
    assert autojump_clock.current_time() == 8


async def test_a_bug_in_a_check_ends_the_stage_and_frees_its_place() -> None:
    limiter, load = trio.CapacityLimiter(1), CheckLoad()
    due_in, due = trio.open_memory_channel[tuple[Key, ...]](1)
    results_in, results = trio.open_memory_channel[Checked](1)

    async def crash(_: Monitor) -> CheckResult:
        await trio.lowlevel.checkpoint()
        raise KeyError("a bug")

    due_in.send_nowait((WEB,))
    with pytest.RaisesGroup(pytest.RaisesExc(KeyError, match="a bug")):
        await run_checks(
            due,
            results_in,
            {WEB: monitor()},
            run_check=crash,
            limiter=limiter,
            load=load,
            now=wall,
        )
    assert (load.in_flight, load.waiting, limiter.borrowed_tokens) == (0, 0, 0)
    with pytest.raises(trio.EndOfChannel):
        results.receive_nowait()


async def test_cut_off_anywhere_nothing_is_recorded_and_no_place_is_lost() -> None:
    steps = 3

    async def attempt() -> None:
        ended: list[Key] = []
        limiter, load = trio.CapacityLimiter(1), CheckLoad()
        due_in, due = trio.open_memory_channel[tuple[Key, ...]](1)
        results_in, results = trio.open_memory_channel[Checked](10)

        async def check(monitor: Monitor) -> CheckResult:
            for _ in range(steps):
                await trio.lowlevel.checkpoint()
            ended.append(monitor.meta.key)
            return CheckResult(reason=Reason.PASSED)

        due_in.send_nowait((WEB, MAIL))
        due_in.close()
        known = {WEB: monitor("web"), MAIL: monitor("mail")}
        run = partial(run_checks, run_check=check, limiter=limiter, load=load, now=wall)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(idle, 12)
                await run(due, results_in, known)
        finally:
            recorded = []
            while results.statistics().current_buffer_used:
                recorded.append(results.receive_nowait().key)
            assert set(recorded) <= set(ended)
            assert (load.in_flight, load.waiting) == (0, 0)
            assert limiter.borrowed_tokens == 0
            with pytest.raises(trio.EndOfChannel):
                results.receive_nowait()
            with pytest.raises(trio.ClosedResourceError):
                due.receive_nowait()

    assert await at_every_cancellation(attempt) > 2


async def idle(checkpoints: int) -> None:
    for _ in range(checkpoints):
        await trio.lowlevel.checkpoint()


@pytest.mark.parametrize("after", range(12))
async def test_cut_off_by_its_nursery_at_any_step_of_the_checks(after: int) -> None:
    begun: list[Key] = []
    ended: list[Key] = []
    limiter, load = trio.CapacityLimiter(1), CheckLoad()
    due_in, due = trio.open_memory_channel[tuple[Key, ...]](1)
    results_in, results = trio.open_memory_channel[Checked](10)

    async def check(monitor: Monitor) -> CheckResult:
        begun.append(monitor.meta.key)
        await idle(3)
        ended.append(monitor.meta.key)
        return CheckResult(reason=Reason.PASSED)

    known = {WEB: monitor("web"), MAIL: monitor("mail")}
    async with trio.open_nursery() as nursery:
        start: Callable[..., object] = partial(
            run_checks, run_check=check, limiter=limiter, load=load, now=wall
        )
        nursery.start_soon(start, due, results_in, known)  # type: ignore[arg-type]
        await due_in.send((WEB, MAIL))
        await idle(after)
        nursery.cancel_scope.cancel()
    recorded = []
    while results.statistics().current_buffer_used:
        recorded.append(results.receive_nowait().key)
    assert set(recorded) <= set(ended) <= set(begun)
    assert (load.in_flight, load.waiting, limiter.borrowed_tokens) == (0, 0, 0)


@pytest.mark.parametrize(
    ("wanted", "demand", "descriptors", "at_once"),
    [
        (None, 0.0, 100_000, LEAST_AT_ONCE),
        (None, 1000.0, 100_000, 1200),
        (None, 1000.0, 1024, 512),
        (None, 0.0, 256, 128),
        (50, 1000.0, 100_000, 50),
        (5000, 0.0, 1024, 512),
        (10, 0.0, 1, 1),
    ],
)
def test_as_many_at_once_as_are_wanted_or_needed_and_descriptors_allow(
    wanted: int | None, demand: float, descriptors: int, at_once: int
) -> None:
    assert limit_at_once(wanted, demand, descriptors) == at_once


@given(
    st.none() | st.integers(1, 10_000),
    st.floats(-1e-9, 1e6),
    st.integers(1, 10**6),
)
def test_there_is_always_a_place_and_never_more_than_half_of_the_descriptors(
    wanted: int | None, demand: float, descriptors: int
) -> None:
    limit = limit_at_once(wanted, demand, descriptors)
    assert 1 <= limit <= max(1, descriptors // 2)
    assert wanted is None or limit <= wanted
