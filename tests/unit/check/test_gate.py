"""When failures are excused, for how long, and what is done about it. All in virtual time."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

import attrs
import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from kubekuma.check.gate import MOST_CHARACTERS, Gate
from kubekuma.check.scopes import Scope
from kubekuma.check.sight import Heard, Witness
from kubekuma.model.meta import Key
from kubekuma.model.result import CheckResult, Outcome, Reason

NEAR = CheckResult(reason=Reason.TIMEOUT, message="timed out", peer="10.0.0.1:80")
FAR = CheckResult(reason=Reason.TIMEOUT, message="timed out", peer="9.9.9.9:443")
NAMELESS = CheckResult(reason=Reason.DNS_FAILURE, message="no answer")
START = datetime(2026, 1, 1, 12, tzinfo=UTC)
PROBE = 2.0


def named(*addresses: str) -> list[Witness]:
    return [Witness(each) for each in addresses]


def unnamed(*addresses: str) -> list[Witness]:
    return [Witness(each, named=False) for each in addresses]


@attrs.define
class World:
    """Witnesses that answer at once unless they are ``silent``; what was asked, and of whom."""

    mock: MockClock
    local: list[Witness] = attrs.field(factory=list)
    internet: list[Witness] = attrs.field(factory=list)
    silent: set[str] = attrs.field(factory=set)
    lacks: bool = False  # descriptors
    asked: list[tuple[float, str]] = attrs.field(factory=list)
    rechecks: list[tuple[float, str]] = attrs.field(factory=list)
    gate: Gate = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.gate = Gate(self.witnesses, self.ask, self.now)

    @property
    def clock(self) -> float:
        return self.mock.current_time()

    def now(self) -> datetime:
        return START + timedelta(seconds=self.clock)

    def witnesses(self, scope: Scope) -> Sequence[Witness]:
        return self.local if scope is Scope.LOCAL else self.internet

    async def ask(self, address: str) -> Heard:
        self.asked.append((self.clock, address))
        await trio.lowlevel.checkpoint()
        if self.lacks:
            return Heard(answered=True)
        if address in self.silent:
            await trio.sleep(PROBE)
            return Heard(answered=False)
        far = address.startswith("far")
        return Heard(answered=True, scope=Scope.INTERNET if far else Scope.LOCAL)

    def recheck(self, key: Key, seconds: float) -> None:
        self.rechecks.append((self.clock + seconds, key.name))

    async def fails(
        self, result: CheckResult = NEAR, name: str = "web", took: float = 0.0
    ) -> CheckResult:
        began = trio.current_time() - took
        return await self.gate.consider(Key("shop", name), result, began)


async def test_two_silent_witnesses_excuse(autojump_clock: MockClock) -> None:
    world = World(autojump_clock, local=named("a:1", "b:1"), silent={"a:1", "b:1"})
    found = await world.fails()
    assert (found.reason, found.outcome) == (Reason.BLIND, Outcome.UNKNOWN)
    assert found.message == (
        "nothing of the scope local answers (a:1, b:1); the check says Timeout: timed out"
    )
    assert found.peer == NEAR.peer
    assert world.gate.blind == {"local": "nothing of the scope local answers (a:1, b:1)"}


async def test_one_that_answers_is_enough_to_blame(autojump_clock: MockClock) -> None:
    world = World(autojump_clock, local=named("a:1", "b:1"), silent={"a:1"})
    assert await world.fails() == NEAR
    assert world.clock == 0  # nobody waits for the silent one
    assert world.gate.blind == {}


@pytest.mark.parametrize("lacks", [False, True], ids=["without witnesses", "who cannot be asked"])
async def test_there_is_no_opinion(autojump_clock: MockClock, *, lacks: bool) -> None:
    world = World(autojump_clock, local=named("a:1", "b:1") if lacks else [], lacks=lacks)
    assert await world.fails() == NEAR
    assert world.clock == 0


async def test_without_witnesses_nobody_waits(autojump_clock: MockClock) -> None:
    world = World(autojump_clock)
    for _ in range(3):
        await trio.sleep(0.25)
        assert await world.fails(FAR) == FAR
    assert world.clock == 0.75


async def test_what_passes_or_is_the_targets_asks_nobody(autojump_clock: MockClock) -> None:
    world = World(autojump_clock, local=named("a:1", "b:1"), silent={"a:1", "b:1"})
    for reason in (Reason.PASSED, Reason.CONNECTION_REFUSED, Reason.STATUS_MISMATCH):
        result = attrs.evolve(NEAR, reason=reason)
        assert await world.fails(result) is result
    assert world.asked == []


async def test_all_who_ask_share_one_probe(autojump_clock: MockClock) -> None:
    world = World(autojump_clock, local=named("a:1", "b:1"), silent={"a:1", "b:1"})
    found: list[Reason] = []

    async def fail(number: int) -> None:
        await trio.sleep(number / 20)
        found.append((await world.fails(name=str(number))).reason)

    async with trio.open_nursery() as nursery:
        for number in range(100):
            nursery.start_soon(fail, number)
    assert found == [Reason.BLIND] * 100
    # What was found at 2 s is believed until 7 s.
    assert sorted(world.asked) == [(0, "a:1"), (0, "b:1")]


async def test_a_good_answer_says_nothing_of_what_fails_later(autojump_clock: MockClock) -> None:
    world = World(autojump_clock, local=named("a:1", "b:1"))
    assert await world.fails() == NEAR
    await trio.sleep(0.1)
    world.silent = {"a:1", "b:1"}
    assert (await world.fails()).reason is Reason.BLIND


async def test_many_that_fail_one_after_the_other_are_asked_about_once_a_second(
    autojump_clock: MockClock,
) -> None:
    world = World(autojump_clock, local=named("a:1"))
    async with trio.open_nursery() as nursery:
        for number in range(100):
            await trio.sleep(0.03)
            nursery.start_soon(world.fails, NEAR, str(number))
    assert [round(at, 2) for at, _ in world.asked] == [0.03, 1.03, 2.03, 3.03]


async def test_whoever_is_cancelled_leaves_the_probe_to_the_next(autojump_clock: MockClock) -> None:
    world = World(autojump_clock, local=named("a:1", "b:1"), silent={"a:1", "b:1"})
    found: list[CheckResult] = []

    async def fail() -> None:
        await trio.sleep(0.5)
        found.append(await world.fails())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(fail)
        with trio.move_on_after(1):
            await world.fails(name="cut off")
    assert [each.reason for each in found] == [Reason.BLIND]
    assert sorted({at for at, _ in world.asked}) == [0, 1]


async def test_a_single_witness_delays_by_a_minute_at_most(autojump_clock: MockClock) -> None:
    world = World(autojump_clock, local=named("a:1"), silent={"a:1"})
    reasons = {}
    while world.clock < 90:
        at = world.clock
        reasons[at] = (await world.fails()).reason
        await trio.sleep(1)
    assert max(at for at, reason in reasons.items() if reason is Reason.BLIND) <= 60
    assert min(at for at, reason in reasons.items() if reason is Reason.TIMEOUT) >= 57
    assert world.gate.blind == {}
    # Once it has answered, it is missed anew.
    world.silent = set()
    await world.fails()
    world.silent = {"a:1"}
    await trio.sleep(1)
    assert (await world.fails()).reason is Reason.BLIND


async def test_a_check_that_began_while_we_were_blind_is_excused_when_it_ends(
    autojump_clock: MockClock,
) -> None:
    world = World(autojump_clock, local=named("a:1", "b:1"), silent={"a:1", "b:1"})
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.gate.run, world.recheck)
        assert (await world.fails()).reason is Reason.BLIND
        world.silent = set()
        await trio.sleep(10)
        assert world.gate.blind == {}
        world.rechecks.clear()
        assert (await world.fails(name="late", took=9)).reason is Reason.BLIND
        assert (await world.fails(name="later", took=1)).reason is Reason.TIMEOUT
        await trio.sleep(1)
        assert [name for _, name in world.rechecks] == ["late"]
        nursery.cancel_scope.cancel()


async def test_the_end_is_seen_told_and_followed_by_a_look_at_all_who_were_excused(
    autojump_clock: MockClock,
) -> None:
    world = World(autojump_clock, local=named("a:1", "b:1"), silent={"a:1", "b:1"})
    with capture_logs() as logs:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(world.gate.run, world.recheck)
            async with trio.open_nursery() as checks:
                for number in range(10):
                    checks.start_soon(partial(world.fails, name=str(number)))
            await trio.sleep(18)
            assert world.rechecks == []
            world.silent = set()
            await trio.sleep(10)
            nursery.cancel_scope.cancel()
    assert world.gate.blind == {}
    assert sorted(name for _, name in world.rechecks) == [str(number) for number in range(10)]
    times = [at for at, _ in world.rechecks]
    assert 20 < min(times) < max(times) <= 28 + 5
    assert len(set(times)) == 10  # not all at once
    assert [each["event"] for each in logs] == ["blind", "blind no longer"]
    assert logs[1]["since"] == "2026-01-01T12:00:02+00:00"
    assert logs[1]["monitors"] == 10
    assert logs[1]["scope"] == "local"


async def test_public_addresses_go_by_the_internet_and_local_ones_do_not(
    autojump_clock: MockClock,
) -> None:
    world = World(
        autojump_clock,
        local=named("a:1", "b:1"),
        internet=named("far:1", "far:2"),
        silent={"far:1", "far:2"},
    )
    assert (await world.fails(FAR)).reason is Reason.BLIND
    assert (await world.fails(NEAR)).reason is Reason.TIMEOUT
    assert (await world.fails(NAMELESS)).reason is Reason.BLIND
    assert set(world.gate.blind) == {"internet"}


async def test_without_witnesses_of_the_internet_the_way_there_counts(
    autojump_clock: MockClock,
) -> None:
    world = World(autojump_clock, local=named("a:1", "b:1"), silent={"a:1", "b:1"})
    assert (await world.fails(FAR)).reason is Reason.BLIND
    # Whoever sees the internet need not know its own neighbours.
    world = World(
        autojump_clock, local=named("a:1", "b:1"), internet=named("far:1"), silent={"a:1", "b:1"}
    )
    assert (await world.fails(FAR)).reason is Reason.TIMEOUT
    # But names are asked for nearby.
    assert (await world.fails(NAMELESS)).reason is Reason.BLIND


async def test_who_was_not_named_is_missed_only_once_it_was_heard(
    autojump_clock: MockClock,
) -> None:
    world = World(autojump_clock, local=unnamed("a:1", "b:1", "drops:1"), silent={"drops:1"})
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.gate.run, world.recheck)
        await trio.sleep(10)
        # Each is asked once, so as to be known, and waited for.
        assert sorted(address for _, address in world.asked) == ["a:1", "b:1", "drops:1"]
        world.silent = {"a:1", "drops:1"}
        assert (await world.fails()).reason is Reason.TIMEOUT
        await trio.sleep(1)
        world.silent = {"a:1", "b:1", "drops:1"}
        found = await world.fails()
        assert (found.reason, "drops" in found.message) == (Reason.BLIND, False)
        nursery.cancel_scope.cancel()


async def test_messengers_nearby_say_nothing_of_the_internet(autojump_clock: MockClock) -> None:
    # They answer, but from this network: whether there is an internet they do not know.
    world = World(autojump_clock, internet=unnamed("gotify:443", "ntfy:443"))
    await world.fails(FAR)
    world.silent = {"gotify:443", "ntfy:443"}
    await trio.sleep(1)
    assert (await world.fails(FAR)).reason is Reason.TIMEOUT


async def test_what_is_said_stays_short(autojump_clock: MockClock) -> None:
    world = World(autojump_clock, local=named("a:1", "b:1"), silent={"a:1", "b:1"})
    found = await world.fails(attrs.evolve(NEAR, message="x" * 5000))
    assert len(found.message) == MOST_CHARACTERS
