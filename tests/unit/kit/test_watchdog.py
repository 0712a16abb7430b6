"""A loop that stands still is noticed, and an end that does not come is made."""

import subprocess
import sys
import threading
import time
from functools import partial

import trio

from kubekuma.kit.watchdog import hard_exit, watch_loop

HANGS = """
import time
from kubekuma.kit.watchdog import hard_exit
with hard_exit() as end_within:
    end_within(0.2, 75)
    time.sleep(60)
"""


async def test_l16_a_loop_that_stands_still_is_reported_once_with_the_place() -> None:
    reports: list[tuple[float, str]] = []
    reported = threading.Event()

    def report(seconds: float, where: str) -> None:
        reports.append((seconds, where))
        reported.set()

    async with trio.open_nursery() as nursery:
        await nursery.start(partial(watch_loop, report, limit_seconds=0.2))
        stand_still_until(reported)
        # As long again, but as one standstill.
        await trio.sleep(0.3)
        nursery.cancel_scope.cancel()
    ((seconds, where),) = reports
    assert 0.2 < seconds < 10
    assert "stand_still_until" in where


def stand_still_until(reported: threading.Event) -> None:
    # Nothing else runs on the loop meanwhile: this is the fault.
    assert reported.wait(10)


async def test_a_loop_that_goes_on_is_not_reported() -> None:
    reports: list[float] = []
    async with trio.open_nursery() as nursery:
        await nursery.start(
            partial(watch_loop, lambda seconds, _: reports.append(seconds), limit_seconds=2.0)
        )
        await trio.sleep(0.5)
        nursery.cancel_scope.cancel()
    assert reports == []


def test_an_end_that_does_not_come_is_made() -> None:
    began = time.monotonic()
    assert subprocess.run([sys.executable, "-c", HANGS], check=False).returncode == 75
    assert time.monotonic() - began < 20


def test_whoever_made_it_in_time_is_left_alone() -> None:
    before = threading.active_count()
    with hard_exit() as end_within:
        end_within(60.0, 75)
        end_within(30.0, 75)
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.join(10)
    assert threading.active_count() <= before
