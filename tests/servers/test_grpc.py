"""The grpc checker against grpcio's health server."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from fakes.targets import check_context, monitor_of, secret_ref
from support.daemons import free_ports, running
from support.daemons_tls import server_files

from kubekuma.check.run import run_check
from kubekuma.model.criteria import GrpcCriteria, SuccessCriteria
from kubekuma.model.monitor import MonitorType
from kubekuma.model.result import CheckResult, Reason
from kubekuma.model.target import GrpcTarget, Header, OptionalTls

pytestmark = pytest.mark.servers


@attrs.frozen
class Server:
    port: int
    tls_port: int
    authority: bytes


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("grpc")
    files = server_files(folder)
    ports = free_ports(2)
    script = Path(__file__).parent / "talkers.py"
    command: list[str | Path] = [sys.executable, script, "grpc", *map(str, ports)]
    command += [files.cert, files.key]
    with running(command, folder, ports=ports):
        yield Server(ports[0], ports[1], files.authority.read_bytes())


async def check(server: Server, criteria: Any = None, **fields: Any) -> CheckResult:
    target = GrpcTarget(**{"host": "localhost", "port": server.port, **fields})
    context = check_context(secrets={"token": b"t0ken", "bundle": server.authority})
    monitor = monitor_of(MonitorType.GRPC, target, criteria)
    return await run_check(monitor, context, transcript=True)


async def test_a_server_that_serves(server: Server) -> None:
    result = await check(server)
    assert result.reason is Reason.PASSED, result.message
    assert "the health is SERVING" in result.transcript


async def test_over_tls(server: Server) -> None:
    tls = OptionalTls(enabled=True, ca_bundle_secret_ref=secret_ref("bundle"))
    result = await check(server, port=server.tls_port, tls=tls)
    assert result.reason is Reason.PASSED, result.message
    assert result.certificate


async def test_a_service_that_does_not_serve(server: Server) -> None:
    result = await check(server, service="ill")
    assert result.reason is Reason.NOT_SERVING
    assert result.message == "the health is NOT_SERVING and should be SERVING"
    resting = SuccessCriteria(grpc=GrpcCriteria(serving=False))
    assert (await check(server, resting, service="ill")).reason is Reason.PASSED
    assert (await check(server, resting)).reason is Reason.NOT_SERVING


async def test_a_service_that_nobody_knows(server: Server) -> None:
    result = await check(server, service="nonsense")
    assert result.reason is Reason.COMMAND_FAILED
    assert "NOT_FOUND" in result.message


async def test_metadata_lets_us_in(server: Server) -> None:
    result = await check(server, service="private")
    assert result.reason is Reason.AUTH_FAILED
    assert "UNAUTHENTICATED: who are you?" in result.message
    who = Header(name="authorization", value_from_secret_ref=secret_ref("token"))
    result = await check(server, service="private", metadata=(who,))
    assert result.reason is Reason.PASSED, result.message
    assert "t0ken" not in repr(result)
