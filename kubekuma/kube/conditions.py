"""Conditions, in the form of metav1.Condition."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from attrs import evolve

from kubekuma.model.meta import Condition

MOST_MESSAGE: Final = 1024


def merged(
    before: Mapping[str, Condition], new: Iterable[Condition], now: datetime
) -> tuple[Condition, ...]:
    """``new`` with the time since which each has its status: kept unless the status changed."""
    return tuple(_since(before.get(each.type), each, now) for each in new)


def _since(before: Condition | None, new: Condition, now: datetime) -> Condition:
    same = before is not None and before.status is new.status
    since = before.last_transition_time if before is not None and same else now
    return evolve(new, last_transition_time=since, message=new.message[:MOST_MESSAGE])
