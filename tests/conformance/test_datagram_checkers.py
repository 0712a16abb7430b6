"""What holds for every checker that sends datagrams."""

import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import attrs
import pytest
import trio
import trio.testing
from fakes.targets import check_context
from hypothesis import given, settings
from hypothesis import strategies as st
from support.checkers import DATAGRAMS, LONG_SECONDS

from kubekuma.check.available import missing
from kubekuma.check.run import run_check
from kubekuma.model.monitor import Monitor
from kubekuma.model.result import CheckResult, Outcome, Reason
from kubekuma.model.settings import AddressPolicy

each_checker = pytest.mark.parametrize("make", DATAGRAMS.values(), ids=DATAGRAMS.keys())


@pytest.fixture
def clock() -> trio.testing.MockClock:
    # Not at once: the kernel hands loopback's bytes over in real time, if only just.
    return trio.testing.MockClock(autojump_threshold=0.05)


@attrs.define
class Peer:
    """A service that hears everything, and answers with ``says`` each time."""

    port: int
    heard: list[bytes] = attrs.field(factory=list)


@asynccontextmanager
async def peer(*says: bytes) -> AsyncIterator[Peer]:
    sock = trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM)
    await sock.bind(("127.0.0.1", 0))
    found = Peer(sock.getsockname()[1])

    async def serve() -> None:
        while True:
            data, client = await sock.recvfrom(65536)
            found.heard.append(data)
            for each in says:
                await sock.sendto(each, client)

    with sock:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve)
            yield found
            nursery.cancel_scope.cancel()


def within(make: Callable[[int], Monitor], port: int, seconds: int) -> Monitor:
    monitor = make(port)
    schedule = attrs.evolve(monitor.spec.schedule, timeout_seconds=seconds)
    return attrs.evolve(monitor, spec=attrs.evolve(monitor.spec, schedule=schedule))


@each_checker
def test_nothing_is_missing_for_it(make: Callable[[int], Monitor]) -> None:
    assert missing(make(1).spec) is None


@each_checker
async def test_it_sets_no_deadline_of_its_own_and_asks_again_and_again(
    clock: trio.testing.MockClock, make: Callable[[int], Monitor]
) -> None:
    async with peer() as silent:
        result = await run_check(make(silent.port), check_context())
    assert result.reason is Reason.TIMEOUT, result
    assert clock.current_time() == pytest.approx(LONG_SECONDS)
    assert 70 < len(silent.heard) < 90
    assert len(set(silent.heard)) == 1


@each_checker
async def test_a_closed_port_is_refused(make: Callable[[int], Monitor]) -> None:
    with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as free:
        await free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    result = await run_check(make(port), check_context())
    assert result.reason is Reason.CONNECTION_REFUSED, result


@each_checker
async def test_it_obeys_the_address_policy(make: Callable[[int], Monitor]) -> None:
    async with peer() as silent:
        result = await run_check(make(silent.port), check_context(targets=AddressPolicy()))
    assert result.reason is Reason.ADDRESS_DENIED
    assert silent.heard == []


@each_checker
async def test_it_closes_its_socket_when_cancelled(
    clock: trio.testing.MockClock, make: Callable[[int], Monitor]
) -> None:
    async with peer() as silent:
        with trio.move_on_after(1.5):
            await run_check(make(silent.port), check_context())
    assert silent.heard  # that a socket is left open, Python says: warnings are errors
    assert clock.current_time() == pytest.approx(1.5)


@each_checker
def test_whatever_it_is_told_is_no_bug_of_ours(make: Callable[[int], Monitor]) -> None:
    @settings(max_examples=25)
    @given(st.lists(st.binary(max_size=120) | st.sampled_from(WORDS), max_size=4))
    def holds(says: list[bytes]) -> None:
        clock = trio.testing.MockClock(autojump_threshold=0.002)
        result = trio.run(told, make, says, clock=clock)
        assert result.reason is not Reason.INTERNAL_ERROR, result
        assert result.outcome in {Outcome.FAILED, Outcome.PASSED}

    holds()


WORDS = [
    b"\x24\x01\x06\xe9" + bytes(44),
    struct.pack(">HHHHHH", 0, 0x8180, 1, 0, 0, 0) + b"\x07example\x03org\x00\x00\x01\x00\x01",
    b"\xff\xff\xff\xffI",
]


async def told(make: Callable[[int], Monitor], says: list[bytes]) -> CheckResult:
    async with peer(*says) as talking:
        return await run_check(within(make, talking.port, 2), check_context())
