"""One hour of heartbeats in a few bytes each: a codec. Pure.

A block is a version, a checksum and a deflated stream of columns of varints. What stays the same
from one heartbeat to the next costs next to nothing there, so that a heartbeat takes what its time
and latency are uncertain by. Phases and messages make a second block, which may be dropped sooner.
"""

import zlib
from collections.abc import Sequence
from itertools import accumulate, chain, pairwise
from typing import Final, NamedTuple, TypeAlias

from kubekuma.kit.varint import Numbers, folded, unfolded, write_numbers, write_text

VERSION: Final = 1
HOUR_MS: Final = 3_600_000
# Far more than an hour of checks each second, with a message each, comes to.
MOST_BYTES: Final = 1 << 26
_CHECKSUM_BYTES: Final = 4

# Words that occur in most blocks and need not be spelt out there. It belongs to the version: never
# change it.
_WORDS: Final = (
    b"MembersDown ReportOverdue SetDown ExpectationFailed KeywordMissing JsonMismatch AuthFailed"
    b" NotChecked NoRoute NoResolver DnsServfail DnsNxdomain DnsFailure HostUnreachable"
    b" TlsExpired TlsUntrusted TlsFailed ProtocolError ConnectionClosed ConnectionReset"
    b" connect timed out after 10 s\x07unknown\x08degraded\x04Slow"
    b"\x06failed\x0eStatusMismatch expected 200-299, got 503\x06failed\x11ConnectionRefused"
    b"\x06failed\x07Timeout\x06passed\x06Passed\x00"
)


class Beat(NamedTuple):
    """A heartbeat as it is stored: times in ms since 1970, lengths in µs."""

    at: int
    outcome: str
    reason: str
    message: str
    latency: int
    dns: int | None
    connect: int | None
    tls: int | None
    first_byte: int | None
    transfer: int | None
    status_code: int | None
    attempt: int


_Kind: TypeAlias = tuple[str, str, int | None]
_NO_PHASES: Final = (None,) * 5


class BlockError(ValueError):
    """A block is damaged, or of a version that we do not know."""


class Sealed(NamedTuple):
    """The blocks of an hour; ``details`` is empty where there are neither phases nor messages."""

    beats: bytes
    details: bytes


def hour_of(at: int) -> int:
    """The beginning of the hour that ``at`` is in, both in ms."""
    return at - at % HOUR_MS


def seal(hour: int, beats: Sequence[Beat]) -> Sealed:
    """The blocks of ``beats``: those of the hour that begins at ``hour``, by time, one at least.

    Latencies stay as they are; phases are rounded to whole milliseconds.
    """
    return Sealed(_closed(_beats_columns(hour, beats)), _details(beats))


def unseal(hour: int, beats: bytes, details: bytes | None = None) -> list[Beat]:
    """What was sealed; without ``details``, neither phases nor messages. Raises BlockError."""
    try:
        found = _read_beats(hour, _opened(beats))
        return _with_details(found, _opened(details)) if details else found
    except BlockError:
        raise
    except (ValueError, IndexError) as error:
        raise BlockError(f"a block of heartbeats is damaged: {error}") from error


def _beats_columns(hour: int, beats: Sequence[Beat]) -> bytearray:
    times = [beat.at - hour for beat in beats]
    steps = [later - earlier for earlier, later in pairwise(times)]
    changes = [later - earlier for earlier, later in pairwise([0, *steps])]
    kinds: dict[_Kind, int] = {}
    of_each = [
        kinds.setdefault((beat.outcome, beat.reason, beat.status_code), len(kinds))
        for beat in beats
    ]
    least = min(beat.latency for beat in beats)
    out = bytearray()
    write_numbers(out, (len(beats), len(kinds)))
    for outcome, reason, code in kinds:
        write_text(out, outcome)
        write_text(out, reason)
        write_numbers(out, (0 if code is None else folded(code) + 1,))
    write_numbers(out, of_each)
    write_numbers(out, (max(0, beat.attempt) for beat in beats))
    write_numbers(out, map(folded, (times[0], *changes)))
    write_numbers(out, chain((folded(least),), (beat.latency - least for beat in beats)))
    return out


