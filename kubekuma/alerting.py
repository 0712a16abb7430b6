"""From outages to messages: gathers what a plan rests on, and carries it out in one transaction."""

import random
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import attrs
import structlog
import trio

from kubekuma.alert.plan import Parent, Situation, plan_alerts
from kubekuma.alert.render import message_of
from kubekuma.alert.route import PLAIN, routes
from kubekuma.deliver.alertmanager import alertmanager
from kubekuma.deliver.request import Secret, SecretMissing
from kubekuma.deliver.send import Taken, send, send_to_any
from kubekuma.deliver.service import run_deliveries
from kubekuma.deliver.tell import Teller
from kubekuma.deliver.trial import trials
from kubekuma.kit.bell import Bell
from kubekuma.kit.contain import contain
from kubekuma.kit.workqueue import WorkQueue
from kubekuma.life import Work, run_signs_of_life
from kubekuma.model.alert import Delivery, Message, Outage, Told
from kubekuma.model.kinds import PROVIDER
from kubekuma.model.meta import Key, SecretKeyRef
from kubekuma.model.monitor import Monitor
from kubekuma.model.policy import Happening
from kubekuma.model.provider import AlertmanagerConfig, Provider
from kubekuma.model.result import Outcome
from kubekuma.model.state import Verdict
from kubekuma.parts import Parts, now
from kubekuma.reconcile.references import depends_on_itself
from kubekuma.reconcile.service import Item
from kubekuma.record.database import Connection, StoreError
from kubekuma.record.deliveries import (
    drop_unheard,
    due_deliveries,
    fared,
    insert_deliveries,
    lasting_messages,
    oldest_waiting,
    open_outages,
    outage,
    told_of,
    update_deliveries,
    waiting_providers,
)
from kubekuma.record.ledger import Recorded
from kubekuma.record.store import Store
from kubekuma.validate.declared import parts_of
from kubekuma.validate.seen import all_in_force, in_force

_log = structlog.get_logger(__name__)

# While a parent is suspected, it is looked at that often whether it is well.
PARENT_SECONDS: Final = 5.0
PARENT_BUDGET: Final = timedelta(seconds=60)
# How often an Alertmanager hears that an outage lasts, and of how many at once.
REMIND_SECONDS: Final = 60.0
PORTION: Final = 500
# A test that could not be put into the outbox is put there later.
TRY_SECONDS: Final = 30.0


