"""Ping checker: the host answers ICMP echo requests, or at least TCP where that is allowed."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from typing import Final

import trio

from kubekuma.check.connect import connect, where
from kubekuma.check.context import Check
from kubekuma.check.dial import allowed
from kubekuma.check.expect import Facts
from kubekuma.check.finding import CheckFailed, Finding
from kubekuma.check.icmp import EchoSocket, open_echo
from kubekuma.check.judge import judge_shared, shared_values
from kubekuma.check.resolve import resolve
from kubekuma.check.trace import Phase
from kubekuma.kit.url import parse_host
from kubekuma.model.criteria import PingCriteria, SuccessCriteria
from kubekuma.model.result import Reason
from kubekuma.model.settings import PingMode
from kubekuma.model.target import PingTarget

SPACING_SECONDS: Final = 0.2
# A reply that takes so much longer than the others is lost.
LINGER_ROUND_TRIPS: Final = 4
LEAST_LINGER_SECONDS: Final = 1.0


async def check_ping(
    target: PingTarget, criteria: SuccessCriteria, check: Check
) -> Sequence[Finding]:
    """Send all requests a little apart. The latency is the average round trip.

    Whoever answers none is waited for until the deadline.
    """
    addresses = await resolve(parse_host(target.host), target.ip_family, check)
    address = allowed(addresses, check)[0]
    check.trace.peer = address
    mode = check.context.networking.ping.mode
    wanted = criteria.ping or PingCriteria()
    if mode is PingMode.TCP_ONLY:
        return await _by_tcp(address, criteria, check)
    async with AsyncExitStack() as stack:
        try:
            echo = await open_echo(address)
        except CheckFailed as failed:
            unable = failed.finding.reason is Reason.NO_PERMISSION
            if not unable or mode is not PingMode.TCP_FALLBACK:
                raise
            check.trace.say("%s: asking by TCP instead", failed.finding.message)
            return await _by_tcp(address, criteria, check)
        stack.callback(echo.close)
        if echo.raw:
            await stack.enter_async_context(check.context.privileged)
        check.trace.enter(Phase.FIRST_BYTE, f"waiting for an echo of {address}")
        trips = await _Echoes(echo, target, check).collect()
    return list(_judge(target, wanted, trips, criteria, check))


class _Echoes:
    def __init__(self, echo: EchoSocket, target: PingTarget, check: Check) -> None:
        self._echo = echo
        self._target = target
        self._check = check
        self._sent: dict[int, float] = {}
        self._trips: dict[int, float] = {}
        self._failure: CheckFailed | None = None

    async def collect(self) -> Sequence[float]:
        """Send and receive; return the round trips of those that were answered, in seconds."""
        count = self._target.packet_count
        self._check.trace.at_deadline = Finding(
            Reason.TIMEOUT, f"none of {count} pings to {self._check.trace.peer} was answered"
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._noting, self._receive, nursery.cancel_scope)
            nursery.start_soon(self._noting, self._send, nursery.cancel_scope)
        if self._failure is not None:
            raise self._failure
        self._check.trace.at_deadline = None
        return list(self._trips.values())

    async def _noting(
        self, work: Callable[[trio.CancelScope], Awaitable[None]], over: trio.CancelScope
    ) -> None:
        # What is raised from a nursery comes in a group.
        try:
            await work(over)
        except CheckFailed as failed:
            self._failure = failed
            over.cancel()

    async def _send(self, over: trio.CancelScope) -> None:
        for number in range(self._target.packet_count):
            if number:
                await trio.sleep(SPACING_SECONDS)
            self._sent[number] = trio.current_time()
            await self._echo.send(number, self._target.packet_size)
        self._hurry(over)

    async def _receive(self, over: trio.CancelScope) -> None:
        while len(self._trips) < self._target.packet_count:
            number = await self._echo.receive()
            if number in self._sent and number not in self._trips:
                self._trips[number] = trio.current_time() - self._sent[number]
                self._check.trace.say("echo %s in %.2f ms", number, self._trips[number] * 1000)
                self._hurry(over)

    def _hurry(self, over: trio.CancelScope) -> None:
        """Once all are sent, and some are answered, the rest will not be long."""
        if len(self._sent) == self._target.packet_count and self._trips:
            linger = max(LEAST_LINGER_SECONDS, LINGER_ROUND_TRIPS * max(self._trips.values()))
            over.deadline = min(over.deadline, trio.current_time() + linger)


def _judge(
    target: PingTarget,
    wanted: PingCriteria,
    trips: Sequence[float],
    criteria: SuccessCriteria,
    check: Check,
) -> Iterator[Finding]:
    average = sum(trips) / len(trips)
    check.trace.count(Phase.FIRST_BYTE, average)
    lost = target.packet_count - len(trips)
    percent = 100 * lost / target.packet_count
    if percent > wanted.max_loss_percent:
        message = f"{lost} of {target.packet_count} pings were lost ({percent:.0f} %)"
        yield Finding(Reason.PACKET_LOSS, message)
    if wanted.latency_ms_under is not None and average * 1000 >= wanted.latency_ms_under:
        took = f"the average round trip is {average * 1000:.1f} ms"
        yield Finding(Reason.LATENCY_MISMATCH, f"{took}, not under {wanted.latency_ms_under}")
    output = f"{percent:.0f}"  # the loss in percent
    values = {**shared_values(check.trace, check.context.now()), "output": output}
    facts = Facts(kind="ping", values=values)
    yield from judge_shared(criteria, facts, check.trace.latency, check.show)


async def _by_tcp(address: str, criteria: SuccessCriteria, check: Check) -> Sequence[Finding]:
    """Connect: whoever refuses that is there as well."""
    port = check.context.networking.ping.tcp_fallback_port
    check.trace.enter(Phase.CONNECT, f"connecting to {where(address, port)}")
    check.trace.say("connecting to %s", where(address, port))
    try:
        connection = await connect([address], port)
    except CheckFailed as failed:
        if failed.finding.reason is not Reason.CONNECTION_REFUSED:
            raise
    else:
        connection.sock.close()
    check.trace.finish()
    wanted = criteria.ping or PingCriteria()
    found: list[Finding] = []
    if wanted.latency_ms_under is not None:
        took = check.trace.latency * 1000
        if took >= wanted.latency_ms_under:
            message = f"connecting took {took:.1f} ms, not under {wanted.latency_ms_under}"
            found.append(Finding(Reason.LATENCY_MISMATCH, message))
    values = {**shared_values(check.trace, check.context.now()), "output": "0"}
    facts = Facts(kind="ping", values=values)
    return [*found, *judge_shared(criteria, facts, check.trace.latency, check.show)]
