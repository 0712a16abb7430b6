"""Figures of many heartbeats: how they ended, how long they took, a sketch for percentiles. Pure.

The sketch counts latencies by the power of ``_BASE`` that they reach (as DDSketch does), so that
any percentile is off by ``ERROR`` at most, and two of them add up to that of both.
"""

from collections.abc import Iterable, Sequence
from math import ceil, log
from typing import Final

import attrs

from kubekuma.kit.varint import Numbers, write_numbers
from kubekuma.model.result import Outcome

VERSION: Final = 1
ERROR: Final = 0.02

_BASE: Final = (1 + ERROR) / (1 - ERROR)
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
    """The stored form of ``tallies``."""
    out = bytearray((VERSION,))
    write_numbers(out, (len(tallies),))
    for tally in tallies:
        write_numbers(out, (tally.counts.get(outcome, 0) for outcome in _OUTCOMES))
        write_numbers(out, (len(tally.sketch),))
        if tally.least is None or tally.most is None:
            continue
        write_numbers(out, (tally.total, tally.least, tally.most - tally.least))
        before = 0
        for power in sorted(tally.sketch):
            write_numbers(out, (power - before, tally.sketch[power]))
            before = power
    return bytes(out)


def unpacked(stored: bytes) -> list[Tally]:
    """What was packed. Raises TallyError."""
    if not stored or stored[0] != VERSION:
        raise TallyError("figures are damaged, or a newer version's")
    numbers = Numbers(stored[1:])
    try:
        tallies = [_unpacked(numbers) for _ in range(min(numbers.one(), len(stored)))]
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


def _unpacked(numbers: Numbers) -> Tally:
    counts = zip(_OUTCOMES, numbers.many(len(_OUTCOMES)), strict=True)
    tally = Tally({outcome: count for outcome, count in counts if count})
    powers = numbers.one()
    if powers:
        tally.total, tally.least, more = numbers.many(3)
        tally.most = tally.least + more
        pairs, power = iter(numbers.many(2 * powers)), 0
        for step, count in zip(pairs, pairs, strict=True):
            power += step
            if power > _HIGHEST:
                raise TallyError("figures are damaged: nothing takes that long")
            tally.sketch[power] = count
    return tally


def _power(latency: int) -> int:
    return min(1 + ceil(log(latency) / _LOG), _HIGHEST) if latency > 0 else 0


def _middle(power: int) -> int:
    return round(2 * _BASE ** (power - 1) / (_BASE + 1)) if power else 0
