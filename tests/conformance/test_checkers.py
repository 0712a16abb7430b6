"""What holds for every checker that connects."""

from collections.abc import Callable

import attrs
import pytest
import trio
import trio.testing
from fakes.targets import check_context, reset, stall, start_target
from hypothesis import given, settings
from hypothesis import strategies as st
from support.checkers import DATAGRAMS, LONG_SECONDS, OTHERS, STREAMS

from kubekuma.check.available import AVAILABLE_TYPES, missing
from kubekuma.check.run import run_check
from kubekuma.model.monitor import Monitor
from kubekuma.model.result import CheckResult, Outcome, Reason
from kubekuma.model.settings import AddressPolicy


@pytest.fixture
def clock() -> trio.testing.MockClock:
    # Not at once: the kernel hands loopback's bytes over in real time, if only just.
    return trio.testing.MockClock(autojump_threshold=0.05)


each_checker = pytest.mark.parametrize("make", STREAMS.values(), ids=STREAMS.keys())


def test_every_available_checker_is_here() -> None:
    assert STREAMS.keys() | DATAGRAMS.keys() | OTHERS == AVAILABLE_TYPES


@each_checker
def test_nothing_is_missing_for_it(make: Callable[[int], Monitor]) -> None:
    assert missing(make(1).spec) is None


@each_checker
async def test_it_sets_no_deadline_of_its_own(
    nursery: trio.Nursery, clock: trio.testing.MockClock, make: Callable[[int], Monitor]
) -> None:
    target = await start_target(nursery, stall, read=False)
    result = await run_check(make(target.port), check_context())
    assert result.reason is Reason.TIMEOUT
    assert result.latency_seconds == pytest.approx(LONG_SECONDS)
    assert clock.current_time() == pytest.approx(LONG_SECONDS)


@each_checker
async def test_it_closes_its_stream_when_cancelled(
    nursery: trio.Nursery, clock: trio.testing.MockClock, make: Callable[[int], Monitor]
) -> None:
    target = await start_target(nursery, stall, read=False)
    with trio.move_on_after(1):
        await run_check(make(target.port), check_context())
    with trio.fail_after(1):
        await target.wait_closed()
    assert target.connections == 1
    assert clock.current_time() == pytest.approx(1)


@each_checker
async def test_it_tells_a_reset_from_a_refusal(
    nursery: trio.Nursery, make: Callable[[int], Monitor]
) -> None:
    target = await start_target(nursery, reset, read=False)
    assert (await run_check(make(target.port), check_context())).reason is Reason.CONNECTION_RESET
    with trio.socket.socket() as free:
        await free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        result = await run_check(make(port), check_context())
    assert result.reason is Reason.CONNECTION_REFUSED
    assert result.outcome is Outcome.FAILED


@each_checker
async def test_it_obeys_the_address_policy(
    nursery: trio.Nursery, make: Callable[[int], Monitor]
) -> None:
    target = await start_target(nursery, stall, read=False)
    context = check_context(targets=AddressPolicy())
    result = await run_check(make(target.port), context)
    assert result.reason is Reason.ADDRESS_DENIED
    assert target.connections == 0


@each_checker
async def test_its_phases_add_up_to_its_latency(
    nursery: trio.Nursery, make: Callable[[int], Monitor]
) -> None:
    target = await start_target(nursery, b"HTTP/1.1 200 hello\r\n\r\n", read=False)
    result = await run_check(make(target.port), check_context())
    timings = result.timings
    phases = (timings.dns, timings.connect, timings.tls, timings.first_byte, timings.transfer)
    assert sum(filter(None, phases)) == pytest.approx(result.latency_seconds)
    assert result.latency_seconds > 0


GARBAGE = [b"\x00" * 65536, b"\xff" * 65536, b"A" * 65536, b"220 x\r\n" * 9000, b"*1\r\n" * 16000]


