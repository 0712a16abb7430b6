"""Holding a Lease, with network and clocks in the test's hands. Ids are of the fault table."""

import math
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
import trio
from fakes.lease_api import LOST, Contender, Network
from fakes.lease_store import LeaseStore
from trio.testing import MockClock

from kubekuma.kube.lease import Answer, Conflict, Facts, Failed, Lease, Missing, Timing
from kubekuma.kube.lease_fence import LeaseLostError, Standing

TIMING = Timing()
FENCE = TIMING.deadline_seconds
NO_NAMESPACE = Failed("there is no namespace shop", is_certain=True)


@pytest.fixture
def clock(autojump_clock: MockClock) -> MockClock:
    """The time of everything here."""
    return autojump_clock


def contender(clock: MockClock, store: LeaseStore, pod: str = "a_1", **more: Any) -> Contender:
    return Contender(clock=clock, network=Network(store=store), pod=pod, **more)


def standing(it: Contender) -> Standing:
    return it.leadership.standing


def within(start: float, end: float, legs: float = LOST) -> Callable[[str], float]:
    """Legs that take so long between two moments."""
    return lambda _: legs if start <= trio.current_time() < end else 0.01


def never_both(*contenders: Contender) -> bool:
    """Whether nobody works between the first and the last deed of another."""
    spans = sorted((each.worked_at[0], each.worked_at[-1]) for each in contenders if each.worked_at)
    return all(before[1] < after[0] for before, after in pairwise(spans))


async def led(nursery: trio.Nursery, *contenders: Contender, seconds: float = 5.0) -> None:
    for each in contenders:
        nursery.start_soon(each.run)
        await trio.sleep(seconds)


async def test_the_first_of_all_leads_at_once_and_the_second_waits(
    nursery: trio.Nursery, clock: MockClock
) -> None:
    store = LeaseStore()
    first, second = contender(clock, store), contender(clock, store, "b_1")
    await led(nursery, first, second, seconds=1)
    await trio.sleep(200)
    assert first.is_working
    assert first.worked_at[0] < 0.1
    assert second.worked_at == []
    assert second.leadership.why == "held by a_1"
    with pytest.raises(LeaseLostError, match="held by a_1"):
        second.leadership.check()
    # One look each two to four seconds, and a renewal each ten.
    assert 50 <= len(second.network.asked) <= 100
    assert len(first.network.written) == 20


async def test_each_renewal_says_another_time_and_names_the_version_and_the_history(
    nursery: trio.Nursery,
    clock: MockClock,
) -> None:
    it = contender(clock, LeaseStore())
    await led(nursery, it, seconds=45)
    times = [each["spec"]["renewTime"] for each in it.network.written]
    assert len(set(times)) == len(times) == 4
    assert all(len(each) == len("2026-01-01T00:00:00.000000Z") for each in times)
    assert all(each["metadata"]["resourceVersion"] for each in it.network.written)
    document = it.network.store.document
    assert document is not None
    assert document["metadata"]["annotations"] == {"monitoring.kubekuma.io/history": "history-1"}
    assert document["spec"]["leaseDurationSeconds"] == 45
    assert document["spec"]["acquireTime"] < document["spec"]["renewTime"]


@pytest.mark.parametrize("phase", [0.0, 3.0, 9.5])
@pytest.mark.parametrize(("seconds", "survives"), [(5, True), (14, True), (35, False), (90, False)])
async def test_l1_l2_an_outage_of_half_the_deadline_is_survived_and_a_longer_one_ends_in_time(
    nursery: trio.Nursery, clock: MockClock, seconds: float, phase: float, *, survives: bool
) -> None:
    store = LeaseStore()
    first, second = contender(clock, store), contender(clock, store, "b_1")
    await led(nursery, first, second)
    start = 20 + phase
    first.network.there = within(start, start + seconds)
    await trio.sleep_until(start + seconds + TIMING.lease_seconds + 15)
    assert (first.lost == "") == survives
    assert first.is_working == survives
    assert second.is_working == (not survives)
    assert never_both(first, second)
    if not survives:
        last = max(at for at, what in first.network.asked if what == "replace" and at < start)
        assert first.worked_at[-1] < last + FENCE
        assert first.ended_at == pytest.approx(last + FENCE, abs=0.1)
        assert first.left == [15.0]
        # The other has seen the last renewal when it next looked.
        assert last + 45 <= second.worked_at[0] <= last + 45 + 11