@attrs.define(eq=False)
class Alerting:
    """Every outage that there may be something to tell of, by its id."""

    parts: Parts
    store: Store
    check_now: Callable[[Key], None]
    _queue: WorkQueue[str] = attrs.field(factory=WorkQueue, init=False)
    _bell: Bell = attrs.field(factory=Bell, init=False)
    _routed: Bell = attrs.field(factory=Bell, init=False)
    _teller: Teller = attrs.field(factory=partial(Teller, now), init=False)

    def noticed(self, recorded: Sequence[Recorded]) -> None:
        """Look at the outages of what is recorded now."""
        recovered = set()
        for each in recorded:
            judgement = each.judgement
            if judgement.closed is not None:
                self._queue.add(judgement.closed.id)
                recovered.add(each.key)
            if judgement.standing_changed and judgement.state.standing.incident is not None:
                self._queue.add(judgement.state.standing.incident)
        if recovered:
            self._look_at_held_by(recovered)

    def look_at(self, key: Key) -> None:
        """The monitor has changed: who is to be told of it may have."""
        state = self.parts.ledger.states.get(key)
        if state is not None and state.standing.incident is not None:
            self._queue.add(state.standing.incident)

    def look_at_all(self) -> None:
        """Policies, providers, or who holds others back have changed."""
        for key in self.parts.ledger.states:
            self.look_at(key)
        self._routed.ring()

    def _look_at_held_by(self, parents: set[Key]) -> None:
        for key, monitor in self.parts.running.items():
            if not parents.isdisjoint(_parent_keys(monitor)):
                self.look_at(key)

    async def recall(self) -> None:
        """Know how providers fared before we came."""
        self.parts.deliveries.recall(await self.store.read(fared))

    async def run(self) -> None:
        """Plan and send, until cancelled. What an earlier run left open goes on."""
        for each in await self.store.read(open_outages):
            self._queue.add(each.id)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._plan_all)
                nursery.start_soon(self._remind_alertmanagers)
                nursery.start_soon(self._try_providers)
                nursery.start_soon(
                    run_signs_of_life,
                    lambda: self.parts.settings.heartbeat,
                    partial(self.parts.secrets.value, self.parts.config.kube_namespace),
                    self._work,
                    partial(send, http=self._teller.http),
                    now,
                )
                nursery.start_soon(
                    partial(
                        run_deliveries,
                        StoredOutbox(self.store),
                        partial(in_force, self.parts.resources.world.providers),
                        tell=self._tell,
                        bell=self._bell,
                        deliveries=self.parts.deliveries,
                        changed=self._fares,
                        now=now,
                    )
                )
        finally:
            await self._teller.aclose()

    async def _plan_all(self) -> None:
        while True:
            id_ = await self._queue.take()
            error = await contain(partial(self._plan, id_), failed="outage not told", outage=id_)
            if error is None:
                self._queue.done(id_)
            else:
                self._queue.failed(id_, random.random())  # noqa: S311 - spreads retries

    async def _plan(self, id_: str) -> None:
        found, told = await self.store.read(_gathered, id_)
        if found is None:
            return
        monitor = self.parts.running.get(found.key)
        situation = self._situation(found, told, monitor)
        plan = plan_alerts(situation)
        at = now()
        routed = (*situation.flapping_routes, *situation.routes)
        formats = {each.provider: each.formatting for each in routed}
        messages = [
            (each, message_of(each, found, monitor, at, formats.get(each.provider, PLAIN)))
            for each in plan.tell
        ]
        deliveries = [
            Delivery(
                id=message.id,
                outage=found.id,
                provider=tell.provider,
                message=message,
                created_at=at,
                next_at=at + tell.wait,
            )
            for tell, message in messages
        ]
        if deliveries or found.ended_at is not None:
            await self.store.write_durably(_put, found, deliveries, at)
            self._bell.ring()
        if plan.held:
            _log.info("outage is held back", monitor=str(found.key), why=plan.held)
        if plan.again_at is not None:
            seconds = (plan.again_at - at).total_seconds()
            self._queue.add_after(id_, min(seconds, PARENT_SECONDS) if plan.held else seconds)

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
        down, flapping, up = (
            routes(monitor, each, directory) if monitor is not None else ()
            for each in (Happening.DOWN, Happening.FLAPPING, Happening.UP)
        )
        return Situation(
            outage=found,
            told=told,
            routes=down,
            flapping_routes=flapping,
            deaf=frozenset(it.provider for it in down) - {it.provider for it in up},
            muted=muted,
            flaps=standing is not None and standing.flapping,
            parents=tuple(self._parents(found, monitor)) if monitor is not None else (),
            now=now(),
        )

    def _parents(self, found: Outage, monitor: Monitor) -> Iterator[Parent]:
        if found.ended_at is not None or depends_on_itself(monitor, self.parts.resources.world):
            return
        for key in _parent_keys(monitor):
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

    async def _tell(self, provider: Provider, message: Message) -> Taken:
        self.parts.leadership.check()
        return await self._teller.tell(provider.spec, message, await self._secrets(provider))

    async def _try_providers(self) -> None:
        """Send a test to each provider that asks for one: once, however often we start."""
        tried: set[str] = set()

        async def try_(provider: Provider) -> None:
            at, occasion = now(), f"test:{provider.meta.uid}"
            deliveries = [
                Delivery(
                    id=each.id,
                    outage=occasion,
                    provider=provider.meta.key,
                    message=each,
                    created_at=at,
                    next_at=at,
                )
                for each in trials(provider, occasion, at)
            ]
            await self.store.write_durably(insert_deliveries, deliveries)
            tried.add(provider.meta.uid)
            self._bell.ring()

        while True:
            changed, seconds = self._routed.next_ring, float("inf")
            for each in all_in_force(self.parts.resources.world.providers):
                if each.spec.test_on_create and each.spec.enabled and each.meta.uid not in tried:
                    failed = "provider not tried"
                    error = await contain(
                        partial(try_, each), failed=failed, provider=str(each.meta.key)
                    )
                    seconds = TRY_SECONDS if error is not None else seconds
            with trio.move_on_after(seconds):
                await changed.wait()

    async def _remind_alertmanagers(self) -> None:
        """Say of every outage that it lasts: without a word of ours, its alert ends."""
        while True:
            await trio.sleep(REMIND_SECONDS)
            for provider in all_in_force(self.parts.resources.world.providers):
                config = provider.spec.config_in_use
                if isinstance(config, AlertmanagerConfig) and provider.spec.enabled:
                    await contain(
                        partial(self._remind, provider, config),
                        failed="alerts could not be prolonged",
                        provider=str(provider.meta.key),
                    )

    async def _remind(self, provider: Provider, config: AlertmanagerConfig) -> None:
        self.parts.leadership.check()
        lasting = await self.store.read(lasting_messages, provider.meta.key)
        secret = await self._secrets(provider)
        for start in range(0, len(lasting), PORTION):
            portion = lasting[start : start + PORTION]
            await send_to_any(alertmanager(config, portion, secret, now()), self._teller.http)

    async def _secrets(self, provider: Provider) -> Secret:
        namespace, found = provider.meta.key.namespace, {}
        for _, part in parts_of(provider.spec):
            if isinstance(part, SecretKeyRef):
                value = await self.parts.secrets.value(namespace, part)
                if value is not None:
                    found[part.name, part.key] = value.decode("utf-8", "replace").strip()

        def secret(ref: SecretKeyRef) -> str:
            if (ref.name, ref.key) not in found:
                raise SecretMissing(f"there is no Secret {ref.name} with a key {ref.key}")
            return found[ref.name, ref.key]

        return secret

    async def _work(self) -> Work:
        load, health = self.parts.load, self.parts.store_health
        try:
            oldest, error = await self.store.read(oldest_waiting), health.complaint
        except StoreError as failed:
            oldest, error = None, health.complaint or str(failed)
        return Work(
            checks_begun=load.begun,
            checks_skipped=load.skipped,
            checks_waiting=load.waiting,
            commits=health.commits,
            database_error=error,
            oldest_message=oldest,
        )

    def _fares(self, key: Key) -> None:
        self.parts.resources.queue.add(Item(PROVIDER.name, key))


