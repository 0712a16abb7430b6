"""What holds for every checker."""

from collections.abc import Callable

import pytest
import trio
import trio.testing
from fakes.targets import check_context, monitor_of, reset, stall, start_target

from kubekuma.check.available import AVAILABLE_TYPES, missing
from kubekuma.check.run import run_check
from kubekuma.model.criteria import (
    JsonQueryCriteria,
    KeywordCriteria,
    SuccessCriteria,
    TcpCriteria,
)
from kubekuma.model.monitor import Monitor, MonitorType
from kubekuma.model.result import Outcome, Reason
from kubekuma.model.settings import AddressPolicy
from kubekuma.model.target import HttpTarget, TcpTarget

LONG_SECONDS = 600


@pytest.fixture
def clock() -> trio.testing.MockClock:
    # Not at once: the kernel hands loopback's bytes over in real time, if only just.
    return trio.testing.MockClock(autojump_threshold=0.05)


def over_http(kind: MonitorType, criteria: SuccessCriteria) -> Callable[[int], Monitor]:
    def make(port: int) -> Monitor:
        target = HttpTarget(url=f"http://127.0.0.1:{port}/")
        return monitor_of(kind, target, criteria, timeout_seconds=LONG_SECONDS)

    return make


def over_tcp(port: int) -> Monitor:
    target = TcpTarget(host="127.0.0.1", port=port)
    criteria = SuccessCriteria(tcp=TcpCriteria(banner_contains="hello"))
    return monitor_of(MonitorType.TCP, target, criteria, timeout_seconds=LONG_SECONDS)


KEYWORD = SuccessCriteria(keyword=KeywordCriteria(contains=("x",)))
JSON_QUERY = SuccessCriteria(json_query=JsonQueryCriteria(path="$.x", exists=True))
CHECKERS: dict[MonitorType, Callable[[int], Monitor]] = {
    MonitorType.HTTP: over_http(MonitorType.HTTP, SuccessCriteria()),
    MonitorType.KEYWORD: over_http(MonitorType.KEYWORD, KEYWORD),
    MonitorType.JSON_QUERY: over_http(MonitorType.JSON_QUERY, JSON_QUERY),
    MonitorType.TCP: over_tcp,
}

each_checker = pytest.mark.parametrize("make", CHECKERS.values(), ids=CHECKERS.keys())


def test_every_available_checker_is_here() -> None:
    assert CHECKERS.keys() == AVAILABLE_TYPES


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
