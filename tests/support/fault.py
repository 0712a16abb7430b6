"""Fault injection for async code."""

from collections.abc import Awaitable, Callable

import trio


class _CancelAtStep(trio.abc.Instrument):
    def __init__(self, task: trio.lowlevel.Task, scope: trio.CancelScope, step: int) -> None:
        self.task, self.scope, self.steps_left = task, scope, step

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if task is self.task:
            self.steps_left -= 1
            if self.steps_left == 0:
                self.scope.cancel()


async def at_every_cancellation(attempt: Callable[[], Awaitable[None]]) -> int:
    """Run ``attempt`` again and again, cancelled one scheduler step later each time.

    Returns how many steps were tried, once a run finishes uncancelled. The attempt makes its own
    assertions, in a ``finally`` block of its own.
    """
    step = 1
    while True:
        with trio.CancelScope() as scope:
            instrument = _CancelAtStep(trio.lowlevel.current_task(), scope, step)
            trio.lowlevel.add_instrument(instrument)
            try:
                await attempt()
            finally:
                trio.lowlevel.remove_instrument(instrument)
        if not scope.cancelled_caught:
            return step
        step += 1
