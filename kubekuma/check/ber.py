"""BER, as far as LDAP and SNMP need it: definite lengths, tags of one byte (X.690). Pure."""

from collections.abc import Iterator
from typing import Final, NamedTuple

INTEGER: Final = 0x02
OCTETS: Final = 0x04
NULL: Final = 0x05
OBJECT_ID: Final = 0x06
ENUMERATED: Final = 0x0A
BOOLEAN: Final = 0x01
SEQUENCE: Final = 0x30


class Element(NamedTuple):
    """One value: its tag, and its contents."""

    tag: int
    body: bytes


def encode(tag: int, *parts: bytes) -> bytes:
    """One value with ``parts``, one after the other, as its contents."""
    body = b"".join(parts)
    if len(body) < 0x80:
        return bytes([tag, len(body)]) + body
    size = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(size)]) + size + body


def integer(value: int, tag: int = INTEGER) -> bytes:
    """A whole number, in two's complement."""
    return encode(tag, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def as_integer(body: bytes) -> int:
    """Read the contents of a whole number."""
    return int.from_bytes(body, "big", signed=True)


def object_id(dotted: str) -> bytes:
    """An object identifier, such as 1.3.6.1. Raises ValueError."""
    first, second, *rest = (int(each) for each in dotted.strip(".").split("."))
    if first > 2 or (first < 2 and second > 39):
        raise ValueError("an object identifier begins with 0 or 1 and up to 39, or with 2")
    return encode(OBJECT_ID, *map(_base128, [first * 40 + second, *rest]))


def as_object_id(body: bytes) -> str:
    """Read the contents of an object identifier."""
    numbers: list[int] = []
    value = 0
    for byte in body:
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            numbers.append(value)
            value = 0
    if not numbers:
        return ""
    first = min(numbers[0] // 40, 2)
    return ".".join(map(str, [first, numbers[0] - first * 40, *numbers[1:]]))


def elements(data: bytes) -> Iterator[Element]:
    """Read values that lie one after the other. Raises ValueError for what is no BER."""
    at = 0
    while at < len(data):
        size, start = length(data, at + 1)
        if start + size > len(data):
            raise ValueError("a value is longer than what holds it")
        yield Element(data[at], data[start : start + size])
        at = start + size


def length(data: bytes, at: int) -> tuple[int, int]:
    """Read a length; return that, and where the contents begin. Raises ValueError."""
    first = data[at] if at < len(data) else 0xFF
    if first < 0x80:
        return first, at + 1
    digits = first & 0x7F
    if not 1 <= digits <= 4 or at + 1 + digits > len(data):
        raise ValueError("a length is no length")
    return int.from_bytes(data[at + 1 : at + 1 + digits], "big"), at + 1 + digits


def _base128(value: int) -> bytes:
    digits = [value & 0x7F]
    while value := value >> 7:
        digits.append(value & 0x7F | 0x80)
    return bytes(reversed(digits))
