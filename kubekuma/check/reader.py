"""Reads what a target says in lines and lengths, over a wire that gives it in any pieces."""

from typing import Final

from kubekuma.check.finding import CheckFailed
from kubekuma.check.wire import Wire
from kubekuma.model.result import Reason

MOST_BYTES: Final = 64 * 1024


class Reader:
    """What has been received and not yet been read. Never keeps more than ``most`` and a chunk."""

    def __init__(self, wire: Wire, most: int = MOST_BYTES) -> None:
        self._wire = wire
        self._most = most
        self._buffer = bytearray()

    @property
    def waiting(self) -> bytes:
        """What has been received beyond what was read."""
        return bytes(self._buffer)

    async def line(self) -> bytes:
        """Read to the end of a line; return that without it."""
        return (await self.until(b"\n"))[:-1].removesuffix(b"\r")

    async def until(self, end: bytes) -> bytes:
        """Read up to and including ``end``."""
        looked = 0
        while (at := self._buffer.find(end, looked)) < 0:
            looked = max(0, len(self._buffer) - len(end) + 1)
            await self._more()
        return self._take(at + len(end))

    async def exactly(self, size: int) -> bytes:
        """Read ``size`` bytes."""
        if size > self._most:
            raise self._too_long()
        while len(self._buffer) < size:
            await self._more()
        return self._take(size)

    async def _more(self) -> None:
        if len(self._buffer) > self._most:
            raise self._too_long()
        data = await self._wire.receive()
        if not data:
            when = "within its answer" if self._buffer else "without an answer"
            raise CheckFailed(Reason.CONNECTION_CLOSED, f"the target hung up {when}")
        self._buffer += data

    def _take(self, size: int) -> bytes:
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def _too_long(self) -> CheckFailed:
        return CheckFailed(Reason.PROTOCOL_ERROR, f"the answer has more than {self._most} bytes")
