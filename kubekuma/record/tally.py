"""Figures of many heartbeats: how they ended, how long they took, a sketch for percentiles. Pure.

The sketch counts latencies by the power of ``_BASE`` that they reach (as DDSketch does), so that
any percentile is off by ``ERROR`` at most, and two of them add up to that of both.
"""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from math import ceil, log
from typing import Final

import attrs

from kubekuma.kit.varint import Numbers, folded, unfolded, write_numbers
from kubekuma.model.result import Outcome

# What stands first in what is stored. Figures of the form 1, which nothing writes any more, are not
# read either.
PLAIN: Final = 2
DEFLATED: Final = 3
ERROR: Final = 0.02
# Far more than an hour of buckets of a minute comes to.
MOST_BYTES: Final = 1 << 20

_BASE: Final = 51 / 49  # (1 + ERROR) / (1 - ERROR)
_LOG: Final = log(_BASE)
_OUTCOMES: Final = tuple(outcome.value for outcome in Outcome)
# How long it took to fail says nothing of how fast a target is.
_MEASURED: Final = frozenset({Outcome.PASSED.value, Outcome.DEGRADED.value})
# A power that no latency reaches: a century in µs.
_HIGHEST: Final = 1 + ceil(log(3.2e15) / _LOG)


class TallyError(ValueError):
    """What is stored is damaged, or of a version that we do not know."""


@attrs.define
class Tally:
    """What adds up. Latencies are in µs, and those of checks that passed or were degraded."""

    counts: dict[str, int] = attrs.field(factory=dict)  # by outcome
    total: int = 0
    least: int | None = None
    most: int | None = None
    sketch: dict[int, int] = attrs.field(factory=dict)  # from a power to how many are below it

    @property
    def measured(self) -> int:
        """How many latencies there are."""
        return sum(self.sketch.values())

    def add(self, outcome: str, latency: int) -> None:
        """Count one heartbeat."""
        self.counts[outcome] = self.counts.get(outcome, 0) + 1
        if outcome in _MEASURED:
            power = _power(latency)
            self.sketch[power] = self.sketch.get(power, 0) + 1
            self.total += latency
            self._reach(latency, latency)

    def merge(self, other: "Tally") -> None:
        """Count what ``other`` has counted."""
        for outcome, count in other.counts.items():
            self.counts[outcome] = self.counts.get(outcome, 0) + count
        for power, count in other.sketch.items():
            self.sketch[power] = self.sketch.get(power, 0) + count
        self.total += other.total
        if other.least is not None and other.most is not None:
            self._reach(other.least, other.most)

    def percentile(self, share: float) -> int | None:
        """The latency that ``share`` (0 to 1) of them stay within; None if there are none."""
        if self.least is None or self.most is None:
            return None
        rank, passed = share * (self.measured - 1), 0
        for power in sorted(self.sketch):
            passed += self.sketch[power]
            if passed > rank:
                return min(max(_middle(power), self.least), self.most)
        return self.most

    def _reach(self, least: int, most: int) -> None:
        self.least = least if self.least is None else min(self.least, least)
        self.most = most if self.most is None else max(self.most, most)


def packed(tallies: Sequence[Tally]) -> bytes:
    """The stored form of ``tallies``: columns of varints, deflated where that makes them shorter.

    What the sketch tells already is left out: of sums and extremes only what
    it is off by is written.
    """
    out = bytearray()
    write_numbers(out, (len(tallies),))
    for outcome in _OUTCOMES:
        write_numbers(out, (tally.counts.get(outcome, 0) for tally in tallies))
    sketches = [(tally, min(tally.sketch), max(tally.sketch)) for tally in tallies if tally.sketch]
    lowest = min((first for _, first, _ in sketches), default=0)
    write_numbers(out, (lowest,))
    write_numbers(out, (first - lowest for _, first, _ in sketches))
    write_numbers(out, (last - first for _, first, last in sketches))
    for tally, first, last in sketches:
        write_numbers(out, (tally.sketch.get(power, 0) for power in range(first, last + 1)))
    write_numbers(out, (folded(tally.total - _about(tally.sketch)) for tally, *_ in sketches))
    write_numbers(
        out, (folded((tally.least or 0) - _middle(first)) for tally, first, _ in sketches)
    )
    write_numbers(out, (folded((tally.most or 0) - _middle(last)) for tally, _, last in sketches))
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    short = deflate.compress(out) + deflate.flush()
    return bytes((DEFLATED,)) + short if len(short) < len(out) else bytes((PLAIN,)) + out