async def test_l1_when_the_api_server_is_away_for_all_one_leads_afterwards(
    nursery: trio.Nursery,
    clock: MockClock,
) -> None:
    store = LeaseStore()
    everybody = [contender(clock, store, pod) for pod in ("a_1", "b_1", "c_1")]
    for each in everybody:
        each.network.there = within(23, 113)
    await led(nursery, *everybody, seconds=1)
    await trio.sleep_until(112)
    # The fence ends even who is alone, and nobody begins while nobody can ask.
    assert not any(each.is_working for each in everybody)
    await trio.sleep_until(113 + 45 + 15)
    assert sum(each.is_working for each in everybody) == 1
    assert never_both(*everybody)


async def test_l3_answers_that_are_lost_do_not_count(
    nursery: trio.Nursery, clock: MockClock
) -> None:
    store = LeaseStore()
    first, second = contender(clock, store), contender(clock, store, "b_1")
    await led(nursery, first, second)
    first.network.back = lambda what: LOST if what == "replace" else 0.01
    await trio.sleep(200)
    assert "could not be renewed" in first.lost
    # The first of its renewals was made, and seen, and has not prolonged anything.
    assert first.worked_at[-1] < FENCE
    assert 10 + 45 <= second.worked_at[0] <= 10 + 45 + 11
    assert never_both(first, second)


async def test_l3_a_renewal_whose_answer_is_lost_is_repeated_with_another_time(
    nursery: trio.Nursery,
    clock: MockClock,
) -> None:
    it = contender(clock, LeaseStore())
    replaces = [0]

    def back(what: str) -> float:
        replaces[0] += what == "replace"
        return LOST if what == "replace" and replaces[0] % 3 == 1 else 0.01

    it.network.back = back
    await led(nursery, it, seconds=120)
    assert it.is_working
    times = [each["spec"]["renewTime"] for each in it.network.written]
    assert len(set(times)) == len(times)
    # After the one that timed out: a conflict with our own, a look, and again at once.
    assert "get" in [what for _, what in it.network.asked]


@pytest.mark.parametrize("delay", [3.0, 4.9, 6.0, 14.0])
async def test_l4_slow_answers_never_make_two(
    nursery: trio.Nursery, clock: MockClock, delay: float
) -> None:
    store = LeaseStore()
    first, second = contender(clock, store), contender(clock, store, "b_1")
    await led(nursery, first, second)
    first.network.back = lambda what: delay if what == "replace" else 0.01
    await trio.sleep(300)
    assert first.is_working == (delay < TIMING.request_seconds)
    assert second.is_working == (delay > TIMING.request_seconds)
    assert never_both(first, second)


async def test_l5_conflicts_with_ourselves_are_looked_into_and_tried_again(
    nursery: trio.Nursery,
    clock: MockClock,
) -> None:
    it = contender(clock, LeaseStore())
    await led(nursery, it)
    it.network.instead = lambda what: Conflict() if what == "replace" else None
    await trio.sleep_until(27)
    looks = [what for _, what in it.network.asked].count("get")
    # Never a storm: three at once, then in the pace of retries.
    assert 8 <= looks <= 60
    it.network.instead = lambda _: None
    await trio.sleep(100)
    assert it.is_working


async def test_l5_only_conflicts_end_at_the_fence(nursery: trio.Nursery, clock: MockClock) -> None:
    it = contender(clock, LeaseStore())
    await led(nursery, it)
    it.network.instead = lambda what: Conflict() if what == "replace" else None
    await trio.sleep(100)
    assert it.ended_at == pytest.approx(FENCE, abs=0.2)


async def test_l5_l13_another_holder_ends_the_work_at_the_next_renewal(
    nursery: trio.Nursery,
    clock: MockClock,
) -> None:
    store = LeaseStore()
    it = contender(clock, store)
    await led(nursery, it, seconds=12)
    store.edit(holderIdentity="b_1")
    await trio.sleep(20)
    assert it.lost == "the Lease was taken by b_1"
    assert it.ended_at == pytest.approx(20, abs=0.2)
    # It is not ours to give back.
    assert store.holder == "b_1"


