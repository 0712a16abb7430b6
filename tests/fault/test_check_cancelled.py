"""Whenever a check is cancelled, its connections are closed at once."""

import ssl
from collections.abc import Sequence
from pathlib import Path

import pytest
import trio
from fakes.targets import (
    ScriptedTarget,
    answer,
    check_context,
    monitor_of,
    secret_ref,
    start_resolver,
    start_target,
)
from support.certificates import certificates
from support.fault import at_every_cancellation

from kubekuma.check.context import CheckContext
from kubekuma.check.run import run_check
from kubekuma.model.criteria import KeywordCriteria, SuccessCriteria, TcpCriteria
from kubekuma.model.monitor import Monitor, MonitorType
from kubekuma.model.result import Reason
from kubekuma.model.target import HttpTarget, OptionalTls, TcpTarget, Tls

OUR_AUTHORITY = secret_ref("bundle")


@pytest.fixture
def server_context(tmp_path: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    pem = tmp_path / "valid.pem"
    pem.write_bytes(certificates().valid)
    context.load_cert_chain(pem)
    return context


async def cancelled_everywhere(
    monitor: Monitor, context: CheckContext, targets: Sequence[ScriptedTarget]
) -> int:
    """Cancel the check at every step; fail if a connection outlives it, or if it never passes."""
    passed = False

    async def attempt() -> None:
        nonlocal passed
        try:
            passed = (await run_check(monitor, context)).reason is Reason.PASSED
        finally:
            with trio.CancelScope(shield=True), trio.fail_after(5):
                for each in targets:
                    await each.wait_closed()

    steps = await at_every_cancellation(attempt)
    assert passed
    assert sum(each.connections for each in targets) >= steps // 2
    return steps


async def test_http_with_redirects(nursery: trio.Nursery) -> None:
    last = await start_target(nursery, answer("200 OK", body=b"hello"))
    hop = f"HTTP/1.1 302 Found\r\nLocation: {last.url}\r\nContent-Length: 0\r\n\r\n".encode()
    first = await start_target(nursery, hop)
    criteria = SuccessCriteria(keyword=KeywordCriteria(contains=("hello",)))
    monitor = monitor_of(MonitorType.KEYWORD, HttpTarget(url=first.url), criteria)
    assert await cancelled_everywhere(monitor, check_context(), [first, last]) > 4


async def test_several_addresses_at_once(nursery: trio.Nursery) -> None:
    target = await start_target(nursery, answer("200 OK"))
    addresses = ["127.0.0.9", "127.0.0.8", "127.0.0.1"]
    resolver = await start_resolver(nursery, {"web.example": addresses})
    context = check_context(resolvers=(resolver,))
    url = f"http://web.example:{target.port}/"
    monitor = monitor_of(MonitorType.HTTP, HttpTarget(url=url))
    assert await cancelled_everywhere(monitor, context, [target]) > 4


@pytest.mark.parametrize("verify", [True, False])
async def test_https(nursery: trio.Nursery, server_context: ssl.SSLContext, verify: bool) -> None:
    target = await start_target(nursery, answer("200 OK"), tls=server_context)
    # Without our authority there are two connections: one that verifies, one that goes on.
    bundle = OUR_AUTHORITY if verify else None
    tls = Tls(ca_bundle_secret_ref=bundle, verify=verify)
    url = f"https://127.0.0.1:{target.port}/"
    monitor = monitor_of(MonitorType.HTTP, HttpTarget(url=url, tls=tls))
    context = check_context(secrets={"bundle": certificates().bundle})
    assert await cancelled_everywhere(monitor, context, [target]) > 4


async def test_tcp_with_tls(nursery: trio.Nursery, server_context: ssl.SSLContext) -> None:
    target = await start_target(nursery, b"220 ready\r\n", read=False, tls=server_context)
    tls = OptionalTls(enabled=True, ca_bundle_secret_ref=OUR_AUTHORITY)
    tcp = TcpTarget(host="127.0.0.1", port=target.port, tls=tls)
    criteria = SuccessCriteria(tcp=TcpCriteria(banner_contains="ready"))
    context = check_context(secrets={"bundle": certificates().bundle})
    monitor = monitor_of(MonitorType.TCP, tcp, criteria)
    assert await cancelled_everywhere(monitor, context, [target]) > 4
