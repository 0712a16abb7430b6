"""Targets that misbehave on order, and monitors aimed at them."""

import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeAlias

import dns.message
import dns.rrset
import trio
import trio.testing
from dns.rcode import Rcode
from dns.rdatatype import RdataType

from kubekuma.check.context import CheckContext
from kubekuma.check.tls_context import SslContexts
from kubekuma.model.criteria import SuccessCriteria
from kubekuma.model.meta import Key, ObjectMeta, SecretKeyRef
from kubekuma.model.monitor import Monitor, MonitorSpec, MonitorType, Schedule
from kubekuma.model.settings import AddressPolicy, DnsSettings, Networking
from kubekuma.model.target import AnyTarget, DnsTransport, Resolver, Target

Step: TypeAlias = bytes | Callable[[trio.abc.Stream], Awaitable[None]]


# Steps -------------------------------------------------------------------------------------------


async def stall(stream: trio.abc.Stream) -> None:
    """Say nothing more until the client hangs up."""
    while await stream.receive_some():
        pass


async def reset(stream: trio.abc.Stream) -> None:
    """Hang up in anger (RST)."""
    assert isinstance(stream, trio.SocketStream)
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.socket.close()


def endless(data: bytes) -> Step:
    """Send ``data`` again and again, until nobody listens."""

    async def step(stream: trio.abc.Stream) -> None:
        while True:
            await stream.send_all(data)

    return step


def after(seconds: float) -> Step:
    """Wait."""

    async def step(stream: trio.abc.Stream) -> None:
        del stream
        await trio.sleep(seconds)

    return step


def answer(status: str, *headers: str, body: bytes = b"") -> bytes:
    """A whole answer, with its length."""
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


# The target --------------------------------------------------------------------------------------


