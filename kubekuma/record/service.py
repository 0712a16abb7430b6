"""Judges results as they come, and has the history written."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final, TypeAlias

import structlog
import trio

from kubekuma.model.meta import Key
from kubekuma.model.monitor import Monitor, Schedule
from kubekuma.model.order import Plan
from kubekuma.model.state import Checked, Overlaid, Reported
from kubekuma.record.judge import speaks_seconds
from kubekuma.record.ledger import Ledger, Recorded
from kubekuma.record.writer import Writer

_log = structlog.get_logger(__name__)

FLUSH_SECONDS: Final = 5.0
# Silence is looked for in small portions, so that ten thousand monitors hold up nobody.
SWEEP_PORTION: Final = 200
SWEEP_PAUSE_SECONDS: Final = 0.1
SWEEP_EVERY_SECONDS: Final = 10.0

Event: TypeAlias = Checked | Reported | Overlaid | Plan
# Asks for another check of a key so many seconds from now. Must not block.
AskRecheck: TypeAlias = Callable[[Key, float], None]
# The seconds that a check may take, from its schedule and the settings.
TimeoutOf: TypeAlias = Callable[[Schedule], float]


async def run_recorder(
    events: trio.MemoryReceiveChannel[Event],
    ledger: Ledger,
    writer: Writer,
    monitors: Mapping[Key, Monitor],
    *,
    ask_recheck: AskRecheck,
    timeout_of: TimeoutOf,
    now: Callable[[], datetime],
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Judge and record every event, until ``events`` ends.

    Ownership: closes ``events``; the ledger and the writer are ours while we run.
    Shutdown: at the end of ``events``, and when cancelled, what was judged is
    still written, for at most ``FLUSH_SECONDS``.
    Failure: the database's errors are the writer's business.
    """

    def judged(event: Checked | Reported) -> Recorded | None:
        monitor = monitors.get(event.key)
        # What is found of a monitor that is gone, or another now, is nobody's any more.
        if monitor is None or monitor.meta.uid != event.uid:
            return None
        timeout = timeout_of(monitor.spec.schedule)
        if isinstance(event, Reported):
            return ledger.reported(event, monitor, timeout)
        if not monitor.spec.enabled:
            return None
        if monitor.meta.generation != event.generation:
            # Says nothing of what is asked now; and while it ran, no other check could.
            ask_recheck(event.key, 0.0)
            return None
        return ledger.checked(event, monitor, timeout)

    def take(event: Event) -> None:
        if isinstance(event, Checked | Reported):
            recorded = judged(event)
        elif isinstance(event, Overlaid):
            # Of one that was never watched, there is nothing to say.
            known = event.key in monitors and event.key in ledger.states
            recorded = ledger.overlaid(event, now()) if known else None
        else:
            recorded = ledger.planned(event, monitors.get(event.key), now())
        if recorded is None:
            return
        writer.add(recorded)
        if recorded.judgement.recheck_seconds is not None:
            ask_recheck(recorded.key, recorded.judgement.recheck_seconds)

    async with events:
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(writer.run)
                nursery.start_soon(_sweep, ledger, writer, monitors, timeout_of, now)
                task_status.started()
                async for event in events:
                    take(event)
                nursery.cancel_scope.cancel()
        finally:
            with trio.move_on_after(FLUSH_SECONDS, shield=True) as farewell:
                await writer.flush()
            if farewell.cancelled_caught:
                _log.error("history was not written to the end", seconds=FLUSH_SECONDS)


async def _sweep(
    ledger: Ledger,
    writer: Writer,
    monitors: Mapping[Key, Monitor],
    timeout_of: TimeoutOf,
    now: Callable[[], datetime],
) -> None:
    """Take note of monitors of which nothing has been heard for too long.

    Our own absence is nobody's silence: after a start, each has its time to be checked again.
    """
    began = now()
    while True:
        await trio.sleep(SWEEP_EVERY_SECONDS)
        keys = tuple(ledger.states)
        for start in range(0, len(keys), SWEEP_PORTION):
            for key in keys[start : start + SWEEP_PORTION]:
                monitor = monitors.get(key)
                schedule = monitor.spec.schedule if monitor else Schedule()
                timeout = timeout_of(schedule)
                if (now() - began).total_seconds() <= speaks_seconds(schedule, timeout):
                    continue
                settled = ledger.settled(key, schedule, now(), timeout)
                if settled is not None:
                    writer.add(settled)
            await trio.sleep(SWEEP_PAUSE_SECONDS)
