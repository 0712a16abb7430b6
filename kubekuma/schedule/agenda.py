"""Who is due when: a heap of keys, each at one time."""

from heapq import heapify, heappop, heappush
from math import inf
from typing import Final

from kubekuma.model.meta import Key

_WORTH_SWEEPING: Final = 1000


class Agenda:
    """Keys by the time at which they are due. Owned by the scheduler."""

    def __init__(self) -> None:
        self._due: dict[Key, float] = {}
        self._heap: list[tuple[float, Key]] = []

    def __len__(self) -> int:
        return len(self._due)

    def put(self, key: Key, at: float) -> None:
        """Have ``key`` due at ``at``, and at no other time."""
        self._due[key] = at
        heappush(self._heap, (at, key))
        # Entries that were overtaken stay in the heap until they come up, but not without end.
        if len(self._heap) > 2 * len(self._due) + _WORTH_SWEEPING:
            self._heap = [(due, each) for each, due in self._due.items()]
            heapify(self._heap)

    def drop(self, key: Key) -> None:
        """Forget ``key``."""
        self._due.pop(key, None)

    def pop_due(self, now: float) -> list[Key]:
        """Take out what is due at ``now`` or was before, the earliest first."""
        due: list[Key] = []
        while self._heap and self._heap[0][0] <= now:
            at, key = heappop(self._heap)
            if self._due.get(key) == at:
                del self._due[key]
                due.append(key)
        return due

    @property
    def next_at(self) -> float:
        """When the next key is due; infinity: never."""
        while self._heap and self._due.get(self._heap[0][1]) != self._heap[0][0]:
            heappop(self._heap)
        return self._heap[0][0] if self._heap else inf