@pytest.mark.parametrize(
    "answer",
    [
        Failed("429 TooManyRequests", 1.0),
        Failed("429 TooManyRequests", 60.0),
        Failed("500 InternalError"),
        Failed("503 ServiceUnavailable"),
        Failed("401 Unauthorized"),
        Failed("403 Forbidden"),
        Failed("422 Invalid"),
    ],
)
async def test_l6_refusals_are_tried_again_until_the_fence(
    nursery: trio.Nursery, clock: MockClock, answer: Answer
) -> None:
    for seconds, survives in ((14.0, True), (60.0, False)):
        it, began = contender(clock, LeaseStore()), trio.current_time()
        until = began + 11 + seconds

        def instead(_: str, start: float = began + 11, end: float = until) -> Answer | None:
            return answer if start <= trio.current_time() < end else None

        it.network.instead = instead
        await led(nursery, it, seconds=100)
        assert (it.lost == "") == survives
        tries = [at for at, _ in it.network.asked if began + 11 <= at < until]
        gaps = [after - before for before, after in pairwise(tries)]
        # However long they ask us to wait, and never at once.
        assert all(0.9 <= gap <= 2.5 for gap in gaps), gaps
        it.stop.set()


@pytest.mark.parametrize("hours", [1, -1, 24, -24, -24 * 365 * 56])
async def test_l7_the_wall_clock_says_nothing(
    nursery: trio.Nursery, clock: MockClock, hours: float
) -> None:
    store = LeaseStore()
    first, second = contender(clock, store), contender(clock, store, "b_1")
    await led(nursery, first, second)
    first.skew, second.skew = timedelta(hours=hours), timedelta(hours=-hours / 2)
    await trio.sleep(200)
    assert first.is_working
    assert second.worked_at == []


@pytest.mark.parametrize("stopped", [10.0, 25.0, 40.0, 120.0])
async def test_l9_l16_after_a_long_stop_nothing_is_done_any_more(
    nursery: trio.Nursery, clock: MockClock, stopped: float
) -> None:
    """Stopped, suspended or starved: the clock has gone on, and nobody was there to notice."""
    it = contender(clock, LeaseStore())
    await led(nursery, it, seconds=12)
    deeds = len(it.worked_at)
    it.ahead = stopped
    await trio.sleep(0.6)
    survives = 12 + stopped < 10 + FENCE
    assert (len(it.worked_at) > deeds) == survives
    await trio.sleep(5)
    assert bool(it.lost) == (not survives)


async def test_l11_the_lease_is_released_last_and_taken_at_once(
    nursery: trio.Nursery, clock: MockClock
) -> None:
    store = LeaseStore()
    first, second = contender(clock, store, drain_seconds=10.0), contender(clock, store, "b_1")
    await led(nursery, first, second, seconds=7)
    first.stop.set()
    await trio.sleep(30)
    assert first.lost == ""
    assert first.worked_at[-1] >= 14 + 9  # it may finish, and keeps the Lease meanwhile
    assert never_both(first, second)
    assert second.worked_at[0] - first.worked_at[-1] < 5
    document = store.document
    assert document is not None
    assert document["spec"]["leaseTransitions"] == 1


async def test_a_release_says_so_in_due_form(nursery: trio.Nursery, clock: MockClock) -> None:
    store = LeaseStore()
    it = contender(clock, store)
    await led(nursery, it, seconds=12)
    it.stop.set()
    await trio.sleep(2)
    assert store.document is not None
    spec = store.document["spec"]
    assert (spec["holderIdentity"], spec["leaseDurationSeconds"]) == ("", 1)
    assert spec["leaseTransitions"] == 0
    with pytest.raises(LeaseLostError):
        it.leadership.check()


