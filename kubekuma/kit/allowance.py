"""So many a second for each caller: token buckets that refuse instead of waiting."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

MOST_CALLERS: Final = 10_000


class Allowance:
    """Lets each caller do something ``per_second``, after a rest up to ``burst`` times at once.

    Remembers a bounded number of callers; who was longest away is forgotten.
    """

    def __init__(self, per_second: float, burst: int, most: int = MOST_CALLERS) -> None:
        self._seconds_each = 1 / per_second
        self._burst_seconds = burst * self._seconds_each
        self._most = most
        # The time up to which each caller has spent what it has.
        self._spent_until: OrderedDict[Hashable, float] = OrderedDict()

    def take(self, caller: Hashable, now: float) -> float:
        """Seconds to wait before ``caller`` may come again; 0.0: it may now, and has."""
        floor = now - self._burst_seconds
        spent = max(self._spent_until.pop(caller, floor), floor)
        wait = max(0.0, spent + self._seconds_each - now)
        self._spent_until[caller] = spent if wait else spent + self._seconds_each
        if len(self._spent_until) > self._most:
            self._spent_until.popitem(last=False)
        return wait
