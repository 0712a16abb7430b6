"""A queue of keys: what client-go's workqueue is, for trio.

Fair (first in, first out), stingy (a key that waits is not queued twice), and
never handing one key to two workers: a key added while it is processed comes
again when that is done, so that no change is missed.
"""

from collections import deque
from collections.abc import Hashable
from heapq import heappop, heappush
from typing import Generic, TypeVar

import trio

from kubekuma.kit.backoff import Backoff

K = TypeVar("K", bound=Hashable)


class WorkQueue(Generic[K]):
    """Keys that wait for work. Used within one trio run; everything but ``take`` is synchronous."""

    def __init__(self, backoff: Backoff | None = None) -> None:
        self._ready: deque[K] = deque()
        self._waiting: set[K] = set()
        self._processing: set[K] = set()
        self._later: list[tuple[float, int, K]] = []
        self._due: dict[K, float] = {}
        self._order = 0
        self._failures: dict[K, int] = {}
        self._backoff = backoff or Backoff(first=0.5, most=60.0, jitter=0.2)
        self._changed = trio.Event()

    def __len__(self) -> int:
        """How many keys wait, those added for later not counted."""
        return len(self._waiting)

    def add(self, key: K) -> None:
        """Have ``key`` processed as soon as there is a worker."""
        self._due.pop(key, None)
        if key in self._waiting:
            return
        self._waiting.add(key)
        if key not in self._processing:
            self._ready.append(key)
            self._wake()

    def add_after(self, key: K, seconds: float) -> None:
        """Have ``key`` processed in ``seconds``, unless it is before that."""
        due = trio.current_time() + seconds
        if key in self._waiting or self._due.get(key, due + 1) <= due:
            return
        self._due[key] = due
        self._order += 1
        heappush(self._later, (due, self._order, key))
        self._wake()

    async def take(self) -> K:
        """The next key; give it back with ``done`` or ``failed``."""
        # Before a key is taken: who is cancelled could not give it back.
        await trio.lowlevel.checkpoint_if_cancelled()
        while True:
            self._promote()
            if self._ready:
                return self._taken()
            next_at = self._later[0][0] if self._later else float("inf")
            with trio.move_on_at(next_at):
                await self._changed.wait()

    async def take_some(self, most: int) -> list[K]:
        """The next key, and those that are ready behind it, ``most`` in all."""
        keys = [await self.take()]
        while self._ready and len(keys) < most:
            keys.append(self._taken())
        return keys

    def done(self, key: K) -> None:
        """``key`` has been dealt with."""
        self._failures.pop(key, None)
        self._release(key)

    def failed(self, key: K, chance: float) -> float:
        """``key`` could not be dealt with: comes again after a delay, which is returned."""
        attempt = self._failures.get(key, 0)
        self._failures[key] = attempt + 1
        self._release(key)
        delay = self._backoff.delay(attempt, chance)
        self.add_after(key, delay)
        return delay

    def _taken(self) -> K:
        key = self._ready.popleft()
        self._waiting.discard(key)
        self._processing.add(key)
        return key

    def _release(self, key: K) -> None:
        self._processing.discard(key)
        if key in self._waiting:
            self._ready.append(key)
            self._wake()

    def _promote(self) -> None:
        now = trio.current_time()
        while self._later and self._later[0][0] <= now:
            due, _, key = heappop(self._later)
            # Entries overtaken by add() or by an earlier time stay in the heap until here.
            if self._due.get(key) == due:
                self.add(key)

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()
