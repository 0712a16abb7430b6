"""Writes status: changes at once, figures now and then, and never faster than the budget."""

import math
from collections.abc import Awaitable, Callable, Hashable
from heapq import heappop, heappush
from typing import Final, Generic, TypeVar

import structlog
import trio

from kubekuma.kit.contain import contain
from kubekuma.kit.pace import Pace
from kubekuma.kube.errors import KubeError, Refused

_log = structlog.get_logger(__name__)

# One etcd write for each check is what we never do.
WRITES_PER_SECOND: Final = 20.0
BURST: Final = 100
# Figures that nobody waits for leave half of the budget to changes.
REFRESHES_PER_SECOND: Final = 10.0
WRITERS: Final = 4
RETRY_SECONDS: Final = 5.0
# What is refused, for want of a right for instance, is in no hurry.
REFUSED_SECONDS: Final = 60.0

T = TypeVar("T", bound=Hashable)


class Lanes(Generic[T]):
    """What is to be written: urgent items first and in order, others when their time has come."""

    def __init__(self) -> None:
        self.errors = 0  # writes that failed
        self._urgent: dict[T, None] = {}
        self._later: list[tuple[float, int, T]] = []
        self._due: dict[T, float] = {}
        self._order = 0
        self._writing: set[T] = set()
        self._again: set[T] = set()
        self._changed = trio.Event()

    def __len__(self) -> int:
        return len(self._urgent)

    def add(self, item: T) -> None:
        """Have ``item`` written as soon as the budget allows."""
        self._due.pop(item, None)
        if item not in self._urgent:
            self._urgent[item] = None
            self._wake()

    def add_after(self, item: T, seconds: float) -> None:
        """Have ``item`` written in ``seconds``, unless it is written before."""
        if item in self._urgent:
            return
        due = trio.current_time() + seconds
        if self._due.get(item, due + 1) <= due:
            return
        self._due[item] = due
        self._order += 1
        heappush(self._later, (due, self._order, item))
        self._wake()

    def drop(self, item: T) -> None:
        """Do not write ``item``."""
        self._due.pop(item, None)
        self._urgent.pop(item, None)

    async def take_urgent(self) -> T:
        """The next item that is to be written at once."""
        while not self._urgent:
            await self._changed.wait()
        item = next(iter(self._urgent))
        del self._urgent[item]
        return item

    async def take_later(self) -> T:
        """The next item whose time has come."""
        while True:
            while self._later and self._due.get(self._later[0][2]) != self._later[0][0]:
                heappop(self._later)
            next_at = self._later[0][0] if self._later else math.inf
            if next_at <= trio.current_time():
                _, _, item = heappop(self._later)
                del self._due[item]
                return item
            with trio.move_on_at(next_at):
                await self._changed.wait()

    def begin(self, item: T) -> bool:
        """Note that ``item`` is written now, as it is now; False: another writer is at it.

        It comes again when that one has ended: two writes at once could end in either order.
        """
        if item in self._writing:
            self._again.add(item)
            return False
        self._writing.add(item)
        # What was added after it was taken is written along.
        self._urgent.pop(item, None)
        return True

    def end(self, item: T) -> None:
        """Note that ``item`` is no longer being written."""
        self._writing.discard(item)
        if item in self._again:
            self._again.discard(item)
            self.add(item)

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()


async def run_publisher(
    lanes: Lanes[T],
    write: Callable[[T], Awaitable[None]],
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Write what ``lanes`` hold, for ever.

    Ownership: takes from ``lanes``; anybody may add.
    Shutdown: by cancelling; what is not written yet is written after the next start.
    Failure: an item whose write fails comes again, unless its object is gone.
    """
    pace, calm = Pace(WRITES_PER_SECOND, BURST), Pace(REFRESHES_PER_SECOND, BURST)

    async def work_at_once() -> None:
        while True:
            item = await lanes.take_urgent()
            await pace.turn()
            if not await written(item):
                # Still ahead of all figures when the API server is back.
                lanes.add(item)
                await trio.sleep(RETRY_SECONDS)

    async def work_later() -> None:
        while True:
            item = await lanes.take_later()
            await calm.turn()
            await pace.turn()
            if not await written(item):
                lanes.add_after(item, RETRY_SECONDS)

    async def written(item: T) -> bool:
        """Write ``item``; False: the API server is away, as the reflectors have said."""
        if not lanes.begin(item):
            return True
        away = False

        async def attempt() -> None:
            nonlocal away
            try:
                await write(item)
            except KubeError as error:
                lanes.errors += 1
                away = error.retryable
                if isinstance(error, Refused) and not away:
                    refused(item, error)

        try:
            await contain(attempt, failed="status could not be made", item=str(item))
        finally:
            lanes.end(item)
        return not away

    def refused(item: T, error: Refused) -> None:
        # 404: gone. 409: another object has its name. Neither is ours to write any more.
        if error.code not in {404, 409}:
            _log.warning("status was refused", item=str(item), error=str(error))
            lanes.add_after(item, REFUSED_SECONDS)

    async with trio.open_nursery() as writers:
        for _ in range(WRITERS):
            writers.start_soon(work_at_once)
        writers.start_soon(work_later)
        task_status.started()
