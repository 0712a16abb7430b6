"""Kubernetes Events: what ``kubectl describe`` shows of a monitor's ups and downs."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final, Literal

import trio

from kubekuma.kit.contain import contain
from kubekuma.kube.errors import KubeError
from kubekuma.kube.events import Event
from kubekuma.model.kinds import MONITOR
from kubekuma.model.meta import Condition
from kubekuma.model.state import Transition
from kubekuma.reconcile.worker import Verdicts

# Events are for people who look: beyond so many that wait, new ones are dropped.
MOST_WAITING: Final = 1000

_TOLD: Final[Mapping[str, tuple[str, Literal["Normal", "Warning"]]]] = {
    "up": ("Up", "Normal"),
    "degraded": ("Degraded", "Warning"),
    "down": ("Down", "Warning"),
    "unknown": ("Unknown", "Warning"),
    "paused": ("Paused", "Normal"),
}


def transition_event(transition: Transition, uid: str) -> Event | None:
    """The Event of a transition; None for those that nobody needs to hear of."""
    told = _TOLD.get(transition.after)
    if told is None or not uid or (transition.first and transition.after == "up"):
        # That a new monitor is up is what everybody expects, ten thousand times after a start.
        return None
    reason, kind = told
    why = f" ({transition.reason.value})" if transition.reason is not None else ""
    said = f": {transition.message}" if transition.message else ""
    return Event(
        kind=MONITOR.name,
        key=transition.key,
        uid=uid,
        reason=reason,
        action="Check",
        note=f"was {transition.before}, is {transition.after}{why}{said}",
        at=transition.at,
        type=kind,
    )


def invalid_event(verdicts: Verdicts, invalid: Condition, at: datetime) -> Event:
    """The Event of an object that somebody has made invalid."""
    return Event(
        kind=verdicts.kind,
        key=verdicts.meta.key,
        uid=verdicts.meta.uid,
        reason=invalid.reason,
        action="Validate",
        note=invalid.message,
        at=at,
        type="Warning",
    )


async def run_events(
    events: trio.MemoryReceiveChannel[Event],
    create: Callable[[Event], Awaitable[None]],
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Create every one of ``events``, until they end.

    Ownership: closes ``events``.
    Shutdown: at the end of ``events``, or by cancelling: an Event may be lost.
    Failure: an Event that cannot be created is lost; the status says the same.
    """

    async def attempt(event: Event) -> None:
        try:
            await create(event)
        except KubeError:
            return  # the reflectors say that the API server is away

    async with events:
        task_status.started()
        async for event in events:
            about: dict[str, Any] = {"namespace": event.key.namespace, "name": event.key.name}
            await contain(partial(attempt, event), failed="Event could not be made", **about)
