"""What the scheduler and the recorder are told: who is watched, and when to look again."""

from typing import TypeAlias

import attrs

from kubekuma.model.meta import Key


@attrs.frozen(kw_only=True)
class Enrol:
    """Check ``key`` every ``interval_seconds``. Saying it again with other figures changes them."""

    key: Key
    uid: str
    generation: int
    interval_seconds: int
    jitter_percent: int
    first_after_seconds: float = 0.0  # what is left of the initial delay
    occasion: str = ""  # another one is a reason to check at once, as another generation is


@attrs.frozen(kw_only=True)
class Pause:
    """A person has switched the monitor off: check it no more, keep what is known."""

    key: Key


@attrs.frozen(kw_only=True)
class Drop:
    """The monitor is gone, or never was valid: check it no more."""

    key: Key


@attrs.frozen(kw_only=True)
class Recheck:
    """Check ``key`` again in ``seconds``, instead of at its next slot."""

    key: Key
    seconds: float


@attrs.frozen(kw_only=True)
class CheckNow:
    """Check ``key`` out of turn, without moving its slot."""

    key: Key


Plan: TypeAlias = Enrol | Pause | Drop
Order: TypeAlias = Plan | Recheck | CheckNow
