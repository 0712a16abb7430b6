"""Packets of MySQL's and MariaDB's client/server protocol, over a wire."""

from typing import Final

from kubekuma.check.finding import CheckFailed
from kubekuma.check.reader import Reader
from kubekuma.check.wire import Wire
from kubekuma.model.result import Reason

MOST_BYTES: Final = 1024 * 1024
MOST_PACKETS: Final = 10_000

OK, MORE, NULL, SWITCH, ERROR = 0x00, 0x01, 0xFB, 0xFE, 0xFF
_NO_SUCH_DATABASE: Final = 1049
_NOT_LET_IN: Final = frozenset(
    {
        1044,  # not to this database
        1045,  # a wrong password
        1129,  # this host has failed too often
        1130,  # not from this host
        1142,  # not this table
        1251,  # not by this way to log in
        1698,  # a wrong way to log in
        1820,  # the password must be changed
        1862,  # the password has expired
        3118,  # the account is locked
        3159,  # not without TLS
        4151,  # the account is locked (MariaDB)
    }
)


class MysqlWire:
    """A connection to a server. What the server reports as an error is raised."""

    def __init__(self, wire: Wire, number: int = 0) -> None:
        self._wire = wire
        self._reader = Reader(wire, most=MOST_BYTES)
        self._packets = 0
        # Of the next packet, whoever sends it; each command begins with 0.
        self.number = number

    async def send(self, body: bytes) -> None:
        """Send a packet."""
        head = len(body).to_bytes(3, "little") + bytes([self.number])
        self.number = (self.number + 1) % 256
        await self._wire.send(head + body)

    async def command(self, kind: int, text: str) -> None:
        """Give a command."""
        self.number = 0
        await self.send(bytes([kind]) + text.encode("utf-8", "replace"))

    async def receive(self) -> bytes:
        """Receive a packet; there is always something in it."""
        head = await self._reader.exactly(4)
        size = int.from_bytes(head[:3], "little")
        self._packets += 1
        if not size or self._packets > MOST_PACKETS:
            raise no_mysql()
        body = await self._reader.exactly(size)
        if body[0] == ERROR:  # which some send out of turn
            raise _failure(body)
        if head[3] != self.number:
            raise no_mysql()
        self.number = (self.number + 1) % 256
        return body

    @property
    def idle(self) -> bool:
        """Whether nothing more has been received."""
        return not self._reader.waiting


class Fields:
    """Reads the parts of a packet, one after the other. ValueError: there are not so many."""

    def __init__(self, body: bytes, at: int = 0) -> None:
        self._body = body
        self._at = at

    def __bool__(self) -> bool:
        return self._at < len(self._body)

    def take(self, size: int) -> bytes:
        """Read ``size`` bytes."""
        taken = self._body[self._at : self._at + size]
        if len(taken) < size:
            raise ValueError("a packet ends too soon")
        self._at += size
        return taken

    def number(self, size: int) -> int:
        """Read an integer of ``size`` bytes."""
        return int.from_bytes(self.take(size), "little")

    def zero_ended(self) -> bytes:
        """Read up to a zero, or to the end."""
        taken, _, _ = self._body[self._at :].partition(b"\0")
        self._at += len(taken) + 1
        return taken

    def length(self) -> int | None:
        """Read an integer of as many bytes as its first one says; None: it is NULL."""
        first = self.number(1)
        if first < NULL:
            return first
        if first == NULL:
            return None
        if first == ERROR:
            raise ValueError("an integer begins with 255")
        return self.number({0xFC: 2, 0xFD: 3, 0xFE: 8}[first])

    def value(self) -> str:
        """Read a value of a row; NULL is empty."""
        size = self.length()
        return self.take(size).decode("utf-8", "replace") if size else ""


def no_mysql() -> CheckFailed:
    """Say that the server does not speak the protocol."""
    return CheckFailed(Reason.PROTOCOL_ERROR, "the answer is not MySQL's")


def _failure(body: bytes) -> CheckFailed:
    code, said = int.from_bytes(body[1:3], "little"), body[3:]
    if said[:1] == b"#":  # and a state of five letters, which says less than the code
        said = said[6:]
    words = said.decode("utf-8", "replace")[:200] or "nothing more"
    if code == _NO_SUCH_DATABASE:
        return CheckFailed(Reason.COMMAND_FAILED, f"there is no such database: {words}")
    reason = Reason.AUTH_FAILED if code in _NOT_LET_IN else Reason.COMMAND_FAILED
    return CheckFailed(reason, f"the server says {words} ({code})")
