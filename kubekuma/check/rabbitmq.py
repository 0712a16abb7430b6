"""RabbitMQ checker: the broker opens a virtual host, and if asked has a queue (AMQP 0-9-1)."""

import struct
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

from kubekuma import __version__
from kubekuma.check import amqp
from kubekuma.check.context import Check
from kubekuma.check.dial import dial
from kubekuma.check.finding import CheckFailed, Finding
from kubekuma.check.judge_service import judge_service
from kubekuma.check.login import Login, destination, login_of
from kubekuma.check.reader import Reader
from kubekuma.check.trace import Phase
from kubekuma.check.wire import Wire
from kubekuma.model.criteria import SuccessCriteria
from kubekuma.model.result import Reason
from kubekuma.model.target import RabbitmqTarget

PORT: Final = 5672
TLS_PORT: Final = 5671
MOST_FRAMES: Final = 100
# What every client and every new broker knows; the broker lets it in from its own host only.
_GUEST: Final = Login("guest", "guest")
_PROPERTIES: Final[amqp.Table] = {
    "product": "KubeKuma",
    "version": __version__,
    # To be told why we are not let in, and that the broker takes no messages.
    "capabilities": {"authentication_failure_close": True, "connection.blocked": True},
}
_DONE: Final = struct.pack(">H", 200) + amqp.short_text("done") + struct.pack(">HH", 0, 0)
_CHANNEL: Final = 1
_PASSIVE: Final = 1
# Replies of the broker that say who may do what: ACCESS_REFUSED, NOT_ALLOWED.
_NOT_LET_IN: Final = frozenset({403, 530})


async def check_rabbitmq(
    target: RabbitmqTarget, criteria: SuccessCriteria, check: Check
) -> Sequence[Finding]:
    """Open the virtual host, and ask for the queue without making it.

    The answer is the number of messages that wait; ``messages`` and ``consumers`` are there for
    ``json()``. Without credentials we are the guest, as every client is.
    """
    login = await login_of(target.credentials, check) or _GUEST
    wire = await dial(destination(target, PORT, TLS_PORT), check)
    try:
        check.trace.enter(Phase.FIRST_BYTE, "waiting for the broker to begin")
        broker = _Broker(wire, check)
        await broker.open(login, target.virtual_host)
        counts = await broker.count(target.queue) if target.queue is not None else None
        await broker.close()
    finally:
        wire.close()
    output = str(counts["messages"]) if counts is not None else None
    return [
        *broker.alarms,
        *judge_service("rabbitmq", output, criteria, check, document=counts),
    ]


class _Broker:
    """One connection. ``alarms``: why the broker takes no messages, if it says so."""

    def __init__(self, wire: Wire, check: Check) -> None:
        self._wire = wire
        self._check = check
        self._reader = Reader(wire)
        self._frames = 0
        self.alarms: list[Finding] = []

    async def open(self, login: Login, virtual_host: str) -> None:
        """Log in, and open ``virtual_host``."""
        await self._wire.send(amqp.GREETING)
        start = await self._wait(amqp.START)
        self._check.trace.enter(Phase.TRANSFER, "logging in")
        start.number(2)  # the version
        start.long_text()  # what the broker says of itself
        ways = start.long_text().decode("utf-8", "replace")
        if "PLAIN" not in ways.split():
            message = f"the broker lets in by {ways[:100]}, not by PLAIN"
            raise CheckFailed(Reason.AUTH_FAILED, message)
        who = f"\0{login.user}\0{login.password}".encode("utf-8", "replace")
        await self._send(
            0,
            amqp.START_OK,
            amqp.table(_PROPERTIES),
            amqp.short_text("PLAIN"),
            amqp.long_text(who),
            amqp.short_text("en_US"),
        )
        tune = await self._wait(amqp.TUNE)
        channels, frame_bytes = tune.number(2), tune.number(4)
        no_heartbeat = 0  # a check is over before one is due
        await self._send(0, amqp.TUNE_OK, struct.pack(">HIH", channels, frame_bytes, no_heartbeat))
        self._check.trace.say("opening virtual host %s", virtual_host)
        await self._send(0, amqp.OPEN, amqp.short_text(virtual_host), b"\0\0")
        await self._wait(amqp.OPEN_OK)

    async def count(self, queue: str) -> Mapping[str, int]:
        """Ask for ``queue``: how many messages wait in it, and how many consumers it has."""
        self._check.trace.say("asking for queue %s", queue)
        await self._send(_CHANNEL, amqp.CHANNEL_OPEN, b"\0")
        await self._wait(amqp.CHANNEL_OPEN_OK)
        name = amqp.short_text(queue)
        await self._send(_CHANNEL, amqp.DECLARE, b"\0\0", name, bytes([_PASSIVE]), amqp.table({}))
        found = await self._wait(amqp.DECLARE_OK)
        found.short_text()
        counts = {"messages": found.number(4), "consumers": found.number(4)}
        told = ", ".join(f"{count} {of}" for of, count in counts.items())
        self._check.trace.say("< %s", told)
        return counts

    async def close(self) -> None:
        """Take leave, so that the broker does not log that we were lost."""
        await self._send(0, amqp.CLOSE, _DONE)
        await self._wait(amqp.CLOSE_OK)

    async def _send(self, channel: int, name: tuple[int, int], *arguments: bytes) -> None:
        await self._wire.send(amqp.frame(channel, name, *arguments))

    async def _wait(self, wanted: tuple[int, int]) -> amqp.Arguments:
        """Read until the method ``wanted`` comes; return its arguments."""
        while True:
            method = await self._method()
            arguments = amqp.Arguments(method.arguments)
            if method.name == wanted:
                return arguments
            if method.name in {amqp.CLOSE, amqp.CHANNEL_CLOSE}:
                refusal = _refusal(arguments)
                self._check.trace.at_deadline = refusal.finding
                await self._part(method.name)
                raise refusal
            if method.name == amqp.BLOCKED:
                message = f"the broker takes no messages: {arguments.short_text()}"
                self.alarms = [Finding(Reason.COMMAND_FAILED, message)]
            elif method.name == amqp.UNBLOCKED:
                self.alarms = []
            else:
                raise amqp.not_amqp()

    async def _part(self, name: tuple[int, int]) -> None:
        # What the broker has said counts more than whether it listens still.
        with suppress(CheckFailed):
            if name == amqp.CLOSE:
                await self._send(0, amqp.CLOSE_OK)
            else:
                await self.close()

    async def _method(self) -> amqp.Method:
        while self._frames < MOST_FRAMES:
            self._frames += 1
            head = await self._reader.exactly(amqp.HEAD_BYTES)
            kind, _, size = struct.unpack(">BHI", head)
            if head.startswith(b"AMQP"):
                version = await self._reader.exactly(1)
                spoken = ".".join(map(str, head[5:] + version))
                message = f"the broker speaks AMQP {spoken}, not 0.9.1"
                raise CheckFailed(Reason.PROTOCOL_ERROR, message)
            if kind != amqp.METHOD and kind not in amqp.OTHER_FRAMES:
                raise amqp.not_amqp()
            body = await self._reader.exactly(size + 1)
            if body[-1] != amqp.END:
                raise amqp.not_amqp()
            if kind == amqp.METHOD:
                return amqp.parse_method(body[:-1])
        raise amqp.not_amqp()


def _refusal(arguments: amqp.Arguments) -> CheckFailed:
    code = arguments.number(2)
    reason = Reason.AUTH_FAILED if code in _NOT_LET_IN else Reason.COMMAND_FAILED
    return CheckFailed(reason, f"the broker says {code} {arguments.short_text()}")