def unpacked(stored: bytes) -> list[Tally]:
    """What was packed. Raises TallyError."""
    numbers = Numbers(_opened(stored))
    try:
        tallies = _unpacked(numbers)
    except ValueError as error:
        raise TallyError(f"figures are damaged: {error}") from error
    if numbers.left:
        raise TallyError("figures are damaged: more follows than they say")
    return tallies


def tallied(beats: Iterable[tuple[str, int]]) -> Tally:
    """The figures of heartbeats, of each its outcome and latency."""
    tally = Tally()
    for outcome, latency in beats:
        tally.add(outcome, latency)
    return tally


def _opened(stored: bytes) -> bytes:
    if not stored or stored[0] not in {PLAIN, DEFLATED}:
        raise TallyError("figures are damaged, or another version's")
    if stored[0] == PLAIN:
        return stored[1:]
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        columns = inflate.decompress(stored[1:], MOST_BYTES)
    except zlib.error as error:
        raise TallyError(f"figures are damaged: {error}") from error
    if not inflate.eof:
        raise TallyError("figures are damaged: they end too early, or never")
    if inflate.unused_data:
        raise TallyError("figures are damaged: more follows than they say")
    return columns


def _unpacked(numbers: Numbers) -> list[Tally]:
    count = numbers.one()
    columns = [numbers.many(count) for _ in _OUTCOMES]
    tallies = [
        Tally({outcome: many for outcome, many in zip(_OUTCOMES, each, strict=True) if many})
        for each in zip(*columns, strict=True)
    ]
    measured = [tally for tally in tallies if _MEASURED & tally.counts.keys()]
    lowest = numbers.one()
    firsts = [lowest + more for more in numbers.many(len(measured))]
    spreads = numbers.many(len(measured))
    for tally, first, spread in zip(measured, firsts, spreads, strict=True):
        if first + spread > _HIGHEST:
            raise ValueError("nothing takes that long")
        counts = numbers.many(spread + 1)
        tally.sketch = {first + step: many for step, many in enumerate(counts) if many}
        whole = sum(tally.counts.get(outcome, 0) for outcome in _MEASURED)
        if tally.measured != whole or not (counts[0] and counts[-1]):
            raise ValueError("a sketch is of other heartbeats")
    for tally, more in zip(measured, numbers.many(len(measured)), strict=True):
        tally.total = _about(tally.sketch) + unfolded(more)
    for tally, first, more in zip(measured, firsts, numbers.many(len(measured)), strict=True):
        tally.least = _middle(first) + unfolded(more)
    for tally, more in zip(measured, numbers.many(len(measured)), strict=True):
        tally.most = _middle(max(tally.sketch)) + unfolded(more)
    return tallies


def _about(sketch: Mapping[int, int]) -> int:
    """What the latencies of ``sketch`` add up to, as far as it tells."""
    return sum(count * _middle(power) for power, count in sketch.items())


def _power(latency: int) -> int:
    return min(1 + ceil(log(latency) / _LOG), _HIGHEST) if latency > 0 else 0


@cache
def _middle(power: int) -> int:
    # In whole numbers: what is stored leans on it, and is read on other machines.
    return 98 * 51 ** (power - 1) // (100 * 49 ** (power - 1)) if power else 0
