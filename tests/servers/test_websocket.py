"""The websocket checker against the server of the websockets library."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes.targets import check_context, monitor_of, secret_ref
from support.daemons import free_ports, running

from kubekuma.check.run import run_check
from kubekuma.model.criteria import ServiceCriteria, SuccessCriteria, WebsocketCriteria
from kubekuma.model.monitor import MonitorType
from kubekuma.model.result import CheckResult, Reason
from kubekuma.model.target import Header, WebsocketTarget

pytestmark = pytest.mark.servers


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder = tmp_path_factory.mktemp("websocket")
    (port,) = free_ports(1)
    script = Path(__file__).parent / "talkers.py"
    command: list[str | Path] = [sys.executable, script, "websocket", str(port)]
    with running(command, folder, ports=(port,)):
        yield port


async def check(port: int, path: str = "/", criteria: Any = None, **fields: Any) -> CheckResult:
    target = WebsocketTarget(url=f"ws://localhost:{port}{path}", **fields)
    context = check_context(secrets={"token": b"t0ken"})
    monitor = monitor_of(MonitorType.WEBSOCKET, target, criteria, timeout_seconds=2)
    return await run_check(monitor, context, transcript=True)


async def test_it_opens(server: int) -> None:
    result = await check(server, subprotocols=("chat", "other"))
    assert result.reason is Reason.PASSED, result.message
    assert result.status_code == 101
    assert "open, subprotocol chat" in result.transcript
    assert result.timings.first_byte


@pytest.mark.parametrize(
    ("path", "fields", "reason"),
    [
        ("/", {"send": "ping", "expect": "^echo:ping$"}, Reason.PASSED),
        ("/", {"send": "ping", "expect": "pong"}, Reason.MESSAGE_MISSING),
        ("/hello", {"expect": "hello"}, Reason.PASSED),
        ("/bytes", {"expect": "bin"}, Reason.PASSED),
        ("/", {"expect": "hello"}, Reason.MESSAGE_MISSING),
        ("/bye", {"expect": "x"}, Reason.CONNECTION_CLOSED),
    ],
)
async def test_messages(server: int, path: str, fields: Any, reason: Reason) -> None:
    result = await check(server, path, **fields)
    assert result.reason is reason, result.message


async def test_a_message_must_come_in_time(server: int) -> None:
    soon = SuccessCriteria(websocket=WebsocketCriteria(must_receive_within_seconds=1))
    assert (await check(server, "/hello", soon)).reason is Reason.PASSED
    result = await check(server, "/", soon)
    assert result.reason is Reason.MESSAGE_MISSING
    assert result.message == "no message came within 1 s"
    wanted = SuccessCriteria(service=ServiceCriteria(value="hello"))
    assert (await check(server, "/hello", wanted)).reason is Reason.PASSED


async def test_a_header_from_a_secret_lets_us_in(server: int) -> None:
    assert (await check(server, "/secret")).reason is Reason.STATUS_MISMATCH
    header = Header(name="X-Token", value_from_secret_ref=secret_ref("token"))
    result = await check(server, "/secret", headers=(header,))
    assert result.reason is Reason.PASSED, result.message
    assert "t0ken" not in repr(result)
