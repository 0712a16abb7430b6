"""Runs the checks that are due, so many at once and none of them twice."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Final, TypeAlias

import attrs
import trio

from kubekuma.model.meta import Key
from kubekuma.model.monitor import Monitor
from kubekuma.model.result import CheckResult
from kubekuma.model.state import Checked

RunCheck: TypeAlias = Callable[[Monitor], Awaitable[CheckResult]]

# Checks at once when the settings say nothing: as many as demand needs, within these bounds.
LEAST_AT_ONCE: Final = 200


@attrs.define(kw_only=True)
class CheckLoad:
    """What the check stage is doing, for metrics. Written by ``run_checks`` alone."""

    begun: int = 0
    in_flight: int = 0
    waiting: int = 0
    skipped: int = 0  # were due while their last check was still going on


def limit_at_once(wanted: int | None, demand: float, descriptors: int) -> int:
    """How many network checks may run at once.

    ``wanted`` is the settings' figure and exact, if there is one; ``demand``
    is the sum of timeout/interval, which is what is needed if everything
    hangs. Never more than half of the file ``descriptors``: API server,
    database and listeners need some too, and what does not fit waits.
    """
    most = max(1, descriptors // 2)
    if wanted is not None:
        return min(wanted, most)
    return min(max(LEAST_AT_ONCE, round(demand * 1.2)), most)


async def run_checks(
    due: trio.MemoryReceiveChannel[tuple[Key, ...]],
    results: trio.MemorySendChannel[Checked],
    monitors: Mapping[Key, Monitor],
    *,
    run_check: RunCheck,
    limiter: trio.CapacityLimiter,
    load: CheckLoad,
    now: Callable[[], datetime],
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Check what is ``due`` and send what was found, until ``due`` ends.

    Ownership: closes both of its channel ends.
    Shutdown: after the end of ``due``, running checks may end; when cancelled,
    what is cut off is recorded as nothing.
    Failure: ``run_check`` always returns a result; whatever it raises ends us.
    """
    under_way: set[Key] = set()

    async def check(key: Key) -> None:
        try:
            load.waiting += 1
            try:
                await limiter.acquire()
            finally:
                load.waiting -= 1
            try:
                # It may have waited for long: as it is now, or not at all.
                monitor = monitors.get(key)
                checked = None if monitor is None else await begin(monitor)
            finally:
                limiter.release()
        finally:
            under_way.discard(key)
        if checked is not None:
            await results.send(checked)

    async def begin(monitor: Monitor) -> Checked:
        load.in_flight += 1
        load.begun += 1
        at = now()
        try:
            result = await run_check(monitor)
        finally:
            load.in_flight -= 1
        meta = monitor.meta
        return Checked(key=meta.key, uid=meta.uid, generation=meta.generation, at=at, result=result)

    async with due, results, trio.open_nursery() as checks:
        task_status.started()
        async for keys in due:
            for key in keys:
                if key in under_way:
                    load.skipped += 1
                elif key in monitors:
                    under_way.add(key)
                    checks.start_soon(check, key)
                    # One after the other: tasks that begin together run in an order that trio
                    # shuffles, and the last of many would be early now and late the next time.
                    await trio.lowlevel.checkpoint()
