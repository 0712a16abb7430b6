"""Whose results count, when to look again, and what silence means."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import attrs
import pytest
import trio
from build import WEB, at, checked, monitor, schedule
from support.history import open_store
from trio.testing import MockClock, wait_all_tasks_blocked

from kubekuma.model.meta import Key
from kubekuma.model.monitor import Monitor
from kubekuma.model.order import Drop, Enrol, Pause
from kubekuma.model.result import Reason
from kubekuma.model.state import MonitorState
from kubekuma.record.judge import judge
from kubekuma.record.ledger import Ledger, Recorded
from kubekuma.record.service import Event, run_recorder
from kubekuma.record.writer import StoreHealth, Writer

ENROL = Enrol(key=WEB, uid="u1", generation=1, interval_seconds=60, jitter_percent=0)
RETRIES = schedule(retries={"maxRetries": 2, "retryIntervalSeconds": 15})


@pytest.fixture
def clock() -> MockClock:
    """Virtual time that gives the database's threads theirs."""
    return MockClock(autojump_threshold=0.005)


@attrs.define
class Recorder:
    """A recorder at work: what it was told, asked for and wrote."""

    events: trio.MemorySendChannel[Event]
    monitors: dict[Key, Monitor]
    ledger: Ledger = attrs.field(factory=lambda: Ledger({}, {}))
    asked: list[tuple[Key, float]] = attrs.field(factory=list)
    written: list[Recorded] = attrs.field(factory=list)

    async def take(self, event: Event) -> None:
        self.events.send_nowait(event)
        await wait_all_tasks_blocked()

    def verdict(self) -> str:
        return self.ledger.states[WEB].standing.verdict.value

    def transitions(self) -> list[tuple[str, str]]:
        made = [each.judgement.transition for each in self.written]
        return [(each.before, each.after) for each in made if each is not None]


@asynccontextmanager
async def recorder(
    folder: Path, *monitors: Monitor, states: Mapping[Key, MonitorState] | None = None
) -> AsyncIterator[Recorder]:
    events_in, events = trio.open_memory_channel[Event](100)
    it = Recorder(events_in, {each.meta.key: each for each in monitors}, Ledger(states or {}, {}))
    async with open_store(folder / "history.db") as store, trio.open_nursery() as nursery:
        await nursery.start(
            partial(
                run_recorder,
                events,
                it.ledger,
                Writer(store, it.written.extend, StoreHealth()),
                it.monitors,
                ask_recheck=lambda key, seconds: it.asked.append((key, seconds)),
                timeout_of=lambda schedule: schedule.timeout_within(10),
                now=lambda: at(trio.current_time()),
            )
        )
        yield it
        events_in.close()


async def test_a_failure_asks_for_another_look_and_a_pass_does_not(tmp_path: Path) -> None:
    async with recorder(tmp_path, monitor(schedule=RETRIES)) as it:
        await it.take(ENROL)
        await it.take(checked(0))
        assert it.asked == []
        await it.take(checked(60, Reason.TIMEOUT))
        assert it.asked == [(WEB, 15)]
        assert it.verdict() == "pending"


async def test_a_result_of_another_object_or_of_none_is_nobodys(tmp_path: Path) -> None:
    async with recorder(tmp_path, monitor()) as it:
        await it.take(ENROL)
        await it.take(checked(0, Reason.TIMEOUT, uid="u0"))
        await it.take(checked(0, Reason.TIMEOUT, key=Key("shop", "gone")))
        assert it.ledger.states[WEB].last is None
        assert set(it.ledger.states) == {WEB}
        assert it.asked == []


async def test_a_result_of_an_earlier_spec_is_not_blamed_on_the_new_one(tmp_path: Path) -> None:
    async with recorder(tmp_path, monitor(generation=2)) as it:
        await it.take(ENROL)
        await it.take(checked(0, Reason.TIMEOUT, generation=1))
        assert it.ledger.states[WEB].last is None
        # While that check ran, the new target could not be checked.
        assert it.asked == [(WEB, 0.0)]
        await it.take(checked(1, generation=2))
        assert it.verdict() == "up"


async def test_a_check_that_ends_after_a_pause_does_not_end_the_pause(tmp_path: Path) -> None:
    async with recorder(tmp_path, monitor()) as it:
        await it.take(ENROL)
        await it.take(checked(0))
        it.monitors[WEB] = monitor(enabled=False)
        await it.take(Pause(key=WEB))
        paused = it.ledger.states[WEB]
        await it.take(checked(1, Reason.TIMEOUT))
        assert it.ledger.states[WEB] == paused
        assert paused.standing.shown == "paused"
        assert it.asked == []


async def test_silence_becomes_unknown_and_is_told_once(tmp_path: Path, clock: MockClock) -> None:
    async with recorder(tmp_path, monitor(schedule=schedule())) as it:
        await it.take(ENROL)
        await it.take(checked(0))
        await trio.sleep(125)
        assert it.verdict() == "up"
        await trio.sleep(20)  # 2 * 60 + 10, and the sweep
        assert it.verdict() == "unknown"
        await trio.sleep(600)
    assert it.transitions() == [("pending", "up"), ("up", "unknown")]
    assert clock.current_time() >= 745


async def test_our_own_absence_is_nobodys_silence(
    tmp_path: Path,
    clock: MockClock,  # noqa: ARG001
) -> None:
    long_ago = judge(MonitorState(), checked(-10_000), monitor().spec, timeout_seconds=10).state
    async with recorder(tmp_path, monitor(schedule=schedule()), states={WEB: long_ago}) as it:
        await trio.sleep(120)
        assert it.verdict() == "up"
        await trio.sleep(30)  # 2 * 60 + 10, and the sweep
        assert it.verdict() == "unknown"


async def test_an_outage_that_is_left_alone_ends_where_it_was_left(
    tmp_path: Path, clock: MockClock
) -> None:
    async with recorder(tmp_path, monitor()) as it:
        await it.take(ENROL)
        await it.take(checked(0, Reason.TIMEOUT))
        await trio.sleep(30)
        del it.monitors[WEB]
        left = clock.current_time()
        await it.take(Drop(key=WEB))
        await trio.sleep(100)
        assert it.ledger.states[WEB].standing.incident is not None
        await trio.sleep(40)
        assert it.ledger.states[WEB].standing.incident is None
    (closed,) = [each.judgement.closed for each in it.written if each.judgement.closed]
    assert closed.ended_at == at(left)


async def test_what_is_said_again_is_not_recorded_again(tmp_path: Path) -> None:
    async with recorder(tmp_path, monitor()) as it:
        for _ in range(3):
            await it.take(ENROL)
        await it.take(Drop(key=Key("shop", "never-seen")))
        await it.take(checked(0))
    assert [each.judgement.heartbeat is None for each in it.written] == [True, False]
    assert set(it.ledger.states) == {WEB}
