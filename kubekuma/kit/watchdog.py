"""Notices, from a thread of its own, that the event loop stands still."""

import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeAlias

import trio

BEAT_SECONDS: Final = 1.0

# Told, in the watchdog's thread, for how many seconds the loop has stood still, and where.
ReportStall: TypeAlias = Callable[[float, str], None]


async def watch_loop(
    report: ReportStall,
    *,
    limit_seconds: float = 10.0,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Report once each time the loop does nothing for ``limit_seconds``, until cancelled."""
    beat = _Beat(limit_seconds, threading.get_ident(), report)
    thread = threading.Thread(target=beat.watch, name="watchdog", daemon=True)
    thread.start()
    try:
        task_status.started()
        while True:
            beat.at = time.monotonic()
            await trio.sleep(min(BEAT_SECONDS, limit_seconds / 4))
    finally:
        beat.over.set()


class _Beat:
    def __init__(self, limit_seconds: float, loop: int, report: ReportStall) -> None:
        self.at = time.monotonic()
        self.over = threading.Event()
        self._limit_seconds = limit_seconds
        self._loop = loop
        self._report = report

    def watch(self) -> None:
        reported_at = 0.0
        while not self.over.wait(min(BEAT_SECONDS, self._limit_seconds / 4)):
            at = self.at
            stands = time.monotonic() - at
            if stands > self._limit_seconds and at != reported_at:
                reported_at = at
                self._report(stands, self._where())

    def _where(self) -> str:
        frame = sys._current_frames().get(self._loop)  # noqa: SLF001 - documented, and has no other name
        return "" if frame is None else "".join(traceback.format_stack(frame, limit=20))


@contextmanager
def hard_exit() -> Iterator[Callable[[float, int], None]]:
    """Hand out a way to make sure of the end: the process exits in so many seconds, come what may.

    A thread that hangs in the kernel, on a disk for instance, would keep it
    for ever. Whoever leaves the block has made it in time.
    """
    timers: list[threading.Timer] = []

    def arm(seconds: float, status: int) -> None:
        timer = threading.Timer(seconds, os._exit, (status,))
        timer.daemon = True
        timer.start()
        timers.append(timer)

    try:
        yield arm
    finally:
        for each in timers:
            each.cancel()
