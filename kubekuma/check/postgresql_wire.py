"""Messages of PostgreSQL's protocol 3.0, over a wire."""

import struct
from typing import Final

from kubekuma.check.finding import CheckFailed
from kubekuma.check.reader import Reader
from kubekuma.check.wire import Wire
from kubekuma.model.result import Reason

MOST_BYTES: Final = 1024 * 1024
MOST_MESSAGES: Final = 10_000

# What comes at any time and says nothing of what was asked: notices, settings, notifications.
_BESIDE: Final = frozenset(b"NSA")
_KNOWN: Final = frozenset(b"RKZEDCI12sGHW") | _BESIDE


class PostgresWire:
    """A connection to a server. What the server reports as an error is raised."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._reader = Reader(wire, most=MOST_BYTES)
        self._messages = 0

    async def send(self, *messages: bytes) -> None:
        """Send them together."""
        await self._wire.send(b"".join(messages))

    async def receive(self) -> tuple[bytes, bytes]:
        """Receive the next message: its kind, and what is in it."""
        while True:
            self._messages += 1
            kind, size = struct.unpack(">ci", await self._reader.exactly(5))
            if kind[0] not in _KNOWN or size < 4 or self._messages > MOST_MESSAGES:
                raise no_postgres()
            body = await self._reader.exactly(size - 4)
            if kind == b"E":
                raise _failure(body)
            if kind[0] not in _BESIDE:
                return kind, body


def message(kind: bytes, *parts: bytes) -> bytes:
    """Make a message; the first one of all has no ``kind``."""
    return kind + struct.pack(">i", sum(map(len, parts)) + 4) + b"".join(parts)


def text(value: str) -> bytes:
    """``value`` as messages hold it."""
    if "\0" in value:
        raise CheckFailed(Reason.COMMAND_FAILED, "what is to be sent holds a NUL character")
    return value.encode("utf-8", "replace") + b"\0"


def no_postgres() -> CheckFailed:
    """Say that the server does not speak the protocol."""
    return CheckFailed(Reason.PROTOCOL_ERROR, "the answer is not PostgreSQL's")


def _failure(body: bytes) -> CheckFailed:
    parts = (each.decode("utf-8", "replace") for each in body.split(b"\0") if each)
    fields = {each[0]: each[1:] for each in parts}
    code, said = fields.get("C", ""), fields.get("M", "nothing more")[:200]
    if code == "3D000":
        return CheckFailed(Reason.COMMAND_FAILED, f"there is no such database: {said}")
    # Class 28: invalid authorization. 42501: insufficient privilege, here to connect or to read.
    denied = code.startswith("28") or code == "42501"
    reason = Reason.AUTH_FAILED if denied else Reason.COMMAND_FAILED
    return CheckFailed(reason, f"the server says {said} ({code})")
