"""From outages to messages: gathers what a plan rests on, and carries it out in one transaction."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256
from typing import Final

import attrs
import structlog

from kubekuma.alert.notices import notices
from kubekuma.alert.plan import AlertPlan, Parent, Situation, Tell, plan_alerts
from kubekuma.alert.render import message_of
from kubekuma.alert.route import PLAIN, Route, routes
from kubekuma.kit.contain import contain
from kubekuma.kit.workqueue import WorkQueue
from kubekuma.model.alert import Delivery, DeliveryStatus, Message, Outage, Told
from kubekuma.model.meta import Key
from kubekuma.model.monitor import Monitor
from kubekuma.model.policy import Happening
from kubekuma.model.result import Outcome
from kubekuma.model.state import MonitorState, Verdict
from kubekuma.model.wording import worded
from kubekuma.parts import Parts, now
from kubekuma.reconcile.references import depends_on_itself
from kubekuma.record.database import Connection
from kubekuma.record.decisions import note_decisions
from kubekuma.record.deliveries import (
    drop_unheard,
    insert_deliveries,
    noticed_monitors,
    open_notices,
    open_outages,
    outage,
    told_of,
)
from kubekuma.record.ledger import Recorded
from kubekuma.record.store import Store
from kubekuma.telling import Telling

_log = structlog.get_logger(__name__)

# While a parent is suspected, it is looked at that often whether it is well.
PARENT_SECONDS: Final = 5.0
PARENT_BUDGET: Final = timedelta(seconds=60)
# Clocks are set: what is weeks ahead is looked at again each day.
MOST_AGAIN_SECONDS: Final = 86_400.0
MOST_DEDUPE_KEY: Final = 1024
# Verdicts that are no outage, and told all the same.
_TOLD: Final = frozenset({Verdict.DEGRADED, Verdict.UNKNOWN})


@attrs.define(eq=False)
class Alerting:
    """Every outage that there may be something to tell of, by its id; of other things, by monitor.

    ``burns`` says how fast a monitor uses up its error budget, if that is too fast.
    """

    parts: Parts
    store: Store
    telling: Telling
    check_now: Callable[[Key], None]
    burns: Mapping[Key, str]
    acknowledge_url: Callable[[str], str]  # of an outage; empty: there is none
    _queue: WorkQueue[str | Key] = attrs.field(factory=WorkQueue, init=False)
    # Monitors of which somebody heard something that is no outage.
    _noticed: set[Key] = attrs.field(factory=set, init=False)
    # Why whom was not told, as it was written down last.
    _decided: dict[str, Mapping[str, str]] = attrs.field(factory=dict, init=False)

    def noticed(self, recorded: Sequence[Recorded]) -> None:
        """Look at the outages of what is recorded now."""
        recovered = set()
        for each in recorded:
            judgement = each.judgement
            if judgement.closed is not None:
                self._queue.add(judgement.closed.id)
                recovered.add(each.key)
            if judgement.standing_changed:
                self.look_at(each.key)
        if recovered:
            self._look_at_held_by(recovered)

    def look_at(self, key: Key) -> None:
        """The monitor has changed: who is to be told of it may have."""
        state = self.parts.ledger.states.get(key)
        if state is None:
            return
        if state.standing.incident is not None:
            self._queue.add(state.standing.incident)
        if key in self._noticed or _may_be_noticed(state) or key in self.burns:
            self._queue.add(key)

    def look_at_outage(self, id_: str) -> None:
        """Somebody has said something of the outage."""
        self._queue.add(id_)

    def look_at_all(self) -> None:
        """Policies, providers, or who holds others back have changed."""
        for key in self.parts.ledger.states:
            self.look_at(key)
        self.telling.providers_changed()

    def _look_at_held_by(self, parents: set[Key]) -> None:
        for key, monitor in self.parts.running.items():
            if not parents.isdisjoint(monitor.parents):
                self.look_at(key)

    async def run(self) -> None:
        """Plan, until cancelled. What an earlier run left open goes on."""
        for each in await self.store.read(open_outages):
            self._queue.add(each.id)
        self._noticed |= await self.store.read(noticed_monitors)
        for key in self._noticed:
            self._queue.add(key)
        for key in self.parts.ledger.states:
            self.look_at(key)
        while True:
            item = await self._queue.take()
            error = await contain(partial(self._look, item), failed="not told", of=str(item))
            if error is None:
                self._queue.done(item)
            else:
                self._queue.failed(item, random.random())  # noqa: S311 - spreads retries

    async def _look(self, item: str | Key) -> None:
        if isinstance(item, Key):
            await self._plan_notices(item)
        else:
            await self._plan_outage(item)

    async def _plan_outage(self, id_: str) -> None:
        found, told = await self.store.read(_gathered, id_)
        if found is not None:
            found = attrs.evolve(found, changed=self._has_changed(found.key))
            again = await self._plan(found, told, self.parts.running.get(found.key))
            self._look_again(id_, again)

    def _has_changed(self, key: Key) -> bool:
        state = self.parts.ledger.states.get(key)
        before = state.standing.incident_identity if state is not None else ""
        return state is not None and bool(before) and before != state.standing.identity

    async def _plan_notices(self, key: Key) -> None:
        monitor, state, at = self.parts.running.get(key), self.parts.ledger.states.get(key), now()
        current: list[Outage] = []
        if monitor is not None and state is not None:
            current = [*notices(monitor, state, self.burns.get(key, ""), at)]
        known = await self.store.read(open_notices, key) if key in self._noticed else []
        again = [each.confirmed_at for each in current if each.confirmed_at > at]
        for each in current:
            if each.confirmed_at <= at:
                told = await self.store.read(told_of, each.id)
                again += filter(None, [await self._plan(each, told, monitor)])
        ids = {each.id for each in current}
        for each in known:
            if each.id not in ids:
                over = attrs.evolve(each, ended_at=at)
                await self._plan(over, await self.store.read(told_of, each.id), monitor)
        if not current:
            self._noticed.discard(key)
        self._look_again(key, min(again, default=None))

    def _look_again(self, item: str | Key, at: datetime | None) -> None:
        if at is not None:
            seconds = max((at - now()).total_seconds(), 0.0)
            self._queue.add_after(item, min(seconds, MOST_AGAIN_SECONDS))

    async def _plan(
        self, found: Outage, told: tuple[Told, ...], monitor: Monitor | None
    ) -> datetime | None:
        """Tell what there is to tell of one thing; return when to look again."""
        situation = self._situation(found, told, monitor)
        plan = plan_alerts(situation)
        at = situation.now
        link = self.acknowledge_url(found.id) if found.what is Happening.DOWN else ""
        deliveries = [_delivery(each, found, monitor, told, at, link) for each in plan.tell]
        decided = _decisions(plan, situation)
        # Until it is over, what was said stays said.
        news = {} if self._decided.get(found.id) == decided else decided
        if deliveries or news or found.ended_at is not None:
            await self.store.write_durably(_put, found, deliveries, news, at)
            self.telling.bell.ring()
        if found.ended_at is not None:
            self._decided.pop(found.id, None)
        else:
            self._decided[found.id] = decided
        if found.what is not Happening.DOWN and deliveries:
            self._noticed.add(found.key)
        if plan.held and news:
            _log.info("outage is held back", monitor=str(found.key), why=plan.held)
        if plan.held and plan.again_at is not None:
            return min(plan.again_at, at + timedelta(seconds=PARENT_SECONDS))
        return plan.again_at

    def _situation(
        self, found: Outage, told: tuple[Told, ...], monitor: Monitor | None
    ) -> Situation:
        directory, state = self.parts.directory, self.parts.ledger.states.get(found.key)
        standing = state.standing if state is not None else None
        muted = ""
        if standing is not None and standing.maintenance:
            muted = "planned work goes on"
        elif standing is not None and standing.silenced:
            muted = "it is silenced"
        elif monitor is None and found.ended_at is None:
            muted = "it is not watched any more"

        def of(happening: Happening) -> tuple[Route, ...]:
            return routes(monitor, happening, directory) if monitor is not None else ()

        is_outage = found.what is Happening.DOWN
        begun, over = of(found.what), {it.provider for it in of(Happening.UP)}
        # What ends in an outage, a pause or a deletion is not well again.
        watched = monitor is not None and standing is not None and not standing.paused
        is_worse = standing is not None and standing.verdict in {Verdict.DOWN, Verdict.PENDING}
        return Situation(
            outage=found,
            told=told,
            routes=begun,
            flapping_routes=of(Happening.FLAPPING) if is_outage else (),
            deaf=frozenset(it.provider for it in begun) - over,
            acknowledged_to=frozenset(it.provider for it in of(Happening.ACKNOWLEDGED)),
            quiet=not is_outage and (not watched or is_worse),
            muted=muted,
            flaps=standing is not None and standing.flapping,
            parents=tuple(self._parents(found, monitor)) if monitor is not None else (),
            now=now(),
        )

    def _parents(self, found: Outage, monitor: Monitor) -> Iterator[Parent]:
        if found.ended_at is not None or found.what is not Happening.DOWN:
            return
        if depends_on_itself(monitor, self.parts.resources.world):
            return
        for key in monitor.parents:
            parent, state = self.parts.running.get(key), self.parts.ledger.states.get(key)
            # One that is paused or gone holds nothing.
            if parent is None or state is None or not parent.spec.enabled:
                continue
            last, schedule = state.last, parent.spec.schedule
            passed = last is not None and last.outcome in {Outcome.PASSED, Outcome.DEGRADED}
            retries = schedule.retries.max_retries * schedule.retries.retry_interval_seconds
            found_parent = Parent(
                key=key,
                is_down=state.standing.verdict is Verdict.DOWN,
                passed_at=last.at if last is not None and passed else None,
                budget=timedelta(seconds=retries + self.parts.checking.timeout_of(schedule))
                + PARENT_BUDGET,
            )
            if found_parent.passed_at is None or found_parent.passed_at <= found.started_at:
                self.check_now(key)
            yield found_parent


def _may_be_noticed(state: MonitorState) -> bool:
    standing = state.standing
    ends = standing.certificate_expires_at or standing.registered_until
    return standing.verdict in _TOLD or ends is not None


def _delivery(
    tell: Tell,
    found: Outage,
    monitor: Monitor | None,
    told: tuple[Told, ...],
    at: datetime,
    link: str,
) -> Delivery:
    route = tell.route
    heard = [each for each in told if each.provider == tell.provider]
    wording = route.formatting if route is not None else PLAIN
    plain = message_of(tell, found, monitor, at, wording, link)
    # Whatever was said of it first is what the rest belongs to, whatever policies say by now.
    alert = heard[0].alert if heard else _alert(route, plain)
    dedupe = route.dedupe if route is not None else None
    fallback = route.fallback if route is not None else next(iter(heard), None)
    return Delivery(
        id=plain.id,
        outage=found.id,
        provider=tell.provider,
        message=attrs.evolve(plain, key=alert) if alert else plain,
        created_at=at,
        next_at=at + tell.wait,
        status=DeliveryStatus.JOINED if tell.quiet else DeliveryStatus.PENDING,
        together=tell.together,
        every=tell.every,
        alert=alert,
        stays_taken=timedelta(minutes=dedupe.window_minutes if dedupe is not None else 0),
        policy=route.policy if route is not None else None,
        fallback=fallback.fallback if isinstance(fallback, Told) else fallback,
    )


def _alert(route: Route | None, message: Message) -> str:
    """What the outage has in common with others that are told as one; empty: nothing."""
    if route is None or route.dedupe is None or message.what is not Happening.DOWN:
        return ""
    key = worded(route.dedupe.key, message, MOST_DEDUPE_KEY)
    if key is None:
        return ""
    return sha256(f"{route.policy}\n{key}".encode()).hexdigest()[:32]


def _decisions(plan: AlertPlan, situation: Situation) -> Mapping[str, str]:
    """Why whom is not told, by provider; of nobody under the empty name."""
    if situation.outage.ended_at is not None:
        return {}
    if plan.held:
        return {"": plan.held}
    if not situation.routes:
        return {"": "no policy and no default provider wants to hear of it"}
    return {str(each.provider): each.why for each in plan.waits}


def _gathered(db: Connection, id_: str) -> tuple[Outage | None, tuple[Told, ...]]:
    return outage(db, id_), told_of(db, id_)


def _put(
    db: Connection,
    found: Outage,
    deliveries: Sequence[Delivery],
    decided: Mapping[str, str],
    at: datetime,
) -> None:
    if found.ended_at is not None:
        drop_unheard(db, found.id, at)
        heard = {each.provider for each in told_of(db, found.id)}
        deliveries = [each for each in deliveries if each.provider in heard]
    insert_deliveries(db, deliveries)
    note_decisions(db, found.id, found.key, decided, at)
