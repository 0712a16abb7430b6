"""What runs while we lead: the stages in flow order, and how they are joined."""

import gc
import math
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Final

import attrs
import structlog
import trio

from kubekuma.acknowledging import Acknowledging
from kubekuma.alerting import Alerting
from kubekuma.announcements import Announcements
from kubekuma.budgets import Budgets
from kubekuma.check.available import missing
from kubekuma.check.service import run_checks
from kubekuma.following import unfollowed
from kubekuma.model.kinds import MONITOR, POLICY, PROVIDER, SETTINGS, SILENCE, WINDOW
from kubekuma.model.meta import Key
from kubekuma.model.monitor import Monitor, MonitorType
from kubekuma.model.order import CheckNow, Enrol, Order, Plan, Recheck
from kubekuma.model.push import Beat, Signal
from kubekuma.model.reach import Selects
from kubekuma.model.result import CheckResult
from kubekuma.model.settings import SETTINGS_NAME, SettingsSpec
from kubekuma.parts import Parts, now
from kubekuma.reconcile.health import Vitals, health_conditions
from kubekuma.reconcile.members import is_member
from kubekuma.reconcile.publish import run_publisher
from kubekuma.reconcile.service import Item, run_reconciler
from kubekuma.reconcile.tell import invalid_event, log_event, run_events, transition_event
from kubekuma.reconcile.worker import Effects, Verdicts, became_invalid, reconcile_settings
from kubekuma.record.ledger import Recorded
from kubekuma.record.service import Event, run_recorder
from kubekuma.record.store import Store
from kubekuma.record.writer import Writer
from kubekuma.schedule.service import run_scheduler
from kubekuma.serve.metrics import Instruments
from kubekuma.serve.problem import Problem
from kubekuma.telling import Telling
from kubekuma.troubles import Troubles

_log = structlog.get_logger(__name__)

# Running checks may end before we do; what is cut off is recorded as nothing.
GRACE_SECONDS: Final = 10.0
LONGEST_START_SECONDS: Final = 30.0
HEALTH_EVERY_SECONDS: Final = 5.0
RESULTS_WAITING: Final = 1000

SETTINGS_KEY: Final = Key("", SETTINGS_NAME)