async def test_l12_without_the_api_server_the_end_does_not_wait_for_it(
    nursery: trio.Nursery,
    clock: MockClock,
) -> None:
    store = LeaseStore()
    it = contender(clock, store)
    await led(nursery, it, seconds=12)
    it.network.there = lambda _: LOST
    it.stop.set()
    await trio.sleep(8)
    assert 0 < it.ended_at < 12 + 1 + TIMING.request_seconds
    assert (it.lost, store.holder) == ("", "a_1")


async def test_told_to_stop_while_its_claim_is_under_way_it_gives_back_what_it_may_have(
    nursery: trio.Nursery,
    clock: MockClock,
) -> None:
    store = LeaseStore()
    it = contender(clock, store)
    it.network.back = lambda what: 2.0 if what == "create" else 0.01
    await led(nursery, it, seconds=1)
    assert store.holder == "a_1"
    it.stop.set()
    await trio.sleep(1)
    assert it.ended_at > 0
    assert (store.holder, it.worked_at) == ("", [])


async def test_told_to_stop_while_it_waits_it_goes_and_touches_nothing(
    nursery: trio.Nursery,
    clock: MockClock,
) -> None:
    store = LeaseStore()
    first, second = contender(clock, store), contender(clock, store, "b_1")
    await led(nursery, first, second)
    second.stop.set()
    await trio.sleep(0.1)
    assert second.ended_at > 0
    assert second.network.written == []
    assert first.is_working


async def test_cut_short_it_is_not_released(clock: MockClock) -> None:
    store = LeaseStore()
    it = contender(clock, store, drain_seconds=100.0)
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as program:
            program.start_soon(it.run)
            await trio.sleep(5)
            it.stop.set()
            await trio.sleep(5)
            scope.cancel()
    assert store.holder == "a_1"


async def test_a_bug_in_the_work_releases_what_nobody_works_under_any_more(
    clock: MockClock,
) -> None:
    class Broken(Contender):
        async def work(self, _: object) -> None:
            await trio.sleep(3)
            raise KeyError("a bug")

    store = LeaseStore()
    with pytest.RaisesGroup(KeyError, flatten_subgroups=True):
        await Broken(clock=clock, network=Network(store=store)).run()
    assert store.holder == ""


@pytest.mark.parametrize("anew", [False, True])
async def test_l13_a_lease_that_is_deleted_ends_the_work_and_frees_nothing(
    nursery: trio.Nursery, clock: MockClock, *, anew: bool
) -> None:
    store = LeaseStore()
    first, second = contender(clock, store), contender(clock, store, "b_1")
    await led(nursery, first, second)
    third = contender(clock, store, "c_1", facts=Facts(clean=False, history="history-1"))
    store.delete()
    if anew:
        store.put_anew({})
    await led(nursery, third)
    await trio.sleep_until(100)
    assert "deleted" in first.lost
    assert first.ended_at == pytest.approx(10, abs=0.2)
    assert never_both(first, second, third)
    # A whole duration after it was seen to be gone.
    began = min(each.worked_at[0] for each in (second, third) if each.worked_at)
    assert 10 + 45 <= began <= 10 + 45 + 11
    assert second.is_working != third.is_working


@pytest.mark.parametrize("duration", [0, -1, None, 1, 7, 999_999])
async def test_l13_whatever_the_record_says_of_its_duration_a_working_holder_keeps_it(
    nursery: trio.Nursery, clock: MockClock, duration: int | None
) -> None:
    store = LeaseStore()
    first, second = contender(clock, store), contender(clock, store, "b_1")
    await led(nursery, first, second)
    store.edit(leaseDurationSeconds=duration)
    await trio.sleep(100)
    assert first.is_working
    assert second.worked_at == []
    assert store.document is not None
    assert store.document["spec"]["leaseDurationSeconds"] == 45


@pytest.mark.parametrize(
    ("duration", "waits"), [(0, 45), (-1, 45), (None, 45), (10, 45), (60, 60), (999_999, 3600)]
)
async def test_l13_the_duration_of_a_holder_that_is_gone_is_waited_for_within_bounds(
    nursery: trio.Nursery, clock: MockClock, duration: int | None, waits: float
) -> None:
    store = LeaseStore()
    store.put_anew({"holderIdentity": "gone_1", "renewTime": "2100-01-01T00:00:00.000000Z"})
    store.edit(leaseDurationSeconds=duration)
    it = contender(clock, store)
    await led(nursery, it, seconds=waits + 11)
    assert waits <= it.worked_at[0] <= waits + 5