@attrs.frozen
class StoredOutbox:
    """The outbox as it lies in the database."""

    store: Store

    async def waiting(self) -> Sequence[tuple[Key, datetime]]:
        """Every provider with messages, and when the first of them is due."""
        return await self.store.read(waiting_providers)

    async def due(self, provider: Key, now: datetime, limit: int) -> Sequence[Delivery]:
        """Its messages that are due, the oldest first."""
        return await self.store.read(due_deliveries, provider, now, limit)

    async def update(self, deliveries: Sequence[Delivery]) -> None:
        """Record how far they have come."""
        await self.store.write_durably(update_deliveries, deliveries)


def _parent_keys(monitor: Monitor) -> Iterator[Key]:
    for ref in monitor.spec.depends_on:
        yield Key(ref.namespace or monitor.meta.key.namespace, ref.name)


def _gathered(db: Connection, id_: str) -> tuple[Outage | None, tuple[Told, ...]]:
    return outage(db, id_), told_of(db, id_)


def _put(db: Connection, found: Outage, deliveries: Sequence[Delivery], at: datetime) -> None:
    if found.ended_at is not None:
        drop_unheard(db, found.id, at)
        heard = {each.provider for each in told_of(db, found.id)}
        deliveries = [each for each in deliveries if each.provider in heard]
    insert_deliveries(db, deliveries)
