"""Whole numbers in as few bytes as they need: seven bits in each, the lowest first (LEB128)."""

from collections.abc import Iterable
from typing import Final

# 64 bits and their sign: whatever says to be longer is damaged.
_MOST_BITS: Final = 70


def write_numbers(out: bytearray, numbers: Iterable[int]) -> None:
    """Append ``numbers``, none of which is negative."""
    append = out.append
    for number in numbers:
        left = number
        while left > 0x7F:
            append(left & 0x7F | 0x80)
            left >>= 7
        append(left)


def write_text(out: bytearray, text: str) -> None:
    """Append ``text``, with its length before it."""
    encoded = text.encode("utf-8", "surrogatepass")
    write_numbers(out, (len(encoded),))
    out += encoded


def folded(number: int) -> int:
    """``number``, which may be negative, as one that is not: small ones stay small ("zigzag")."""
    return number << 1 if number >= 0 else (-number << 1) - 1


def unfolded(number: int) -> int:
    """What was ``folded``."""
    return number >> 1 if not number & 1 else -((number + 1) >> 1)


class Numbers:
    """Reads what was written, in order. Raises ValueError where it ends too early or is wrong."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        """How many bytes there are still."""
        return len(self._data) - self._at

    def one(self) -> int:
        """The next number."""
        return self.many(1)[0]

    def many(self, count: int) -> list[int]:
        """The next ``count`` numbers."""
        if count > self.left:
            raise ValueError("it ends too early")
        data, at, found = self._data, self._at, []
        try:
            for _ in range(count):
                byte = data[at]
                at += 1
                number = byte & 0x7F
                shift = 7
                while byte > 0x7F:
                    if shift >= _MOST_BITS:
                        raise ValueError("a number is too long")
                    byte = data[at]
                    at += 1
                    number |= (byte & 0x7F) << shift
                    shift += 7
                found.append(number)
        except IndexError:
            raise ValueError("it ends too early") from None
        self._at = at
        return found

    def text(self) -> str:
        """The next text."""
        length = self.one()
        if length > self.left:
            raise ValueError("it ends too early")
        start, self._at = self._at, self._at + length
        return self._data[start : self._at].decode("utf-8", "surrogatepass")