@each_checker
@pytest.mark.parametrize("data", GARBAGE, ids=["zeros", "ones", "letters", "lines", "arrays"])
async def test_it_does_not_take_all_that_it_is_sent(
    nursery: trio.Nursery, make: Callable[[int], Monitor], data: bytes
) -> None:
    sent = 0

    async def flood(stream: trio.abc.Stream) -> None:
        nonlocal sent
        while True:
            await stream.send_all(data)
            sent += len(data)

    target = await start_target(nursery, flood, read=False)
    with trio.fail_after(20):
        result = await run_check(make(target.port), check_context())
    assert result.outcome is Outcome.FAILED, result
    # What it read, and what the kernel holds for both sides.
    assert sent < 16 * 2**20


@each_checker
@pytest.mark.parametrize("byte", [b"\x00", b"2", b"+", b"*", b"0", b"\x20", b"\n"])
async def test_a_byte_a_second_does_not_outlast_its_deadline(
    nursery: trio.Nursery,
    clock: trio.testing.MockClock,
    make: Callable[[int], Monitor],
    byte: bytes,
) -> None:
    async def drip(stream: trio.abc.Stream) -> None:
        while True:
            await stream.send_all(byte)
            await trio.sleep(1)

    target = await start_target(nursery, drip, read=False)
    monitor = make(target.port)
    schedule = attrs.evolve(monitor.spec.schedule, timeout_seconds=20)
    monitor = attrs.evolve(monitor, spec=attrs.evolve(monitor.spec, schedule=schedule))
    result = await run_check(monitor, check_context())
    assert result.outcome is Outcome.FAILED, result
    assert clock.current_time() <= 20.5


@each_checker
def test_whatever_it_is_told_is_no_bug_of_ours(make: Callable[[int], Monitor]) -> None:
    @settings(max_examples=25)
    @given(st.lists(st.binary(max_size=200) | st.sampled_from(WORDS), max_size=6))
    def holds(chunks: list[bytes]) -> None:
        result = trio.run(told, make, chunks)
        assert result.reason is not Reason.INTERNAL_ERROR, result
        assert result.outcome in {Outcome.FAILED, Outcome.PASSED}

    holds()


WORDS = [
    b"220 hi\r\n",
    b"250-x\r\n",
    b"250 y\r\n",
    b"* OK\r\n",
    b"k1 OK\r\n",
    b"+OK\r\n",
    b"-ERR\r\n",
    b"$-1\r\n",
    b"*2\r\n",
    b":1\r\n",
    b"$5\r\nab",
    b"\x20\x02\x00\x00",
    b"\x30\x84\xff\xff\xff\xff",
    b"0\x0c\x02\x01\x01a\x07\n\x01\x00\x04\x00\x04\x00",
    b"SSH-2.0-x\r\n",
    b"\x00\x00\x00\x0c\x0a\x14" + bytes(10),
    b"HTTP/1.1 200 OK\r\n\r\n",
    b"R\x00\x00\x00\x08\x00\x00\x00\x00",
    b"\x4a\x00\x00\x00\x0a8.0\x00" + bytes(31) + bytes(21) + b"mysql_native_pass",
    b"\x01\x00\x00\x02\x00",
    b"\x07\x00\x00\x01\xff\x15\x04#2800",
    b"\x04\x01\x00\x12\x00\x00\x01\x00\x01\x00\x06\x00\x01\xff\x02",
    b"\x25\0\0\0\0\0\0\0\x01\0\0\0\xdd\x07\0\0" + bytes(5) + b"\x10\0\0\0\x10ok\0\x01\0\0\0\0",
    b"Z\x00\x00\x00\x05I",
    b"D\x00\x00\x00\x0a\x00\x01\x00\x00\x00\x09",
]


async def told(make: Callable[[int], Monitor], chunks: list[bytes]) -> CheckResult:
    async with trio.open_nursery() as nursery:
        target = await start_target(nursery, *chunks, read=False)
        result = await run_check(make(target.port), check_context())
        nursery.cancel_scope.cancel()
    return result