class ScriptedTarget:
    """A TCP server that does the same steps on every connection, or each time the next script.

    ``requests`` is what it received, by connection; ``open`` how many connections it has.
    """

    def __init__(
        self,
        scripts: Sequence[Sequence[Step]],
        *,
        read: bool,
        tls: ssl.SSLContext | None,
        tls_connections: int | None,
    ) -> None:
        self._scripts = scripts
        self._read = read
        self._tls = tls
        self._tls_connections = tls_connections
        self.port = 0
        self.requests: list[bytes] = []
        self.connections = 0
        self.open = 0
        self._all_closed = trio.Event()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}/"

    async def wait_closed(self) -> None:
        """Return when every connection is closed, those included that are not yet served."""
        await trio.testing.wait_all_tasks_blocked()
        while self.open:
            await self._all_closed.wait()

    async def serve(self, stream: trio.SocketStream) -> None:
        """Serve one connection, to the end of its script and until the client has hung up."""
        script = self._scripts[min(self.connections, len(self._scripts) - 1)]
        self.connections += 1
        self.open += 1
        self._all_closed = trio.Event()
        try:
            async with stream:
                await self._run(script, self._secured(stream))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            self.open -= 1
            if not self.open:
                self._all_closed.set()

    def _secured(self, stream: trio.SocketStream) -> trio.abc.Stream:
        clear = self._tls_connections is not None and self.connections > self._tls_connections
        if self._tls is None or clear:
            return stream
        return trio.SSLStream(stream, self._tls, server_side=True, https_compatible=True)

    async def _run(self, script: Sequence[Step], stream: trio.abc.Stream) -> None:
        if self._read:
            self.requests.append(await _request(stream))
        for step in script:
            if isinstance(step, bytes):
                await stream.send_all(step)
            else:
                await step(stream)

    async def listen(
        self, task_status: trio.TaskStatus["ScriptedTarget"] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Serve on a free port of loopback."""
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.port = listener.socket.getsockname()[1]
        async with trio.open_nursery() as nursery:
            await nursery.start(trio.serve_listeners, self.serve, [listener])
            task_status.started(self)


async def start_target(
    nursery: trio.Nursery,
    *steps: Step,
    read: bool = True,
    then: Sequence[Sequence[Step]] = (),
    tls: ssl.SSLContext | None = None,
    tls_connections: int | None = None,
) -> ScriptedTarget:
    """Start a target that reads a request (unless told not to), does ``steps`` and hangs up.

    ``then``: the scripts of the second and later connections. ``tls``: speak TLS, if
    ``tls_connections`` is given only on so many connections.
    """
    target = ScriptedTarget([steps, *then], read=read, tls=tls, tls_connections=tls_connections)
    await nursery.start(target.listen)
    return target


Zone: TypeAlias = Mapping[str, Sequence[str] | Rcode | None]


async def start_resolver(
    nursery: trio.Nursery, zone: Zone, *, transport: DnsTransport = DnsTransport.UDP
) -> Resolver:
    """Start a DNS server on loopback that knows the addresses of ``zone``, and the root.

    A name with a code gets that; with None no answer at all. Other names do not exist.
    """
    if transport is DnsTransport.TCP:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, partial(_resolve_stream, zone), listeners)
        port = listeners[0].socket.getsockname()[1]
    else:
        sock = trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM)
        await sock.bind(("127.0.0.1", 0))
        nursery.start_soon(_resolve_datagrams, zone, sock)
        port = sock.getsockname()[1]
    return Resolver(address="127.0.0.1", port=port, transport=transport)


async def _resolve_datagrams(zone: Zone, sock: trio.socket.SocketType) -> None:
    with sock:
        while True:
            data, client = await sock.recvfrom(4096)
            reply = _reply(zone, data)
            if reply is not None:
                await sock.sendto(reply, client)


async def _resolve_stream(zone: Zone, stream: trio.SocketStream) -> None:
    while data := await stream.receive_some():
        reply = _reply(zone, bytes(data[2:])) or b""
        await stream.send_all(len(reply).to_bytes(2, "big") + reply)


def _reply(zone: Zone, data: bytes) -> bytes | None:
    message = dns.message.from_wire(data)
    reply = dns.message.make_response(message)
    question = message.question[0]
    name = question.name.to_text(omit_final_dot=True)
    known = zone.get(name, Rcode.NOERROR if name in {".", ""} else Rcode.NXDOMAIN)
    if known is None:
        return None
    if isinstance(known, Rcode):
        reply.set_rcode(known)
    elif found := [each for each in known if (":" in each) is (question.rdtype == RdataType.AAAA)]:
        reply.answer.append(
            dns.rrset.from_text_list(question.name, 60, "IN", question.rdtype, found)
        )
    return reply.to_wire()


async def _request(stream: trio.abc.Stream) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        chunk = await stream.receive_some()
        if not chunk:
            return received
        received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
            while len(body) < length:
                body += await stream.receive_some()
    return head + b"\r\n\r\n" + body


# What is aimed at them ---------------------------------------------------------------------------

# Targets of tests live on loopback, which the policy denies by default.
LOOPBACK = AddressPolicy(allow_cidrs=("127.0.0.0/8", "::1/128"))


def check_context(
    *,
    secrets: dict[str, bytes] | None = None,
    targets: AddressPolicy = LOOPBACK,
    resolvers: tuple[Resolver, ...] = (),
    dns_timeout_seconds: int = 5,
    user_agent: str | None = None,
    now: Callable[[], datetime] | None = None,
) -> CheckContext:
    """A context that allows loopback; ``secrets`` are values by the name of their key."""
    known = secrets or {}

    async def secret(namespace: str, ref: SecretKeyRef) -> bytes | None:
        assert namespace == "ns"
        await trio.lowlevel.checkpoint()
        return known.get(ref.key)

    return CheckContext(
        networking=Networking(
            user_agent=user_agent,
            dns=DnsSettings(resolvers=resolvers, timeout_seconds=dns_timeout_seconds),
            targets=targets,
        ),
        default_timeout_seconds=10,
        secret=secret,
        dns_limiter=trio.CapacityLimiter(4),
        contexts=SslContexts(),
        now=now or partial(datetime.now, UTC),
    )


def secret_ref(key: str) -> SecretKeyRef:
    """A reference to the secret that ``check_context`` knows as ``key``."""
    return SecretKeyRef(name="credentials", key=key)


def monitor_of(
    kind: MonitorType,
    target: AnyTarget,
    criteria: SuccessCriteria | None = None,
    *,
    timeout_seconds: int = 5,
) -> Monitor:
    """A monitor ``ns/m``."""
    over_http = {MonitorType.KEYWORD, MonitorType.JSON_QUERY}
    field = MonitorType.HTTP if kind in over_http else kind
    chosen: dict[str, Any] = {field.name.lower(): target}
    return Monitor(
        meta=ObjectMeta(key=Key("ns", "m")),
        spec=MonitorSpec(
            type=kind,
            target=Target(**chosen),
            schedule=Schedule(timeout_seconds=timeout_seconds),
            success_criteria=criteria or SuccessCriteria(),
        ),
    )
