"""Monitors that change too often for each change to be told. Pure."""

from datetime import datetime, timedelta
from typing import Final

from attrs import evolve

from kubekuma.model.monitor import Schedule
from kubekuma.model.settings import Flapping
from kubekuma.model.state import Standing, Verdict

# Changes are looked for over so many intervals at least: who is checked once an hour flaps too.
LEAST_INTERVALS: Final = 20
# Without a change for so long, it is calm again.
CALM_SECONDS: Final = 600
CALM_INTERVALS: Final = 5


def with_flapping(
    before: Standing, after: Standing, schedule: Schedule, flapping: Flapping, at: datetime
) -> Standing:
    """``after``, and whether it changes too often: into down and out of it, as of ``at``."""
    if not flapping.enabled:
        return without_flapping(after)
    changed = (before.verdict is Verdict.DOWN) is not (after.verdict is Verdict.DOWN)
    if not changed and not after.changes:
        return after
    seconds = max(flapping.window_minutes * 60, LEAST_INTERVALS * schedule.interval_seconds)
    recent = [each for each in after.changes if at - each <= timedelta(seconds=seconds)]
    if changed:
        # More than these decide nothing.
        recent = [*recent, at][-flapping.toggle_threshold :]
        flaps = after.flapping or len(recent) >= flapping.toggle_threshold
    elif after.flapping and _is_calm(after, schedule, at):
        # It begins to count anew.
        return without_flapping(after)
    else:
        flaps = after.flapping
    return evolve(after, changes=tuple(recent), flapping=flaps)


def without_flapping(standing: Standing) -> Standing:
    """``standing`` without what was counted."""
    return evolve(standing, changes=(), flapping=False)


def _is_calm(standing: Standing, schedule: Schedule, at: datetime) -> bool:
    seconds = max(CALM_SECONDS, CALM_INTERVALS * schedule.interval_seconds)
    if standing.verdict is Verdict.DOWN:
        seconds += schedule.grace_down_seconds
    return not standing.changes or at - standing.changes[-1] >= timedelta(seconds=seconds)