@attrs.define(kw_only=True, eq=False)
class Pipeline:
    """Everything from reconciling to recording."""

    parts: Parts
    instruments: Instruments
    _groups: dict[Key, Monitor] = attrs.field(factory=dict, init=False)
    # Generations of policies and providers, by which outages were looked at.
    _routing: dict[tuple[str, Key], int] = attrs.field(factory=dict, init=False)
    acknowledging: Acknowledging = attrs.field(init=False)
    _budgets: Budgets = attrs.field(init=False)
    _telling: Telling = attrs.field(init=False)
    _alerting: Alerting = attrs.field(init=False)
    _troubles: Troubles = attrs.field(init=False)
    _announcements: Announcements = attrs.field(init=False)
    # There is somebody at the other ends while we lead.
    _scheduler: trio.MemorySendChannel[Order] = attrs.field(init=False)
    _recorder: trio.MemorySendChannel[Event] = attrs.field(init=False)

    async def run(
        self, store: Store, writer: Writer, stop: trio.Event, started: Callable[[], None]
    ) -> None:
        """Start sinks before sources; at ``stop``, end sources before sinks."""
        self._budgets = Budgets(self.parts)
        self._telling = Telling(self.parts, store)
        await self._telling.recall()
        self.acknowledging = Acknowledging(self.parts, store, self._acknowledged)
        self._alerting = Alerting(
            self.parts,
            store,
            self._telling,
            self._check_now,
            self._budgets.burns,
            self.acknowledging.url,
        )
        self._troubles = Troubles(self.parts, store, self._telling)
        self._announcements = Announcements(self.parts, store, self._telling)
        async with trio.open_nursery() as watches:
            await watches.start(self.parts.workloads.run)
            await self._run_stages(writer, stop, started)
            watches.cancel_scope.cancel()

    async def _run_stages(
        self, writer: Writer, stop: trio.Event, started: Callable[[], None]
    ) -> None:
        parts = self.parts
        orders_in, orders_out = trio.open_memory_channel[Order](math.inf)
        due_in, due_out = trio.open_memory_channel[tuple[Key, ...]](0)
        results_in, results_out = trio.open_memory_channel[Event](RESULTS_WAITING)
        plans_in = results_in.clone()
        self._scheduler, self._recorder = orders_in, results_in.clone()

        async def order(plan: Plan) -> None:
            running = parts.running.get(plan.key) if isinstance(plan, Enrol) else None
            parts.checking.expect(plan.key, running)
            self._note_group(plan.key, running)
            await self._note_sender(plan)
            await plans_in.send(plan)
            if running is not None and (overlaid := parts.overlays.over(running)) is not None:
                await plans_in.send(overlaid)
            orders_in.send_nowait(plan)
            self._alerting.look_at(plan.key)

        async with trio.open_nursery() as stages:
            await stages.start(
                partial(
                    run_recorder,
                    results_out,
                    parts.ledger,
                    writer,
                    parts.running,
                    ask_recheck=self._ask_recheck,
                    timeout_of=parts.checking.timeout_of,
                    now=now,
                )
            )
            await stages.start(
                partial(
                    run_checks,
                    due_out,
                    results_in,
                    parts.running,
                    run_check=self._checked,
                    limiter=parts.checking.limiter,
                    load=parts.load,
                    now=now,
                )
            )
            await stages.start(
                partial(run_scheduler, orders_out, due_in, report_lag=self.instruments.lagged)
            )
            async with orders_in, plans_in, self._recorder, trio.open_nursery() as sources:
                await self._run_sources(sources, order)
                started()
                await stop.wait()
                parts.ready = False
                sources.cancel_scope.cancel()
            stages.cancel_scope.deadline = trio.current_time() + GRACE_SECONDS

    def committed(self, recorded: Sequence[Recorded]) -> None:
        """Make known what is in the database now."""
        self._look_at_groups([each.key for each in recorded if each.judgement.transition])
        self._alerting.noticed(recorded)
        if any(each.judgement.closed is not None for each in recorded):
            self.parts.overlays.recovered()
        for each in recorded:
            running = self.parts.running.get(each.key)
            origin = running.meta.origin if running is not None else None
            if origin is not None:
                if each.judgement.standing_changed:
                    self.parts.resources.item_changed(origin)
            elif each.judgement.standing_changed:
                self.parts.reporter.changed(each.key)
            else:
                self.parts.reporter.checked(each.key)
            if each.judgement.transition is not None:
                self.parts.tell(transition_event(each.judgement.transition, each.uid, origin))

    async def take(self, token: str, beat: Beat) -> bool:
        """Record what the sender with ``token`` reports; False: there is none. Raises Problem."""
        parts, found = self.parts, False
        for sender in parts.pushes.senders(token):
            found = True
            if beat.signal is Signal.LOG:
                parts.tell(log_event(sender, beat.message, now()))
                continue
            reported = await parts.pushes.report(sender, beat, self._checked)
            if reported.checked is None:
                self._look_when_due(sender)
            try:
                await self._recorder.send(reported)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                raise Problem(503, "the program stops", retry_after=5) from None
        return found

    def _acknowledged(self, outage: str) -> None:
        self._alerting.look_at_outage(outage)

    def _check_now(self, key: Key) -> None:
        self._order(CheckNow(key=key))

    def _ask_recheck(self, key: Key, seconds: float) -> None:
        self._order(Recheck(key=key, seconds=seconds))

    def _order(self, order: Order) -> None:
        # Never many: of rechecks as many as checks under way, the last of which end when the
        # scheduler has ended already.
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            self._scheduler.send_nowait(order)

    def _note_group(self, key: Key, running: Monitor | None) -> None:
        if running is not None and running.spec.type is MonitorType.GROUP:
            self._groups[key] = running
        else:
            self._groups.pop(key, None)

    async def _note_sender(self, plan: Plan) -> None:
        sender = self.parts.running.get(plan.key)
        if sender is None or sender.spec.target.push is None:
            self.parts.pushes.expect(plan.key, None, None)
            return
        ref = sender.spec.target.push.token_secret_ref
        token = await self.parts.secrets.value(plan.key.namespace, ref)
        self.parts.pushes.expect(plan.key, sender, token)

    def _look_at_groups(self, changed: Sequence[Key]) -> None:
        """Have the groups checked that those who have ``changed`` are members of."""
        parts = self.parts
        monitors = [it for key in changed if (it := parts.running.get(key)) is not None]
        for key, group in self._groups.items():
            if any(is_member(each, group, parts.config.kube_namespace) for each in monitors):
                self._check_now(key)

    async def _run_sources(
        self, sources: trio.Nursery, order: Callable[[Plan], Awaitable[None]]
    ) -> None:
        parts = self.parts
        await sources.start(run_events, parts.events, parts.create_event)
        await parts.resources.tried()
        effects = self._effects(order)
        await reconcile_settings(SETTINGS_KEY, effects)
        registry = parts.resources.registry(effects)
        # Before anything is checked: within planned work there are no outages.
        for kind in (WINDOW, SILENCE):
            for key in parts.resources.keys(kind):
                await registry[kind.name](key)
        await sources.start(run_reconciler, parts.resources.queue, registry)
        sources.start_soon(self._publish_when_all_is_scheduled)
        sources.start_soon(self._drop_vanished)
        sources.start_soon(parts.overlays.run, self._recorder.send)
        sources.start_soon(self.acknowledging.run)
        sources.start_soon(self._telling.run)
        sources.start_soon(self._alerting.run)
        sources.start_soon(self._budgets.run, self._alerting.look_at)
        sources.start_soon(self._troubles.run)
        sources.start_soon(self._announcements.run)
        sources.start_soon(self._watch_vitals)
        sources.start_soon(parts.gate.run, self._ask_recheck)
        # What is alive now stays: looking through it again and again would only hold up everybody.
        gc.collect()
        gc.freeze()
        parts.pushes.listen()
        parts.ready = True

    def _effects(self, order: Callable[[Plan], Awaitable[None]]) -> Effects:
        parts = self.parts
        return Effects(
            world=parts.resources.world,
            running=parts.running,
            secret=parts.secrets.value,
            missing_checker=missing,
            order=order,
            publish=self._publish,
            forget=parts.reporter.forget,
            holds=self._holds,
            settings_changed=self._settings_changed,
            health=lambda: (*health_conditions(parts.vitals), *parts.throne.conditions()),
            again_after=lambda kind, key, seconds: parts.resources.queue.add_after(
                Item(kind, key), seconds
            ),
            now=now,
        )

    def _look_at_routing(self, verdicts: Verdicts) -> None:
        """Whoever is down may have to be told to others by now."""
        of = (verdicts.kind, verdicts.meta.key)
        if verdicts.kind in {POLICY.name, PROVIDER.name} and (
            self._routing.get(of) != verdicts.generation
        ):
            self._routing[of] = verdicts.generation
            self._alerting.look_at_all()

    def _settings_changed(self, settings: SettingsSpec) -> bool:
        self.parts.ledger.flapping = settings.scheduler.flapping
        return self.parts.checking.configure(settings)

    def _holds(
        self, kind: str, key: Key, selects: Selects | None, until_up: datetime | None
    ) -> None:
        if kind == WINDOW.name:
            self.parts.overlays.window(key, selects)
        elif kind == SILENCE.name:
            self.parts.overlays.silence(key, selects, until_up)

    async def _publish_when_all_is_scheduled(self) -> None:
        # Thousands of first statuses would only keep the first checks waiting.
        parts = self.parts
        await parts.resources.listed()
        with trio.move_on_after(LONGEST_START_SECONDS):
            while len(parts.resources.queue):  # noqa: ASYNC110 - nobody else waits for it, and it is soon over
                await trio.sleep(0.05)
        _log.info("all monitors are scheduled", count=len(parts.running))
        await run_publisher(parts.lanes, parts.reporter.write)

    async def _drop_vanished(self) -> None:
        """Find the monitors that were deleted while we were away."""
        parts = self.parts
        await parts.resources.listed()
        for key in tuple(parts.ledger.states):
            if parts.resources.monitors.get(key) is None:
                parts.resources.queue.add(Item(MONITOR.name, key))

    async def _watch_vitals(self) -> None:
        parts, skipped = self.parts, 0
        while True:
            vitals = Vitals(
                database_error=parts.store_health.complaint,
                unfollowed=unfollowed(parts.resources.syncs, trio.current_time()),
                waiting=parts.load.waiting,
                skipped=parts.load.skipped - skipped,
                at_once=round(parts.checking.limiter.total_tokens),
                blind=parts.gate.blind,
            )
            skipped = parts.load.skipped
            if health_conditions(vitals) != health_conditions(parts.vitals):
                parts.resources.queue.add(Item(SETTINGS.name, SETTINGS_KEY))
            parts.vitals = vitals
            await trio.sleep(HEALTH_EVERY_SECONDS)

    async def _checked(self, monitor: Monitor) -> CheckResult:
        self.parts.leadership.check_work()
        began = trio.current_time()
        found = await self.parts.checking.check(monitor)
        result = await self.parts.gate.consider(monitor.meta.key, found, began)
        self.instruments.checked(monitor, result)
        if monitor.spec.type is MonitorType.PUSH:
            self._look_when_due(monitor)
        return result

    def _look_when_due(self, sender: Monitor) -> None:
        """Have silence found the moment that it is a failure, not at the next slot."""
        seconds = self.parts.pushes.overdue_in(sender)
        if 0 < seconds < sender.spec.schedule.interval_seconds:
            self._ask_recheck(sender.meta.key, seconds)

    def _publish(self, verdicts: Verdicts) -> None:
        if verdicts.meta.origin is not None:
            self.parts.resources.said_of_item(verdicts)
            return
        self.parts.reporter.conditions(verdicts)
        self._look_at_routing(verdicts)
        invalid = became_invalid(verdicts)
        if invalid is not None:
            self.parts.tell(invalid_event(verdicts, invalid, now()))
