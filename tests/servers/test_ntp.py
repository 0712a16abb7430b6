"""The ntp checker against chrony."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes.targets import check_context, monitor_of
from support.daemons import free_ports, installed, running

from kubekuma.check.run import run_check
from kubekuma.model.criteria import Expectation, NtpCriteria, Op, SuccessCriteria
from kubekuma.model.monitor import MonitorType
from kubekuma.model.result import CheckResult, Reason
from kubekuma.model.target import NtpTarget

pytestmark = pytest.mark.servers


@pytest.fixture(scope="session", params=["local stratum 5", ""], ids=["synchronized", "lost"])
def chrony(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[int, bool]]:
    """A server that serves its own clock, and one that has no clock to follow."""
    program = installed("chronyd", "chrony")
    folder = tmp_path_factory.mktemp("chrony")
    (port,) = free_ports(1)
    configuration = folder / "chrony.conf"
    configuration.write_text(f"""
port {port}
bindaddress 127.0.0.1
allow 127.0.0.0/8
cmdport 0
bindcmdaddress /
pidfile {folder}/pid
{request.param}
""")
    # -x: it serves the time and leaves the clock of this machine alone.
    command: list[str | Path] = [program, "-d", "-x", "-u", "root", "-f", configuration]
    with running(command, folder, says="Running with root privileges"):
        yield port, bool(request.param)


async def check(port: int, now: Any = None, expect: Any = (), **wanted: Any) -> CheckResult:
    target = NtpTarget(host="127.0.0.1", port=port)
    criteria = SuccessCriteria(ntp=NtpCriteria(**wanted), expect=expect)
    monitor = monitor_of(MonitorType.NTP, target, criteria)
    return await run_check(monitor, check_context(now=now), transcript=True)


async def test_a_clock_is_compared_with_ours(chrony: tuple[int, bool]) -> None:
    port, synchronized = chrony
    result = await check(port, max_offset_ms=200, max_stratum=5)
    if not synchronized:
        assert result.reason is Reason.CLOCK_WRONG
        assert "not synchronized" in result.message
        return
    assert result.reason is Reason.PASSED, result.message
    assert result.timings.first_byte
    assert (await check(port, max_stratum=4)).reason is Reason.CLOCK_WRONG
    ahead = await check(port, lambda: datetime.now(UTC) + timedelta(seconds=90), max_offset_ms=500)
    assert ahead.reason is Reason.CLOCK_WRONG
    assert "-90" in ahead.message
    near = (Expectation(value="output", op=Op.LT, to=200),)
    assert (await check(port, expect=near)).reason is Reason.PASSED
