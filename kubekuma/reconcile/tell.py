"""Kubernetes Events: what ``kubectl describe`` shows of a monitor's ups and downs."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final, Literal

import structlog
import trio

from kubekuma.kit.contain import contain
from kubekuma.kube.errors import KubeError, Refused
from kubekuma.kube.events import Event
from kubekuma.model.alert import Delivery
from kubekuma.model.kinds import MONITOR, MONITOR_SET, PROVIDER
from kubekuma.model.meta import Condition, Key
from kubekuma.model.monitor import Monitor
from kubekuma.model.state import Transition
from kubekuma.reconcile.worker import Verdicts

_log = structlog.get_logger(__name__)

# Events are for people who look: beyond so many that wait, new ones are dropped.
MOST_WAITING: Final = 1000

_TOLD: Final[Mapping[str, tuple[str, Literal["Normal", "Warning"]]]] = {
    "up": ("Up", "Normal"),
    "degraded": ("Degraded", "Warning"),
    "down": ("Down", "Warning"),
    "unknown": ("Unknown", "Warning"),
    "paused": ("Paused", "Normal"),
}


def transition_event(transition: Transition, uid: str, origin: Key | None = None) -> Event | None:
    """The Event of a transition; None for those that nobody needs to hear of.

    That of an item is the Event of its set, ``origin``: there is no other object.
    """
    told = _TOLD.get(transition.after)
    if told is None or not uid or (transition.first and transition.after == "up"):
        # That a new monitor is up is what everybody expects, ten thousand times after a start.
        return None
    reason, kind = told
    why = f" ({transition.reason.value})" if transition.reason is not None else ""
    said = f": {transition.message}" if transition.message else ""
    item = "" if origin is None else f"{transition.key.name.removeprefix(f'{origin.name}.')} "
    return Event(
        kind=MONITOR.name if origin is None else MONITOR_SET.name,
        key=origin or transition.key,
        uid=uid if origin is None else uid.partition("/")[0],
        reason=reason,
        action="Check",
        note=f"{item}was {transition.before}, is {transition.after}{why}{said}",
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


def undelivered_event(delivery: Delivery, uid: str, at: datetime) -> Event:
    """The Event of a message that was given up."""
    return Event(
        kind=PROVIDER.name,
        key=delivery.provider,
        uid=uid,
        reason="NotDelivered",
        action="Deliver",
        note=f"{delivery.message.title}: given up after {delivery.attempts}: {delivery.error}",
        at=at,
        type="Warning",
    )


def log_event(monitor: Monitor, message: str, at: datetime) -> Event:
    """The Event of something that the sender of a push monitor wants people to read."""
    meta = monitor.meta
    item = "" if meta.origin is None else f"{meta.key.name.removeprefix(f'{meta.origin.name}.')} "
    return Event(
        kind=MONITOR.name if meta.origin is None else MONITOR_SET.name,
        key=meta.origin or meta.key,
        uid=meta.uid.partition("/")[0],
        reason="Logged",
        action="Push",
        note=f"{item}{message}",
        at=at,
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
        except Refused as error:
            _log.warning("Event was refused", reason=event.reason, error=str(error))
        except KubeError:
            return  # the reflectors say that the API server is away

    async with events:
        task_status.started()
        async for event in events:
            about: dict[str, Any] = {"namespace": event.key.namespace, "name": event.key.name}
            await contain(partial(attempt, event), failed="Event could not be made", **about)
