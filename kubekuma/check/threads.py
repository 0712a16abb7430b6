"""Threads for libraries that block: a bounded number, apart from trio's own."""

import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any, Final, TypeVar

import trio

from kubekuma.check.finding import Finding
from kubekuma.check.trace import Trace
from kubekuma.model.result import Reason

THREADS: Final = 20

T = TypeVar("T")


class Threads:
    """The threads that run libraries for all checks.

    A thread cannot be ended from outside. A check that is cancelled goes on without its thread and
    closes the connection, at which the thread's next word fails (``BlockingWire``). One that says
    no more keeps its place here, and nobody else's.
    """

    def __init__(self, most: int = THREADS) -> None:
        self._limiter = trio.CapacityLimiter(most)
        self._awaited = 0

    async def run(self, call: Callable[[], T], trace: Trace) -> T:
        """Run ``call`` in a thread, and leave it behind when cancelled."""
        most = self._limiter.total_tokens
        late = f"all {most} threads for client libraries are busy"
        trace.at_deadline = Finding(Reason.INTERNAL_ERROR, late)

        def begin() -> T:
            trace.at_deadline = None
            return call()

        self._awaited += 1
        try:
            return await trio.to_thread.run_sync(
                begin, abandon_on_cancel=True, limiter=self._limiter
            )
        finally:
            self._awaited -= 1

    async def load(self, name: str, trace: Trace) -> Any:
        """Import the library ``name``: the first time in a thread, as that takes a while."""
        if name not in sys.modules:
            await self.run(partial(import_module, name), trace)
        return import_module(name)

    @property
    def running(self) -> int:
        """How many threads there are."""
        return self._limiter.borrowed_tokens

    @property
    def abandoned(self) -> int:
        """How many of them nobody waits for any more."""
        waiting = self._limiter.statistics().tasks_waiting
        return max(0, self.running - (self._awaited - waiting))
