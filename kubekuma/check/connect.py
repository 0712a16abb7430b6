"""Connects to one of several addresses, each tried a little after the one before (RFC 8305)."""

import errno
from collections.abc import Sequence
from typing import Final

import attrs
import trio

from kubekuma.check.errors import os_reason, words
from kubekuma.check.finding import CheckFailed, Finding
from kubekuma.model.result import Reason

# How long an address may take before the next one is tried beside it (RFC 8305, section 5).
HEAD_START_SECONDS: Final = 0.25


@attrs.frozen
class Connection:
    """A socket, and the address that it is connected to."""

    sock: trio.socket.SocketType
    address: str


async def connect(addresses: Sequence[str], port: int) -> Connection:
    """Connect to whichever of ``addresses`` answers first, in their order."""
    attempts = [_Attempt(address, port) for address in addresses]
    if len(attempts) == 1:
        await attempts[0].run()
    else:
        await _race(attempts)
    winner = next((each.connection for each in attempts if each.connection), None)
    if winner is None:
        raise _failure([each.finding for each in attempts if each.finding])
    return winner


def where(address: str, port: int) -> str:
    """An address and a port, as people write them."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


class _Attempt:
    """One try to connect to one address: ends with a connection or a finding."""

    def __init__(self, address: str, port: int) -> None:
        self.address = address
        self.port = port
        self.connection: Connection | None = None
        self.finding: Finding | None = None

    async def run(self) -> None:
        """Connect, or note why that is not possible."""
        try:
            self.connection = await _connect(self.address, self.port)
        except OSError as error:
            doing = f"connecting to {where(self.address, self.port)}"
            self.finding = Finding(os_reason(error, self.address), f"{words(error)} while {doing}")


async def _connect(address: str, port: int) -> Connection:
    family = trio.socket.AF_INET6 if ":" in address else trio.socket.AF_INET
    sock = trio.socket.socket(family, trio.socket.SOCK_STREAM)
    try:
        # TLS sends its last handshake message and the request back to back.
        sock.setsockopt(trio.socket.IPPROTO_TCP, trio.socket.TCP_NODELAY, 1)
        await sock.connect((address, port))
        refuse_oneself(sock)
        return Connection(sock, str(sock.getpeername()[0]))
    except BaseException:
        sock.close()
        raise


def refuse_oneself(sock: trio.socket.SocketType) -> None:
    """Raise ConnectionRefusedError if ``sock`` is connected to itself.

    A port of this machine that nobody listens on may be the very one that the kernel has just
    lent us: by TCP's simultaneous open the socket then answers itself.
    """
    if sock.getsockname() == sock.getpeername():
        raise ConnectionRefusedError(errno.ECONNREFUSED, "connected to itself")


async def _race(attempts: Sequence[_Attempt]) -> None:
    """Run ``attempts``, each a little after the one before, until one is connected."""

    async def run(attempt: _Attempt, over: trio.CancelScope, failed: trio.Event) -> None:
        await attempt.run()
        if attempt.connection:
            over.cancel()
        failed.set()

    try:
        async with trio.open_nursery() as nursery:
            for attempt in attempts:
                failed = trio.Event()
                nursery.start_soon(run, attempt, nursery.cancel_scope, failed)
                with trio.move_on_after(HEAD_START_SECONDS):
                    await failed.wait()
    except BaseException:
        _close_all_but(None, attempts)
        raise
    _close_all_but(next((each for each in attempts if each.connection), None), attempts)


def _close_all_but(kept: _Attempt | None, attempts: Sequence[_Attempt]) -> None:
    for attempt in attempts:
        if attempt.connection and attempt is not kept:
            attempt.connection.sock.close()
            attempt.connection = None


def _failure(findings: Sequence[Finding]) -> CheckFailed:
    """The finding that says most, with a word on the others.

    Lack of descriptors or memory means that we do not know; lack of a route for one family means
    nothing as long as the other could be tried.
    """
    order = {Reason.NO_DESCRIPTORS: 0, Reason.NO_MEMORY: 0, Reason.NO_ROUTE: 2}
    first = min(findings, key=lambda each: order.get(each.reason, 1))
    others = len(findings) - 1
    more = f" (and {others} more failed)" if others else ""
    return CheckFailed(first.reason, first.message + more)