async def test_l10_a_holder_that_was_killed_is_waited_for(
    nursery: trio.Nursery, clock: MockClock
) -> None:
    store = LeaseStore()
    first, second = contender(clock, store), contender(clock, store, "b_1")
    async with trio.open_nursery() as dies:
        dies.start_soon(first.run)
        await trio.sleep(25)
        nursery.start_soon(second.run)
        await trio.sleep(10)
        dies.cancel_scope.cancel()
    await trio.sleep_until(30 + 45 + 11)
    assert 30 + 45 <= second.worked_at[0] <= 30 + 45 + 11


async def test_a_holder_that_is_provably_gone_is_not_waited_for(
    nursery: trio.Nursery, clock: MockClock
) -> None:
    store = LeaseStore()
    store.put_anew({"holderIdentity": "gone_1", "leaseDurationSeconds": 45})
    it = contender(clock, store, facts=Facts(gone="gone_1", history="history-1"))
    await led(nursery, it, seconds=1)
    assert it.worked_at[0] < 0.1


async def test_l15_a_former_process_of_the_same_pod_is_waited_for(
    nursery: trio.Nursery, clock: MockClock
) -> None:
    store = LeaseStore()
    first, again = contender(clock, store, "kubekuma-0_1"), contender(clock, store, "kubekuma-0_2")
    await led(nursery, first)
    first.network.there = lambda _: LOST
    await led(nursery, again, seconds=70)
    assert again.is_working
    assert again.worked_at[0] >= 45
    assert never_both(first, again)


async def test_l17_requests_that_all_take_long_do_not_cost_the_lease(
    nursery: trio.Nursery,
    clock: MockClock,
) -> None:
    store = LeaseStore()
    first, second = contender(clock, store), contender(clock, store, "b_1")
    for each in (first, second):
        each.network.there = lambda _: 2.25
        each.network.back = lambda _: 2.25
    await led(nursery, first, second)
    await trio.sleep(3600)
    assert first.is_working
    assert (first.lost, second.worked_at) == ("", [])
    assert len(first.network.written) >= 350


async def test_the_named_history_is_waited_for(nursery: trio.Nursery, clock: MockClock) -> None:
    store = LeaseStore()
    first = contender(clock, store)
    await led(nursery, first, seconds=12)
    first.stop.set()
    await trio.sleep(2)
    other = contender(clock, store, "b_1", facts=Facts(history="history-2"), database="history-2")
    broken = contender(clock, store, "c_1", facts=Facts(history=None))
    await led(nursery, other, seconds=599)
    assert other.worked_at == []
    assert "the history history-1" in other.leadership.why
    await trio.sleep(5)
    assert other.is_working
    other.stop.set()
    await trio.sleep(2)
    # Nobody else will come with a history of which only a broken file is left.
    await led(nursery, broken)
    assert broken.is_working


async def test_who_may_go_on_without_the_api_server_does_and_says_nothing_to_it(
    nursery: trio.Nursery,
    clock: MockClock,
) -> None:
    store = LeaseStore()
    it = contender(clock, store, continues=True)
    it.network.there = within(23, 223)
    await led(nursery, it, seconds=200)
    assert it.is_working
    assert standing(it) is Standing.DEGRADED
    last = max(at for at, _ in it.network.asked if at < 23)
    assert it.wrote_at[-1] < last + FENCE
    await trio.sleep_until(230)
    assert standing(it) is Standing.LEADER
    assert it.wrote_at[-1] > 223


async def test_who_went_on_stops_when_another_has_the_lease(
    nursery: trio.Nursery, clock: MockClock
) -> None:
    store = LeaseStore()
    it = contender(clock, store, continues=True)
    it.network.there = within(23, 223)
    await led(nursery, it, seconds=200)
    store.edit(holderIdentity="b_1")
    await trio.sleep_until(230)
    assert it.lost == "the Lease was taken by b_1"


