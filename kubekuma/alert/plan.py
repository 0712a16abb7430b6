"""What is to be told of one outage now, and when to look again. Pure and level-triggered.

It is told the outage as it is and what was told already, and never an event: so a restart, a change
of leader, an end of a silence and an edit of a policy are all the same to it. Every mute delays an
outage, and none drops it.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

import attrs

from kubekuma.alert.route import Route
from kubekuma.model.alert import Outage, Told
from kubekuma.model.meta import Key
from kubekuma.model.policy import Happening


@attrs.frozen(kw_only=True)
class Parent:
    """A monitor that the outage's monitor depends on."""

    key: Key
    is_down: bool
    passed_at: datetime | None  # when a check of it last passed
    # How long it may take until a failure of its own would be a verdict.
    budget: timedelta


@attrs.frozen(kw_only=True)
class Situation:
    """Everything that a plan rests on."""

    outage: Outage
    told: tuple[Told, ...]
    routes: tuple[Route, ...]  # who is told of outages
    flapping_routes: tuple[Route, ...] = ()  # who is told that the monitor flaps
    # Who is told of outages and wants to hear of no recovery.
    deaf: frozenset[Key] = frozenset()
    muted: str = ""  # by whom or what: planned work, a silence; empty: by nothing
    flaps: bool = False
    parents: tuple[Parent, ...] = ()
    now: datetime


@attrs.frozen(kw_only=True)
class Tell:
    """One message that is to be sent."""

    provider: Key
    happening: Happening
    reminder: int = 0
    wait: timedelta = timedelta(0)


@attrs.frozen(kw_only=True)
class AlertPlan:
    """``held``: why an outage that would be told is not; ``again_at``: when time alone tells."""

    tell: tuple[Tell, ...] = ()
    held: str = ""
    again_at: datetime | None = None


def plan_alerts(it: Situation) -> AlertPlan:
    """Plan for one outage. Carrying it out twice tells nobody twice."""
    if it.outage.ended_at is not None:
        return AlertPlan(tell=tuple(_recoveries(it)))
    if it.muted:
        return AlertPlan(held=it.muted)
    if it.flaps:
        return AlertPlan(tell=tuple(_flapping(it)), held="it changes too often to tell each change")
    parent, until = _parent(it)
    if parent is not None:
        return AlertPlan(held=f"the fault may be that of {parent}", again_at=until)
    tells: list[Tell] = []
    later: list[datetime] = []
    last = _last_told(it.told)
    for route in it.routes:
        due, tell = _due(it, route, last.get(route.provider))
        if due is None:
            continue
        if due <= it.now:
            tells.append(tell)
        else:
            later.append(due)
    return AlertPlan(tell=tuple(tells), again_at=min(later, default=None))


def _due(
    it: Situation, route: Route, last: tuple[datetime, int] | None
) -> tuple[datetime | None, Tell]:
    """When ``route`` is told next, and what; None: not again."""
    if last is None:
        tell = Tell(provider=route.provider, happening=Happening.DOWN, wait=route.wait)
        return it.outage.confirmed_at + route.after, tell
    at, count = last
    tell = Tell(provider=route.provider, happening=Happening.DOWN, reminder=count)
    return (at + route.resend if route.resend else None), tell


def _last_told(told: tuple[Told, ...]) -> Mapping[Key, tuple[datetime, int]]:
    """When each provider was last told of the outage, and how often."""
    found: dict[Key, tuple[datetime, int]] = {}
    for each in told:
        if each.happening is Happening.DOWN:
            at, count = found.get(each.provider, (each.at, 0))
            found[each.provider] = (max(at, each.at), count + 1)
    return found


def _recoveries(it: Situation) -> Iterator[Tell]:
    """Exactly those who heard of the outage hear of its end, whatever policies say by now."""
    waits = {each.provider: each.wait for each in it.routes}
    heard = {each.provider: None for each in it.told if each.happening is not Happening.UP}
    done = {each.provider for each in it.told if each.happening is Happening.UP}
    for provider in heard:
        if provider not in done and provider not in it.deaf:
            wait = waits.get(provider, timedelta(0))
            yield Tell(provider=provider, happening=Happening.UP, wait=wait)


def _flapping(it: Situation) -> Iterator[Tell]:
    done = {each.provider for each in it.told if each.happening is Happening.FLAPPING}
    for route in it.flapping_routes:
        if route.provider not in done:
            yield Tell(provider=route.provider, happening=Happening.FLAPPING)


def _parent(it: Situation) -> tuple[Key | None, datetime | None]:
    """The first parent that may be why the monitor is down, and until when to wait for it.

    One that passed a check after the outage had begun is not. One that is
    down holds for as long as it is; one of which nothing is known for as long
    as its own failure would need to be a verdict.
    """
    for parent in it.parents:
        if parent.passed_at is not None and parent.passed_at > it.outage.started_at:
            continue
        until = it.outage.confirmed_at + parent.budget
        if parent.is_down:
            return parent.key, None
        if it.now < until:
            return parent.key, until
    return None, None
