"""Which functions deal with which kind. Pure."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, TypeAlias

from kubekuma.model.kinds import (
    API_KEY,
    MONITOR_SET,
    PAGE,
    POLICY,
    PROVIDER,
    SETTINGS,
    SILENCE,
    USER,
    WINDOW,
)
from kubekuma.reconcile.outcome import Outcome
from kubekuma.reconcile.plan_alerting import plan_policy, plan_provider
from kubekuma.reconcile.plan_calendar import plan_silence, plan_window
from kubekuma.reconcile.plan_page import plan_page
from kubekuma.reconcile.plan_people import plan_key, plan_user
from kubekuma.reconcile.plan_set import plan_set
from kubekuma.reconcile.plan_settings import plan_settings
from kubekuma.reconcile.world import World

# From the last valid form of an object, and all the others, to what becomes of it.
Planner: TypeAlias = Callable[[Any, World, datetime], Outcome]

# By name of the kind. Monitors have a planner of their own (``plan``): they are scheduled.
PLANNERS: Final[Mapping[str, Planner]] = {
    SETTINGS.name: plan_settings,
    MONITOR_SET.name: plan_set,
    PROVIDER.name: plan_provider,
    POLICY.name: plan_policy,
    PAGE.name: plan_page,
    WINDOW.name: plan_window,
    SILENCE.name: plan_silence,
    USER.name: plan_user,
    API_KEY.name: plan_key,
}

# An invalid edit of these ends them: the last valid form would give rights that were taken back.
FAIL_CLOSED: Final = frozenset({USER.name, API_KEY.name})

# Which kinds must be looked at again when one of another kind has changed.
REFERRERS: Final[Mapping[str, tuple[str, ...]]] = {
    "Monitor": (MONITOR_SET.name, POLICY.name, PAGE.name, WINDOW.name, SILENCE.name),
    MONITOR_SET.name: (POLICY.name, PAGE.name, WINDOW.name, SILENCE.name),
    PROVIDER.name: (POLICY.name, SETTINGS.name),
    PAGE.name: (PAGE.name, WINDOW.name),
    USER.name: (USER.name, API_KEY.name),
}
