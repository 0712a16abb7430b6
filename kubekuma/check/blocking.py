"""A wire in the form in which client libraries take a connection: a socket that blocks."""

import sys
from collections.abc import Callable
from typing import Final, NoReturn, TypeVar

import trio

from kubekuma.check.finding import CheckFailed
from kubekuma.check.wire import Wire
from kubekuma.model.result import Reason

MOST_BYTES: Final = 4 * 1024 * 1024

T = TypeVar("T")


class BlockingWire:
    """A wire for a library's thread. What goes wrong on it is raised as CheckFailed.

    Every word goes through the event loop: so TLS, the reasons of failures and the bound on what
    is received are the wire's, and once that is closed the next word fails.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._token = trio.lowlevel.current_trio_token()
        self._buffer = bytearray()
        self._received = 0
        self._failure: CheckFailed | None = None

    def calling(self, call: Callable[[], T]) -> T:
        """Make ``call`` of the library; what failed here is told, whatever becomes of it there."""
        try:
            return call()
        except Exception as error:
            if self._failure is not None:
                raise self._failure from error
            raise

    # What a socket has.

    def sendall(self, data: bytes | bytearray | memoryview, _flags: int = 0) -> None:
        """Send all of ``data``."""
        try:
            trio.from_thread.run(self._wire.send, bytes(data), trio_token=self._token)
        except CheckFailed as failed:
            self._fail(failed)

    def recv(self, size: int, _flags: int = 0) -> bytes:
        """Receive from 1 to ``size`` bytes."""
        if size and not self._buffer:
            self._buffer += self._receive()
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def recv_into(self, buffer: bytearray | memoryview, size: int = 0, _flags: int = 0) -> int:
        """Receive up to ``size`` bytes into ``buffer``, or as many as it holds."""
        taken = self.recv(min(size or len(buffer), len(buffer)))
        buffer[: len(taken)] = taken
        return len(taken)

    def settimeout(self, _seconds: float | None) -> None:
        """Do nothing: the deadline is the check's."""

    def gettimeout(self) -> float | None:
        """None: it blocks."""
        return None

    def setsockopt(self, *_: object) -> None:
        """Do nothing: it is set already."""

    def close(self) -> None:
        """End the library's call: the connection itself is closed by whoever opened it.

        A library that hangs up although nothing is wrong with the connection has not understood
        what it was told; or it was told to go elsewhere, past the address policy.
        """
        if sys.exc_info()[1] is None:
            why = "the answer makes no sense, or leads to another server"
            self._fail(CheckFailed(Reason.PROTOCOL_ERROR, why))

    def _receive(self) -> bytes:
        try:
            data = trio.from_thread.run(self._wire.receive, trio_token=self._token)
        except CheckFailed as failed:
            self._fail(failed)
        self._received += len(data)
        if not data:
            self._fail(CheckFailed(Reason.CONNECTION_CLOSED, "the target hung up"))
        if self._received > MOST_BYTES:
            why = f"the answer has more than {MOST_BYTES} bytes"
            self._fail(CheckFailed(Reason.PROTOCOL_ERROR, why))
        return data

    def _fail(self, failed: CheckFailed) -> NoReturn:
        self._failure = self._failure or failed
        raise self._failure
