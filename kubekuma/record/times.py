"""Windows of time, and how the database stores times: whole numbers, which sort alike."""

from datetime import UTC, datetime, timedelta
from typing import overload

import attrs

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


@attrs.frozen(kw_only=True)
class Window:
    """The half-open span ``since <= t < until``."""

    since: datetime
    until: datetime


def epoch_ms(instant: datetime) -> int:
    """Milliseconds since 1970, cut."""
    return (instant - _EPOCH) // _MILLISECOND


def from_epoch_ms(stored: int) -> datetime:
    """The instant that is stored as ``stored``."""
    return _EPOCH + stored * _MILLISECOND


def whole_ms(instant: datetime) -> datetime:
    """``instant`` as it comes back from the database."""
    return from_epoch_ms(epoch_ms(instant))


@overload
def microseconds(seconds: float) -> int: ...
@overload
def microseconds(seconds: None) -> None: ...
def microseconds(seconds: float | None) -> int | None:
    """A length as it is stored."""
    return None if seconds is None else round(seconds * 1_000_000)


def from_microseconds(stored: int | None) -> float | None:
    """The length in seconds that is stored as ``stored``."""
    return None if stored is None else stored / 1_000_000
