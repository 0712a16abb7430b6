"""When a monitor is due. Slots lie on a grid of 100 ms, so that one wake-up starts many checks."""

import math
from hashlib import blake2b
from struct import unpack
from typing import Final

from kubekuma.model.meta import Key

STEPS_PER_SECOND: Final = 10


def next_slot(key: Key, interval_seconds: int, jitter_percent: int, now: float) -> float:
    """The first slot of ``key`` after ``now``, in seconds of the clock that ``now`` is of.

    A slot is fixed by the key alone, so that restarts do not bunch checks
    together, and a late check skips the slots that it has missed. Jitter
    shifts the slot within the interval; the period is the interval exactly.
    """
    period = interval_seconds * STEPS_PER_SECOND
    offset = _offset(key, period, jitter_percent)
    # Rounding up by a millionth of a step keeps a slot from following itself.
    passed = math.floor((now * STEPS_PER_SECOND - offset) / period + 1e-6 / period)
    return (offset + (passed + 1) * period) / STEPS_PER_SECOND


def next_step(now: float) -> float:
    """The first point of the grid after ``now``."""
    return (math.floor(now * STEPS_PER_SECOND + 1e-6) + 1) / STEPS_PER_SECOND


def _offset(key: Key, period: int, jitter_percent: int) -> int:
    # Of names that differ in a digit, a checksum such as CRC-32 makes lumps: this spreads evenly.
    place, shift = unpack("<II", blake2b(str(key).encode(), digest_size=8).digest())
    return int((place + shift * jitter_percent / 100) / 2**32 * period) % period
