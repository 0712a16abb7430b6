from typing import Any

import pytest
import trio
import trio.testing
from fakes.targets import (
    ScriptedTarget,
    Step,
    after,
    check_context,
    endless,
    monitor_of,
    reset,
    stall,
    start_target,
)

from kubekuma.check.run import run_check
from kubekuma.model.criteria import Expectation, Op, SuccessCriteria, TcpCriteria
from kubekuma.model.monitor import MonitorType
from kubekuma.model.result import CheckResult, Reason
from kubekuma.model.target import TcpTarget

GREETING = b"220 mail.example.org ESMTP Postfix\r\n"


@pytest.fixture
def clock() -> trio.testing.MockClock:
    # Not at once: the kernel hands loopback's bytes over in real time, if only just.
    return trio.testing.MockClock(autojump_threshold=0.05)


async def line(stream: trio.abc.Stream) -> None:
    """Read a line."""
    while not (await stream.receive_some()).endswith(b"\n"):
        pass


async def result_of(
    nursery: trio.Nursery,
    *steps: Step,
    banner: str | None = None,
    **fields: Any,
) -> CheckResult:
    target = await start_target(nursery, *steps, read=False)
    criteria = SuccessCriteria(tcp=TcpCriteria(banner_contains=banner))
    return await check(target, criteria, **fields)


async def check(
    target: ScriptedTarget, criteria: SuccessCriteria | None = None, **fields: Any
) -> CheckResult:
    tcp = TcpTarget(host="127.0.0.1", port=target.port, **fields)
    monitor = monitor_of(MonitorType.TCP, tcp, criteria)
    return await run_check(monitor, check_context(), transcript=True)


async def test_a_port_that_accepts_passes_without_saying_anything(
    nursery: trio.Nursery, clock: trio.testing.MockClock
) -> None:
    result = await result_of(nursery, stall)
    assert result.reason is Reason.PASSED
    assert result.timings.connect is not None
    assert result.timings.first_byte is None
    assert clock.current_time() < 1


async def test_a_greeting_may_come_in_pieces(nursery: trio.Nursery) -> None:
    pieces = (GREETING[:10], after(0.01), GREETING[10:], stall)
    result = await result_of(nursery, *pieces, banner="ESMTP Postfix")
    assert result.reason is Reason.PASSED, result.message
    assert result.timings.first_byte is not None
    assert result.timings.transfer is not None


async def test_an_answer_is_expected_after_what_is_sent(nursery: trio.Nursery) -> None:
    steps = (GREETING, line, b"250 mail.example.org\r\n", stall)
    result = await result_of(nursery, *steps, banner="220", send="EHLO me\r\n", expect="^250 ")
    assert result.reason is Reason.PASSED, result.message


async def test_the_greeting_does_not_count_as_an_answer(
    nursery: trio.Nursery, clock: trio.testing.MockClock
) -> None:
    steps = (GREETING, line, stall)
    result = await result_of(nursery, *steps, banner="220", send="EHLO me\r\n", expect="^220 ")
    assert result.reason is Reason.TIMEOUT
    assert clock.current_time() == pytest.approx(5)


async def test_without_anything_sent_the_greeting_is_the_answer(nursery: trio.Nursery) -> None:
    result = await result_of(nursery, GREETING, stall, banner="220", expect="Postfix")
    assert result.reason is Reason.PASSED, result.message


async def test_the_wrong_greeting_is_a_mismatch_at_the_deadline(
    nursery: trio.Nursery, clock: trio.testing.MockClock
) -> None:
    result = await result_of(nursery, GREETING, stall, banner="Exim")
    assert result.reason is Reason.BANNER_MISMATCH
    assert "Exim" in result.message
    assert "Postfix" in result.message
    assert clock.current_time() == pytest.approx(5)


async def test_no_greeting_is_a_timeout(
    nursery: trio.Nursery, clock: trio.testing.MockClock
) -> None:
    result = await result_of(nursery, stall, banner="220")
    assert result.reason is Reason.TIMEOUT
    assert 'a greeting that contains "220"' in result.message
    assert result.latency_seconds == clock.current_time() == pytest.approx(5)


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        ((), Reason.CONNECTION_CLOSED),
        ((GREETING,), Reason.BANNER_MISMATCH),
        ((endless(b"x" * 1000),), Reason.BANNER_MISMATCH),
        ((reset,), Reason.CONNECTION_RESET),
    ],
)
async def test_what_ends_the_wait(
    nursery: trio.Nursery, steps: tuple[Step, ...], reason: Reason
) -> None:
    result = await result_of(nursery, *steps, banner="Exim")
    assert result.reason is reason, result.message


async def test_expectations_see_what_was_said(nursery: trio.Nursery) -> None:
    good = Expectation(value="output", op=Op.CONTAINS, to="Postfix")
    bad = Expectation(value="status", op=Op.EQUALS, to=200)
    target = await start_target(nursery, GREETING, stall, read=False)
    result = await check(target, SuccessCriteria(expect=(good, bad)))
    assert result.reason is Reason.EXPECTATION_FAILED
    assert result.message == "status is not known to checks of type tcp"
