"""UDP: a question that is asked until it is answered, as datagrams may be lost."""

from collections.abc import Callable
from typing import Final, TypeVar

import trio

from kubekuma.check.connect import where
from kubekuma.check.context import Check
from kubekuma.check.dial import allowed
from kubekuma.check.errors import os_failure, os_reason, words
from kubekuma.check.finding import CheckFailed
from kubekuma.check.resolve import resolve
from kubekuma.check.trace import Phase
from kubekuma.kit.url import parse_host
from kubekuma.model.result import Reason
from kubekuma.model.target import IpFamily

# When nothing has come for so long the question is sent again, then after twice as long, …
RETRY_SECONDS: Final = 1.0
MOST_RETRY_SECONDS: Final = 8.0
MOST_BYTES: Final = 65536
_IP_RECVERR: Final = 11
_IPV6_RECVERR: Final = 25

T = TypeVar("T")


class Datagrams:
    """A socket that hears one address only."""

    def __init__(self, sock: trio.socket.SocketType) -> None:
        self._sock = sock

    async def ask(self, question: bytes, accept: Callable[[bytes], T | None]) -> T:
        """Send ``question`` until a datagram comes of which ``accept`` makes something.

        Others are nobody's answer, late or forged. That the port is closed, the target's kernel
        tells; that nothing ever comes, the caller's deadline.
        """
        seconds = RETRY_SECONDS
        while True:
            await self.send(question)
            with trio.move_on_after(seconds):
                return await self.receive(accept)
            seconds = min(2 * seconds, MOST_RETRY_SECONDS)

    async def send(self, data: bytes) -> None:
        """Send one datagram."""
        try:
            await self._sock.send(data)
        except OSError as error:
            raise os_failure(error, "sending") from error

    async def receive(self, accept: Callable[[bytes], T | None]) -> T:
        """Wait for a datagram of which ``accept`` makes something."""
        while True:
            try:
                data = await self._sock.recv(MOST_BYTES)
            except OSError as error:
                raise os_failure(error, "receiving") from error
            if (accepted := accept(data)) is not None:
                return accepted

    def close(self) -> None:
        """Close at once."""
        self._sock.close()


async def open_datagrams(
    host: str, port: int, check: Check, family: IpFamily = IpFamily.AUTO, *, trusted: bool = False
) -> Datagrams:
    """Open a socket to ``host``, to the first of its addresses that there is a way to.

    ``trusted``: the address is of our own settings, for which rules for targets do not hold. The
    caller closes what it gets.
    """
    addresses = await resolve(parse_host(host), family, check)
    may = addresses if trusted else allowed(addresses, check)
    failures: list[CheckFailed] = []
    for address in may:
        check.trace.peer = where(address, port)
        version = trio.socket.AF_INET6 if ":" in address else trio.socket.AF_INET
        try:
            sock = trio.socket.socket(version, trio.socket.SOCK_DGRAM)
        except OSError as error:
            raise os_failure(error, "opening a socket") from error
        try:
            hear_errors(sock)
            await sock.connect((address, port))
        except OSError as error:
            sock.close()
            doing = f"{words(error)} while turning to {where(address, port)}"
            failures.append(CheckFailed(os_reason(error, address), doing))
        except BaseException:
            sock.close()
            raise
        else:
            check.trace.enter(Phase.FIRST_BYTE, f"waiting for an answer of {where(address, port)}")
            return Datagrams(sock)
    ours = [each for each in failures if each.finding.reason is not Reason.NO_ROUTE]
    raise (ours or failures)[0]


def hear_errors(sock: trio.socket.SocketType) -> None:
    """Be told that a host cannot be reached; by default it is only that a port is closed."""
    if sock.family == trio.socket.AF_INET6:
        sock.setsockopt(trio.socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
    else:
        sock.setsockopt(trio.socket.IPPROTO_IP, _IP_RECVERR, 1)
