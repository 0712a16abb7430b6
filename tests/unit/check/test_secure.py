import ssl
from pathlib import Path

import pytest
import trio
import trio.testing
from fakes.targets import (
    ScriptedTarget,
    Step,
    answer,
    check_context,
    monitor_of,
    reset,
    secret_ref,
    stall,
    start_resolver,
    start_target,
)
from support.certificates import certificates

from kubekuma.check.context import CheckContext
from kubekuma.check.run import run_check
from kubekuma.model.monitor import MonitorType
from kubekuma.model.result import CheckResult, Reason
from kubekuma.model.target import HttpTarget, Tls

OK = answer("200 OK", body=b"hello")


@pytest.fixture
def clock() -> trio.testing.MockClock:
    # Not at once: the kernel hands loopback's bytes over in real time, if only just.
    return trio.testing.MockClock(autojump_threshold=0.05)


async def hear(stream: trio.abc.Stream) -> None:
    """Take what comes first."""
    await stream.receive_some()


def server(folder: Path, pem: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    path = folder / "server.pem"
    path.write_bytes(pem)
    context.load_cert_chain(path)
    return context


def context() -> CheckContext:
    return check_context(secrets={"bundle": certificates().bundle})


async def check(
    target: ScriptedTarget, within: CheckContext | None = None, *, verify: bool = True
) -> CheckResult:
    tls = Tls(ca_bundle_secret_ref=secret_ref("bundle"), verify=verify)
    http = HttpTarget(url=target.url.replace("http:", "https:"), tls=tls)
    return await run_check(monitor_of(MonitorType.HTTP, http), within or context())


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        ((hear,), Reason.CONNECTION_CLOSED),
        ((reset,), Reason.CONNECTION_RESET),
        ((b"220 mail.example.org\r\n", stall), Reason.TLS_FAILED),
        ((b"\x15\x03\x03\x00\x02\x02\x28", stall), Reason.TLS_FAILED),  # alert: handshake failure
    ],
)
async def test_what_goes_wrong_in_the_handshake(
    nursery: trio.Nursery, steps: tuple[Step, ...], reason: Reason
) -> None:
    target = await start_target(nursery, *steps, read=False)
    result = await check(target)
    assert result.reason is reason, result.message
    assert result.timings.tls is not None
    assert result.timings.first_byte is None


async def hang_up(stream: trio.abc.Stream) -> None:
    """Close the connection underneath TLS, without a word."""
    assert isinstance(stream, trio.SSLStream)
    await trio.aclose_forcefully(stream.transport_stream)


async def say_nonsense(stream: trio.abc.Stream) -> None:
    """Send what is no TLS record in the midst of TLS."""
    assert isinstance(stream, trio.SSLStream)
    await stream.transport_stream.send_all(b"nonsense nonsense")


HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhel"


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        ((OK,), Reason.PASSED),
        ((HALF, hang_up), Reason.CONNECTION_CLOSED),
        ((b"HTTP/1.1 200 OK\r\n\r\nhello", hang_up), Reason.PASSED),
        ((HALF, say_nonsense, hang_up), Reason.TLS_FAILED),
    ],
)
async def test_what_goes_wrong_afterwards(
    nursery: trio.Nursery, tmp_path: Path, steps: tuple[Step, ...], reason: Reason
) -> None:
    target = await start_target(nursery, *steps, tls=server(tmp_path, certificates().valid))
    result = await check(target)
    assert result.reason is reason, result.message


async def test_the_final_dot_of_a_name_is_not_part_of_a_certificate(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    target = await start_target(nursery, OK, tls=server(tmp_path, certificates().valid))
    resolver = await start_resolver(nursery, {"localhost": ["127.0.0.1"]})
    within = check_context(secrets={"bundle": certificates().bundle}, resolvers=(resolver,))
    tls = Tls(ca_bundle_secret_ref=secret_ref("bundle"))
    http = HttpTarget(url=f"https://localhost.:{target.port}/", tls=tls)
    result = await run_check(monitor_of(MonitorType.HTTP, http), within)
    assert result.reason is Reason.PASSED, result.message


async def test_a_body_of_many_records_arrives_whole(nursery: trio.Nursery, tmp_path: Path) -> None:
    body = b"x" * 200_000
    target = await start_target(
        nursery, answer("200 OK", body=body), tls=server(tmp_path, certificates().valid)
    )
    result = await check(target)
    assert result.reason is Reason.PASSED, result.message


@pytest.mark.parametrize("then", [reset, stall])
async def test_a_misfit_is_told_although_a_second_look_fails(
    nursery: trio.Nursery, tmp_path: Path, clock: trio.testing.MockClock, then: Step
) -> None:
    tls = server(tmp_path, certificates().expired)
    target = await start_target(nursery, OK, read=False, tls=tls, tls_connections=1, then=[[then]])
    result = await check(target)
    assert result.reason is Reason.TLS_EXPIRED
    assert result.certificate is None
    assert target.connections == 2
    assert clock.current_time() <= 5.1


async def test_where_a_misfit_is_accepted_it_is_found_out_only_once(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    shared = context()
    tls = server(tmp_path, certificates().expired)
    target = await start_target(nursery, OK, tls=tls)
    connections = []
    for _ in range(3):
        result = await check(target, shared, verify=False)
        assert result.reason is Reason.PASSED, result.message
        assert result.certificate
        assert not result.certificate.valid
        connections.append(target.connections)
    assert connections == [2, 3, 4]
    tls.load_cert_chain(server_pem(tmp_path, certificates().valid))
    result = await check(target, shared, verify=False)
    assert result.certificate
    assert result.certificate.valid


def server_pem(folder: Path, pem: bytes) -> Path:
    path = folder / "other.pem"
    path.write_bytes(pem)
    return path
