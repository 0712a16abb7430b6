"""From outages to messages: gathers what a plan rests on, and carries it out in one transaction."""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256
from typing import Final

import attrs
import structlog
import trio

from kubekuma.alert.notices import ended, ends_quietly, notices
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
# So many outages are put into the outbox at once.
PORTION: Final = 100
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
            items, failed = await self._queue.take_some(PORTION), set[str | Key]()
            outages = [each for each in items if isinstance(each, str)]
            look = partial(self._plan_outages, outages, failed)
            if await contain(look, failed="not told", count=len(outages)) is not None:
                failed.update(outages)
            for item in items:
                if isinstance(item, Key):
                    look = partial(self._plan_notices, item)
                    if await contain(look, failed="not told", of=str(item)) is not None:
                        failed.add(item)
            for item in items:
                if item in failed:
                    self._queue.failed(item, random.random())  # noqa: S311 - spreads retries
                else:
                    self._queue.done(item)

    async def _plan_outages(self, ids: Sequence[str], failed: set[str | Key]) -> None:
        """Plan each by itself; what is to be told of all goes into the outbox at once.

        Where everything is down, a transaction for each would take too long.
        """
        gathered = await self.store.read(_gathered, ids) if ids else {}
        dependents = Counter(key for it in self.parts.running.values() for key in it.parents)
        planned: list[_Planned] = []
        for id_, (found, told) in gathered.items():
            outage_ = attrs.evolve(found, dependents=dependents[found.key])
            plan = partial(self._plan_outage, outage_, told, planned)
            if await contain(plan, failed="not told", of=id_) is not None:
                failed.add(id_)
        await self._carry_out(planned)
        for each in planned:
            self._look_again(each.found.id, each.again_at)

    async def _plan_outage(
        self, found: Outage, told: tuple[Told, ...], planned: "list[_Planned]"
    ) -> None:
        await trio.lowlevel.checkpoint()
        found = attrs.evolve(found, changed=self._has_changed(found.key))
        planned.append(self._plan(found, told, self.parts.running.get(found.key)))

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
        over = [attrs.evolve(each, ended_at=at) for each in ended(known, current)]
        due = [each for each in current if each.confirmed_at <= at]
        planned = [
            self._plan(each, await self.store.read(told_of, each.id), monitor)
            for each in (*due, *over)
        ]
        await self._carry_out(planned)
        again = [each.again_at for each in planned if each.again_at is not None]
        again += [each.confirmed_at for each in current if each.confirmed_at > at]
        if not current:
            self._noticed.discard(key)
        self._look_again(key, min(again, default=None))

    def _look_again(self, item: str | Key, at: datetime | None) -> None:
        if at is not None:
            seconds = max((at - now()).total_seconds(), 0.0)
            self._queue.add_after(item, min(seconds, MOST_AGAIN_SECONDS))

    def _plan(self, found: Outage, told: tuple[Told, ...], monitor: Monitor | None) -> "_Planned":
        """What there is to tell of one thing, and when to look again."""
        situation = self._situation(found, told, monitor)
        plan = plan_alerts(situation)
        at, again_at = situation.now, plan.again_at
        link = self.acknowledge_url(found.id) if found.what is Happening.DOWN else ""
        if plan.held and again_at is not None:
            again_at = min(again_at, at + timedelta(seconds=PARENT_SECONDS))
        return _Planned(
            found=found,
            deliveries=tuple(_delivery(each, found, monitor, told, at, link) for each in plan.tell),
            decided=_decisions(plan, situation),
            held=plan.held,
            at=at,
            again_at=again_at,
        )

    async def _carry_out(self, planned: "Sequence[_Planned]") -> None:
        # Until it is over, what was said stays said.
        news = [attrs.evolve(each, decided={}) if self._is_said(each) else each for each in planned]
        changes = [
            it for it in news if it.deliveries or it.decided or it.found.ended_at is not None
        ]
        if changes:
            await self.store.write_durably(_put, changes)
            self.telling.bell.ring()
        for each in news:
            if each.held and each.decided:
                _log.info("outage is held back", monitor=str(each.found.key), why=each.held)
        for each in planned:
            if each.found.ended_at is not None:
                self._decided.pop(each.found.id, None)
            else:
                self._decided[each.found.id] = each.decided
            if each.found.what is not Happening.DOWN and each.deliveries:
                self._noticed.add(each.found.key)

    def _is_said(self, planned: "_Planned") -> bool:
        return self._decided.get(planned.found.id) == planned.decided

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
        watched = standing if monitor is not None else None
        return Situation(
            outage=found,
            told=told,
            routes=begun,
            flapping_routes=of(Happening.FLAPPING) if is_outage else (),
            deaf=frozenset(it.provider for it in begun) - over,
            acknowledged_to=frozenset(it.provider for it in of(Happening.ACKNOWLEDGED)),
            quiet=ends_quietly(found.what, watched) and not is_outage,
            keepers=frozenset(it.provider for it in told if directory.keeps_alerts(it.provider)),
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


@attrs.frozen(kw_only=True)
class _Planned:
    """What comes of one look: ``decided`` says why whom is not told, and ``held`` why nobody is."""

    found: Outage
    deliveries: tuple[Delivery, ...]
    decided: Mapping[str, str]
    held: str
    at: datetime
    again_at: datetime | None


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
    return {str(each.provider): each.why for each in plan.waits if each.why}


def _gathered(db: Connection, ids: Sequence[str]) -> Mapping[str, tuple[Outage, tuple[Told, ...]]]:
    """Those of the outages that there are, with what was told of each."""
    found = ((id_, outage(db, id_)) for id_ in ids)
    return {id_: (each, told_of(db, id_)) for id_, each in found if each is not None}


def _put(db: Connection, planned: Sequence[_Planned]) -> None:
    for each in planned:
        id_, deliveries = each.found.id, each.deliveries
        if each.found.ended_at is not None:
            drop_unheard(db, id_, each.at)
            heard = {it.provider for it in told_of(db, id_)}
            deliveries = tuple(it for it in deliveries if it.provider in heard)
        insert_deliveries(db, deliveries)
        note_decisions(db, id_, each.found.key, each.decided, each.at)