def _read_beats(hour: int, data: bytes) -> list[Beat]:
    numbers = Numbers(data)
    count, distinct = numbers.many(2)
    kinds: list[_Kind] = []
    for _ in range(distinct):
        outcome, reason, code = numbers.text(), numbers.text(), numbers.one()
        kinds.append((outcome, reason, unfolded(code - 1) if code else None))
    of_each, attempts = numbers.many(count), numbers.many(count)
    first, *changes = map(unfolded, numbers.many(count))
    times = accumulate(chain((hour + first,), accumulate(changes)))
    least = unfolded(numbers.one())
    beats = []
    for at, kind, attempt, more in zip(times, of_each, attempts, numbers.many(count), strict=True):
        outcome, reason, code_ = kinds[kind]
        beats.append(Beat(at, outcome, reason, "", least + more, *_NO_PHASES, code_, attempt))
    _nothing_left(numbers)
    return beats


def _details(beats: Sequence[Beat]) -> bytes:
    messages: dict[str, int] = {"": 0}
    of_each = [messages.setdefault(beat.message, len(messages)) for beat in beats]
    phases = [
        [0 if length is None else max(0, round(length / 1000)) + 1 for length in column]
        for column in zip(*(beat[5:10] for beat in beats), strict=True)
    ]
    if len(messages) == 1 and not any(map(any, phases)):
        return b""
    out = bytearray()
    write_numbers(out, (len(beats), len(messages) - 1))
    for message in list(messages)[1:]:
        write_text(out, message)
    write_numbers(out, of_each)
    for column in phases:
        write_numbers(out, column)
    return _closed(out)


def _with_details(beats: Sequence[Beat], data: bytes) -> list[Beat]:
    numbers = Numbers(data)
    count, distinct = numbers.many(2)
    if count != len(beats):
        raise BlockError("a block of heartbeats is damaged: its details are another hour's")
    messages = ["", *(numbers.text() for _ in range(distinct))]
    of_each = numbers.many(count)
    phases = zip(*(map(_length, numbers.many(count)) for _ in range(5)), strict=True)
    _nothing_left(numbers)
    return [
        beat._replace(
            message=messages[message],
            dns=dns,
            connect=connect,
            tls=tls,
            first_byte=first_byte,
            transfer=transfer,
        )
        for beat, message, (dns, connect, tls, first_byte, transfer) in zip(
            beats, of_each, phases, strict=True
        )
    ]


def _length(stored: int) -> int | None:
    return (stored - 1) * 1000 if stored else None


def _nothing_left(numbers: Numbers) -> None:
    if numbers.left:
        raise BlockError("a block of heartbeats is damaged: more follows than it says")


def _closed(columns: bytearray) -> bytes:
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS, zdict=_WORDS)
    stream = deflate.compress(columns) + deflate.flush()
    return bytes((VERSION,)) + zlib.crc32(stream).to_bytes(_CHECKSUM_BYTES, "big") + stream


def _opened(block: bytes) -> bytes:
    if not block or block[0] != VERSION:
        raise BlockError("a block of heartbeats is damaged, or a newer version's")
    checksum, stream = block[1 : 1 + _CHECKSUM_BYTES], block[1 + _CHECKSUM_BYTES :]
    if checksum != zlib.crc32(stream).to_bytes(_CHECKSUM_BYTES, "big"):
        raise BlockError("a block of heartbeats is damaged: its checksum is wrong")
    inflate = zlib.decompressobj(-zlib.MAX_WBITS, zdict=_WORDS)
    try:
        columns = inflate.decompress(stream, MOST_BYTES)
    except zlib.error as error:
        raise BlockError(f"a block of heartbeats is damaged: {error}") from error
    if not inflate.eof:
        raise BlockError("a block of heartbeats is damaged: it ends too early, or never")
    return columns