async def test_who_went_on_stops_when_the_settings_say_so(
    nursery: trio.Nursery, clock: MockClock
) -> None:
    it = contender(clock, LeaseStore(), continues=True)
    it.network.there = within(23, math.inf)
    await led(nursery, it, seconds=100)
    it.continues = False
    await trio.sleep(10)
    assert it.lost


async def test_going_on_is_only_for_want_of_the_api_server(
    nursery: trio.Nursery, clock: MockClock
) -> None:
    store = LeaseStore()
    it = contender(clock, store, continues=True)
    await led(nursery, it, seconds=12)
    store.delete()
    await trio.sleep(10)
    assert it.lost == "the Lease was deleted"


async def test_without_a_database_of_its_own_nobody_goes_on(
    nursery: trio.Nursery, clock: MockClock
) -> None:
    it = contender(clock, LeaseStore(), continues=True, database="")
    it.network.there = within(23, math.inf)
    await led(nursery, it, seconds=60)
    assert it.lost


async def test_a_start_without_the_api_server_waits_for_it_or_for_the_deadline(
    nursery: trio.Nursery,
    clock: MockClock,
) -> None:
    holds = Facts(holds_database=True, may_begin_alone=True, history="history-1")
    waits, begins = (
        contender(clock, LeaseStore()),
        contender(clock, LeaseStore(), continues=True, facts=holds),
    )
    for each in (waits, begins):
        each.network.there = within(0, 300)
    await led(nursery, waits, begins, seconds=0)
    await trio.sleep(200)
    assert waits.worked_at == []
    assert FENCE <= begins.worked_at[0] <= FENCE + 15
    assert begins.wrote_at == []
    await trio.sleep(110)
    # A Lease that is not there is waited for as any: who went on has a Lease in the end.
    assert waits.is_working
    await trio.sleep(50)
    assert begins.leadership.standing is Standing.LEADER


async def test_where_no_lease_is_asked_for_the_database_alone_decides(
    nursery: trio.Nursery,
    clock: MockClock,
) -> None:
    store = LeaseStore()
    first = contender(clock, store, required=False, facts=Facts(holds_database=True))
    second = contender(clock, store, "b_1", required=False)
    await led(nursery, first, second, seconds=60)
    assert first.is_working
    assert first.wrote_at
    assert second.worked_at == []
    assert first.network.asked == second.network.asked == []
    # From now on there is to be one: it is taken, or somebody else's.
    first.required = second.required = True
    store.put_anew({"holderIdentity": "c_1", "leaseDurationSeconds": 45})
    await trio.sleep(5)
    assert first.lost == "the Lease was taken by c_1"


async def test_a_missing_namespace_is_said_and_waited_for(
    nursery: trio.Nursery, clock: MockClock
) -> None:
    it = contender(clock, LeaseStore())
    it.network.instead = lambda what: NO_NAMESPACE if what == "create" else None
    await led(nursery, it, seconds=30)
    assert it.worked_at == []
    it.network.instead = lambda _: None
    await trio.sleep(10)
    assert it.is_working


async def test_l21_released_before_the_end_of_the_work_two_would_work(
    nursery: trio.Nursery,
    clock: MockClock,
) -> None:
    """What the oracle of these tests sees of a program that lets its work go on behind our back."""

    class Careless(Contender):
        async def work(self, lease: Lease | None) -> None:
            nursery.start_soon(super().work, lease)
            await self.stop.wait()

    store = LeaseStore()
    first = Careless(clock=clock, network=Network(store=store), drain_seconds=20.0)
    first.leadership.check_work = lambda: None  # type: ignore[method-assign]
    second = contender(clock, store, "b_1")
    await led(nursery, first, second)
    first.stop.set()
    await trio.sleep(30)
    assert not never_both(first, second)


async def test_l21_without_timeouts_one_lost_answer_would_end_it(
    nursery: trio.Nursery, clock: MockClock
) -> None:
    timeless = Timing(request_seconds=1e6)
    it = contender(clock, LeaseStore(), timing=timeless)
    it.network.back = within(15, 21)
    await led(nursery, it, seconds=120)
    assert "could not be renewed" in it.lost


def test_a_lease_that_nobody_holds_is_missing() -> None:
    assert isinstance(LeaseStore().get(), Missing)
