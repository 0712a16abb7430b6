"""Plans for what holds for a time: maintenance windows and silences. Pure."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from kubekuma.kit.recurrence import parse_rule, starts
from kubekuma.model.maintenance import Window, WindowSchedule, WindowStatus
from kubekuma.model.meta import Key, Truth
from kubekuma.model.reach import Selects, selector
from kubekuma.model.silence import Silence, SilenceStatus
from kubekuma.model.state import Verdict
from kubekuma.reconcile.outcome import Outcome, Said, refused
from kubekuma.reconcile.world import World, count
from kubekuma.validate.seen import all_in_force, in_force

# A little more than a day, in which what is shown changes at least once.
MOST_AGAIN_SECONDS: Final = 90_000.0
# How often a window that may end early looks whether it does.
LOOK: Final = timedelta(seconds=30)
_UP: Final = frozenset({Verdict.UP, Verdict.DEGRADED})


def plan_window(window: Window, world: World, now: datetime) -> Outcome:
    """Plan for planned work: whether it goes on, when it begins next, and for how many."""
    spec, namespace = window.spec, window.meta.key.namespace
    begun, following, change = _occurrences(spec.schedule, now)
    selects = selector(spec.match, namespace, world.home)
    active, early = spec.enabled and begun is not None, None
    if active and begun is not None and spec.end_when_up_minutes is not None:
        early = _early_end(selects, world, begun, timedelta(minutes=spec.end_when_up_minutes))
        active = early is None or now < early
        # Nobody tells when a monitor has been up for long enough.
        change = min([now + LOOK, *filter(None, (change, early if active else None))])
    status = WindowStatus(
        is_active=active,
        next_occurrence=following if spec.enabled else None,
        monitor_count=count(world.monitors, selects),
    )
    missing = [
        f"spec.pages[{index}]: there is no valid StatusPage {name}"
        for index, name in enumerate(spec.pages)
        if in_force(world.pages, Key(namespace, name)) is None
    ]
    reconciled = Said(Truth.TRUE, "Active") if active else _waits(following)
    if early is not None and not active:
        reconciled = Said(Truth.TRUE, "EndedEarly", "all its monitors are up again")
    if missing:
        reconciled = refused("PageMissing", "; ".join(missing))
    if not spec.enabled:
        reconciled = Said(Truth.TRUE, "Disabled", "spec.enabled is false")
    return Outcome(
        reconciled=reconciled,
        status=status,
        holds=selects if active and spec.behavior.suppress_notifications else None,
        again_seconds=_wait(change, now),
    )


def plan_silence(silence: Silence, world: World, now: datetime) -> Outcome:
    """Plan for a silence: whether it holds, for how long still, and for how many monitors."""
    spec, namespace = silence.spec, silence.meta.key.namespace
    begins = spec.starts_at or silence.meta.created_at or now
    active = begins <= now < spec.expires_at
    left = spec.expires_at - now
    selects = selector(spec.match, namespace, world.home)
    status = SilenceStatus(
        is_active=active,
        expires_in=_coarse(left) if left > timedelta(0) else None,
        affected_count=count(world.monitors, selects),
    )
    reconciled = Said(Truth.TRUE, "Active" if active else "Scheduled")
    change: datetime | None = begins if now < begins else spec.expires_at
    if now >= spec.expires_at:
        reconciled, change = Said(Truth.TRUE, "Expired", "it has ended"), None
    elif active:
        # The text of what is left changes before the end does come.
        unit = timedelta(days=1) if left > timedelta(days=1) else timedelta(hours=1)
        change = now + min(left % unit or unit, left)
    return Outcome(
        reconciled=reconciled,
        status=status,
        holds=selects if active else None,
        until_up=begins if spec.end_when_up else None,
        again_seconds=_wait(change, now),
    )


def _waits(following: datetime | None) -> Said:
    if following is None:
        return Said(Truth.TRUE, "Over", "it does not come again")
    return Said(Truth.TRUE, "Scheduled")


def occurrences(schedule: WindowSchedule) -> Iterator[tuple[datetime, datetime]]:
    """Start and end of each occurrence in order, in UTC, those in ``exdates`` left out."""
    rule = parse_rule(schedule.recurrence.rrule) if schedule.recurrence is not None else None
    length = schedule.end - schedule.start
    for start in starts(rule, schedule.start, ZoneInfo(schedule.timezone)):
        if start not in schedule.exdates:
            yield start, start + length


def _occurrences(
    schedule: WindowSchedule | None, now: datetime
) -> tuple[datetime | None, datetime | None, datetime | None]:
    """Since when one goes on, when the next one begins, and when the first of this changes."""
    if schedule is None:
        return datetime.min.replace(tzinfo=UTC), None, None
    begun: list[datetime] = []
    ends: list[datetime] = []
    for start, end in occurrences(schedule):
        if start > now:
            return min(begun, default=None), start, min([start, *ends])
        if end > now:
            begun.append(start)
            ends.append(end)
    return min(begun, default=None), None, min(ends, default=None)


def _early_end(
    selects: Selects, world: World, begun: datetime, length: timedelta
) -> datetime | None:
    """When work that has ``begun`` is over, because all its monitors have been up for so long.

    None: one of them is not up, or none was down meanwhile, so that the work
    has not even begun in earnest.
    """
    last, was_down = begun, False
    for monitor in all_in_force(world.monitors):
        if not selects(monitor):
            continue
        state = world.states.get(monitor.meta.key)
        standing = state.standing if state is not None else None
        if standing is None or standing.verdict not in _UP or standing.since is None:
            return None
        was_down = was_down or standing.since > begun
        last = max(last, standing.since)
    return last + length if was_down else None


def _wait(change: datetime | None, now: datetime) -> float | None:
    if change is None:
        return None
    seconds = (change - now).total_seconds()
    return min(max(seconds, 0.0) + 1.0, MOST_AGAIN_SECONDS)


def _coarse(left: timedelta) -> str:
    for unit, letter in ((timedelta(days=1), "d"), (timedelta(hours=1), "h")):
        if left >= unit:
            return f"{left // unit}{letter}"
    return "<1h"
