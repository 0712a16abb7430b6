"""What is to be told of one outage now, and when to look again. Pure and level-triggered.

It is told the outage as it is and what was told already, and never an event: so a restart, a change
of leader, an end of a silence and an edit of a policy are all the same to it. Every mute delays an
outage, and none drops it.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import attrs

from kubekuma.alert.hours import opening
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
    routes: tuple[Route, ...]  # who is told of it
    flapping_routes: tuple[Route, ...] = ()  # who is told that the monitor flaps
    # Who is told of outages and wants to hear of no recovery.
    deaf: frozenset[Key] = frozenset()
    # Who hears that somebody sees to it.
    acknowledged_to: frozenset[Key] = frozenset()
    quiet: bool = False  # it ends in something else that is told: nobody need hear of its end
    # Who has an alert of it that would stay open without a word.
    keepers: frozenset[Key] = frozenset()
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
    route: Route | None = None  # as it is now; None: only what was told counts
    together: str = ""
    every: timedelta = timedelta(0)
    quiet: bool = False


@attrs.frozen(kw_only=True)
class Waits:
    """A provider that is not told yet; ``why`` is empty if it was, and is to be reminded."""

    provider: Key
    until: datetime
    why: str = ""


@attrs.frozen(kw_only=True)
class AlertPlan:
    """``held``: why an outage that would be told is not; ``again_at``: when time alone tells."""

    tell: tuple[Tell, ...] = ()
    held: str = ""
    waits: tuple[Waits, ...] = ()
    again_at: datetime | None = None


def plan_alerts(it: Situation) -> AlertPlan:
    """Plan for one outage. Carrying it out twice tells nobody twice."""
    if it.outage.ended_at is not None:
        return AlertPlan(tell=tuple(_recoveries(it)))
    seen_to = tuple(_acknowledgements(it))
    if it.muted:
        return AlertPlan(tell=seen_to, held=it.muted)
    if it.flaps:
        flapping = _flapping(it) if it.outage.what is Happening.DOWN else ()
        why = "it changes too often to tell each change"
        return AlertPlan(tell=(*seen_to, *flapping), held=why)
    parent, until = _parent(it)
    if parent is not None:
        why = f"the fault may be that of {parent}"
        return AlertPlan(tell=seen_to, held=why, again_at=until)
    tells = list(seen_to)
    waits: list[Waits] = []
    last = _last_told(it.told, it.outage.what)
    for route in it.routes:
        match _next(it, route, last.get(route.provider)):
            case Tell() as tell:
                tells.append(tell)
            case Waits() as wait:
                waits.append(wait)
    again = [each.until for each in waits]
    if it.outage.acknowledged_until is not None and it.now < it.outage.acknowledged_until:
        again.append(it.outage.acknowledged_until)
    return AlertPlan(tell=tuple(tells), waits=tuple(waits), again_at=min(again, default=None))


@attrs.frozen
class _Last:
    """When a provider was last told of the outage, how often, and by which reminder."""

    at: datetime
    count: int
    reminder: int


def _next(it: Situation, route: Route, last: _Last | None) -> Tell | Waits | None:
    """What ``route`` is told next, or when; None: nothing more."""
    if last is None or last.reminder < it.outage.step:
        return _first(it, route)
    if not route.resend or it.outage.what is not Happening.DOWN or _is_seen_to(it):
        return None
    due = last.at + route.resend
    opens = min(opening(way.hours, max(due, it.now)) for way in route.ways)
    if opens > it.now:
        return Waits(provider=route.provider, until=opens)
    return _tell(route, Happening.DOWN, reminder=last.count)


def _first(it: Situation, route: Route) -> Tell | Waits | None:
    # Nobody is called besides once somebody sees to it.
    ways = [way for way in route.ways if not way.after or not _is_seen_to(it)]
    if not ways:
        return None
    due = {way: it.outage.confirmed_at + way.after for way in ways}
    way = min(ways, key=lambda way: opening(way.hours, max(due[way], it.now)))
    opens = opening(way.hours, max(due[way], it.now))
    if opens <= it.now:
        tell = _tell(route, it.outage.what, reminder=it.outage.step, wait=route.wait)
        return tell if way.after else _apart(tell, route)
    said = "it is told if it still lasts then" if due[way] > it.now else "nobody wants to hear now"
    return Waits(provider=route.provider, until=opens, why=said)


def _tell(route: Route, happening: Happening, **more: Any) -> Tell:
    """What ``route`` is told, put together with what its group is told."""
    return Tell(
        provider=route.provider,
        happening=happening,
        route=route,
        together=route.group,
        every=route.every if route.group else timedelta(0),
        **more,
    )


def _apart(tell: Tell, route: Route) -> Tell:
    """A first message waits for as long as its policy wants to hear of no other outage."""
    if not route.apart:
        return tell
    return attrs.evolve(
        tell,
        together=tell.together or f"{route.policy} at most",
        every=max(tell.every, route.apart),
    )


def _is_seen_to(it: Situation) -> bool:
    return it.outage.is_acknowledged(it.now)


def _acknowledgements(it: Situation) -> Iterator[Tell]:
    """Whoever heard of the outage hears that somebody sees to it."""
    if not _is_seen_to(it):
        return
    routes = {each.provider: each for each in it.routes}
    done = {each.provider for each in it.told if each.happening is Happening.ACKNOWLEDGED}
    for provider in dict.fromkeys(each.provider for each in it.told):
        if provider in it.acknowledged_to and provider not in done:
            yield Tell(
                provider=provider, happening=Happening.ACKNOWLEDGED, route=routes.get(provider)
            )


def _last_told(told: tuple[Told, ...], what: Happening) -> Mapping[Key, _Last]:
    found: dict[Key, _Last] = {}
    for each in told:
        if each.happening is what:
            last = found.get(each.provider, _Last(each.at, 0, 0))
            found[each.provider] = _Last(
                max(last.at, each.at), last.count + 1, max(last.reminder, each.reminder)
            )
    return found


def _recoveries(it: Situation) -> Iterator[Tell]:
    """Exactly those who heard of the outage hear of its end, whatever policies say by now."""
    routes = {each.provider: each for each in it.routes}
    heard = {each.provider: None for each in it.told if each.happening is not Happening.UP}
    done = {each.provider for each in it.told if each.happening is Happening.UP}
    for provider in heard:
        if provider in done:
            continue
        route = routes.get(provider)
        quiet = provider in it.deaf or (it.quiet and provider not in it.keepers)
        if route is None or quiet:
            yield Tell(provider=provider, happening=Happening.UP, quiet=quiet)
        else:
            yield _tell(route, Happening.UP, wait=max(route.wait, _closed(it, route)))


def _closed(it: Situation, route: Route) -> timedelta:
    """For how long people do not want to hear, not even good news."""
    if route.is_keyed:
        return timedelta(0)
    return min(opening(way.hours, it.now) for way in route.ways) - it.now


def _flapping(it: Situation) -> Iterator[Tell]:
    done = {each.provider for each in it.told if each.happening is Happening.FLAPPING}
    for route in it.flapping_routes:
        if route.provider not in done:
            yield _tell(route, Happening.FLAPPING)


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
