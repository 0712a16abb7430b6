"""AMQP 0-9-1, as far as a check needs it: methods, and the types of their arguments. Pure."""

import struct
from collections.abc import Mapping
from typing import Final, NamedTuple, TypeAlias

from kubekuma.check.finding import CheckFailed
from kubekuma.model.result import Reason

GREETING: Final = b"AMQP\x00\x00\x09\x01"
METHOD: Final = 1
HEAD_BYTES: Final = 7
END: Final = 0xCE
# Headers of messages, bodies of messages, heartbeats: nothing that is asked for.
OTHER_FRAMES: Final = frozenset({2, 3, 8})

# Class and method.
START, START_OK = (10, 10), (10, 11)
TUNE, TUNE_OK = (10, 30), (10, 31)
OPEN, OPEN_OK = (10, 40), (10, 41)
CLOSE, CLOSE_OK = (10, 50), (10, 51)
BLOCKED, UNBLOCKED = (10, 60), (10, 61)
CHANNEL_OPEN, CHANNEL_OPEN_OK, CHANNEL_CLOSE = (20, 10), (20, 11), (20, 40)
DECLARE, DECLARE_OK = (50, 10), (50, 11)

Table: TypeAlias = Mapping[str, "str | bool | Table"]


class Method(NamedTuple):
    """A method that the broker sends: its class and number, and its arguments as sent."""

    name: tuple[int, int]
    arguments: bytes


def frame(channel: int, name: tuple[int, int], *arguments: bytes) -> bytes:
    """A method in a frame."""
    body = struct.pack(">HH", *name) + b"".join(arguments)
    return struct.pack(">BHI", METHOD, channel, len(body)) + body + bytes([END])


def parse_method(body: bytes) -> Method:
    """Read the body of a frame of a method. Raises CheckFailed."""
    if len(body) < 4:
        raise not_amqp()
    return Method((int.from_bytes(body[:2], "big"), int.from_bytes(body[2:4], "big")), body[4:])


def short_text(text: str) -> bytes:
    """A text of at most 255 bytes. Raises CheckFailed if it has more: it would be another name."""
    encoded = text.encode("utf-8", "replace")
    if len(encoded) > 255:
        raise CheckFailed(Reason.COMMAND_FAILED, f"{text[:40]}… has more than 255 bytes")
    return bytes([len(encoded)]) + encoded


def long_text(data: bytes) -> bytes:
    """Bytes, with their length."""
    return struct.pack(">I", len(data)) + data


def table(fields: Table) -> bytes:
    """Texts, truths and tables by name."""
    return long_text(b"".join(short_text(name) + _value(each) for name, each in fields.items()))


class Arguments:
    """The arguments of a method, read one after the other. Raises CheckFailed at their end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def number(self, size: int) -> int:
        """A whole number of ``size`` bytes."""
        return int.from_bytes(self._take(size), "big")

    def short_text(self) -> str:
        """A text of at most 255 bytes."""
        return self._take(self.number(1)).decode("utf-8", "replace")

    def long_text(self) -> bytes:
        """Bytes, or a table that nobody looks into."""
        return self._take(self.number(4))

    def _take(self, size: int) -> bytes:
        taken = self._data[self._at : self._at + size]
        if len(taken) < size:
            raise not_amqp()
        self._at += size
        return taken


def not_amqp() -> CheckFailed:
    """Say that it is another protocol."""
    return CheckFailed(Reason.PROTOCOL_ERROR, "the answer is not AMQP 0-9-1")


def _value(value: "str | bool | Table") -> bytes:
    match value:
        case bool():
            return b"t" + bytes([value])
        case str():
            return b"S" + long_text(value.encode("utf-8", "replace"))
        case _:
            return b"F" + table(value)
