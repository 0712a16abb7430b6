"""A wire as libraries see it, from their threads."""

from collections.abc import Callable
from typing import TypeVar

import pytest
import trio

from kubekuma.check.blocking import MOST_BYTES, BlockingWire
from kubekuma.check.finding import CheckFailed
from kubekuma.model.result import Reason

T = TypeVar("T")


def raise_lost() -> None:
    raise KeyError("lost")


class Scripted:
    """A wire that gives these parts, and then for ever the last."""

    alpn: str | None = None

    def __init__(self, *parts: bytes) -> None:
        self._parts = list(parts)
        self.sent = b""

    async def send(self, data: bytes) -> None:
        await trio.lowlevel.checkpoint()
        self.sent += data

    async def receive(self) -> bytes:
        await trio.lowlevel.checkpoint()
        return self._parts.pop(0) if len(self._parts) > 1 else self._parts[0]

    def received(self) -> bytes:
        return b""

    async def flush(self) -> None:
        await trio.lowlevel.checkpoint()

    def close(self) -> None: ...


async def call(sock: BlockingWire, what: Callable[[], T]) -> T:
    return await trio.to_thread.run_sync(sock.calling, what, abandon_on_cancel=True)


async def test_it_sends_and_receives_like_a_socket() -> None:
    wire = Scripted(b"hello", b"world", b"")
    sock = BlockingWire(wire)
    await call(sock, lambda: sock.sendall(bytearray(b"hi")))
    assert wire.sent == b"hi"
    assert await call(sock, lambda: sock.recv(2)) == b"he"
    buffer = bytearray(8)
    assert await call(sock, lambda: sock.recv_into(buffer, 2)) == 2
    assert await call(sock, lambda: sock.recv_into(memoryview(buffer)[2:])) == 1
    assert buffer == b"llo" + bytes(5)
    assert await call(sock, lambda: sock.recv_into(bytearray())) == 0
    assert await call(sock, lambda: sock.recv(100)) == b"world"
    with pytest.raises(CheckFailed, match="hung up"):
        await call(sock, lambda: sock.recv(1))


async def test_it_does_not_take_all_that_it_is_sent() -> None:
    sock = BlockingWire(Scripted(bytes(65536)))
    received = 0

    def read() -> None:
        nonlocal received
        while True:
            received += len(sock.recv(65536))

    with pytest.raises(CheckFailed, match=f"more than {MOST_BYTES} bytes"):
        await call(sock, read)
    assert received == MOST_BYTES


async def test_what_failed_is_told_whatever_the_library_makes_of_it() -> None:
    sock = BlockingWire(Scripted(b""))

    def read() -> None:
        try:
            sock.recv(1)
        except CheckFailed:
            raise KeyError("lost") from None

    with pytest.raises(CheckFailed) as failed:
        await call(sock, read)
    assert failed.value.finding.reason is Reason.CONNECTION_CLOSED


async def test_a_library_may_only_hang_up_over_an_error() -> None:
    sock = BlockingWire(Scripted(b""))

    def fail() -> None:
        try:
            raise_lost()
        except KeyError:
            sock.close()
            raise

    with pytest.raises(KeyError):
        await call(sock, fail)
    with pytest.raises(CheckFailed, match="leads to another server"):
        await call(sock, sock.close)
