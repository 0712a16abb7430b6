"""Composition root: the one module that knows every stage and their order."""

import gc
import math
import random
import resource
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import attrs
import structlog
import trio

from kubekuma.check.available import missing
from kubekuma.check.live import Checking
from kubekuma.check.service import CheckLoad, run_checks
from kubekuma.kit.server import serve_app
from kubekuma.kit.workqueue import WorkQueue
from kubekuma.kube.client import EVENTS, OUR_ROOT, Document, Endpoint, FieldManager, KubeClient
from kubekuma.kube.credentials import Credentials, load_credentials
from kubekuma.kube.events import Event, event_document
from kubekuma.kube.secrets import SecretCache, read_secret
from kubekuma.model.kinds import KINDS, MONITOR, SETTINGS
from kubekuma.model.meta import Key
from kubekuma.model.monitor import Monitor
from kubekuma.model.order import Drop, Enrol, Order, Plan, Recheck
from kubekuma.model.result import CheckResult
from kubekuma.model.settings import SETTINGS_NAME, Settings
from kubekuma.model.state import Checked
from kubekuma.reconcile.health import Vitals, health_conditions
from kubekuma.reconcile.publish import Lanes, run_publisher
from kubekuma.reconcile.report import Line, Reporter
from kubekuma.reconcile.service import Item, run_reconciler
from kubekuma.reconcile.tell import MOST_WAITING, invalid_event, run_events, transition_event
from kubekuma.reconcile.worker import (
    Effects,
    Verdicts,
    became_invalid,
    reconcile_monitor,
    reconcile_settings,
)
from kubekuma.record.crd_cache import cached_documents
from kubekuma.record.ledger import Ledger, Recorded
from kubekuma.record.service import run_recorder
from kubekuma.record.states import load_states
from kubekuma.record.store import Store, StoreError
from kubekuma.record.uptime import WINDOWS, uptimes, uptimes_of
from kubekuma.record.writer import Document as Remembered
from kubekuma.record.writer import StoreHealth, Writer
from kubekuma.schedule.service import run_scheduler
from kubekuma.serve.board import Board
from kubekuma.serve.health import health_routes
from kubekuma.serve.index import index_routes
from kubekuma.serve.metrics import Figure, Instruments, build_info, counts, gauges, metrics_routes
from kubekuma.serve.monitors import monitor_routes
from kubekuma.serve.server import WebApp, build_app
from kubekuma.validate.load import load_monitor, load_settings
from kubekuma.watch.cache import Cache
from kubekuma.watch.reflector import Sync
from kubekuma.watch.service import run_watch

_log = structlog.get_logger(__name__)

# Running checks may end before we do; what is cut off is recorded as nothing.
GRACE_SECONDS: Final = 10.0
# Without the API server we start with what we knew last.
LIST_SECONDS: Final = 10.0
LONGEST_START_SECONDS: Final = 30.0
UPTIME_EVERY_SECONDS: Final = 5.0
HEALTH_EVERY_SECONDS: Final = 5.0
RESULTS_WAITING: Final = 1000

SETTINGS_KEY: Final = Key("", SETTINGS_NAME)
_ENDPOINTS: Final = {each.name: Endpoint(OUR_ROOT, each.plural, each.namespaced) for each in KINDS}


@attrs.frozen(kw_only=True)
class Config:
    """What the process is told at its start."""

    database: Path
    kubeconfig: Path | None = None
    listen: str = "127.0.0.1:3000"
    watch_namespaces: tuple[str, ...] = ()


def now() -> datetime:
    """The wall clock, for every stage that is handed a time."""
    return datetime.now(UTC)


async def run_program(
    config: Config,
    *,
    stop: trio.Event,
    task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run everything until ``stop``, then let it run dry; reports the server's URL once it works.

    The server starts first and ends last, so that health can always be asked.
    Raises NoCredentialsError, StoreInUseError, SchemaTooNewError or OSError
    for what must be put right before a start.
    """
    # Checks leave little behind that counting references does not free: looking for it after each
    # 700 objects, as is usual, costs a tenth of their time, and more of a start's.
    gc.set_threshold(20_000, 50, 100)
    credentials = await load_credentials(config.kubeconfig)
    store = await trio.to_thread.run_sync(Store, config.database)
    try:
        program = await assemble(config, credentials, store)
        async with trio.open_nursery() as nursery:
            serving = trio.Event()
            app = program.web_app()
            (url, *_) = await nursery.start(partial(serve_app, app, [config.listen], stop=serving))
            try:
                await program.run(stop, partial(task_status.started, url))
            finally:
                serving.set()
                with trio.move_on_after(1, shield=True):
                    await program.client.aclose()
    finally:
        store.close()


async def assemble(config: Config, credentials: Credentials, store: Store) -> "Program":
    """Everything that the stages share, with what an earlier run has left."""
    states, uids = await store.read(load_states)
    return Program(
        config=config,
        credentials=credentials,
        store=store,
        client=KubeClient(credentials),
        ledger=Ledger(states, uids),
    )


@attrs.define(kw_only=True, eq=False)
class Program:
    """The stages' shared ends: queues, channels and the few things that one writes, others read."""

    config: Config
    credentials: Credentials
    store: Store
    client: KubeClient
    ledger: Ledger
    running: dict[Key, Monitor] = attrs.field(factory=dict)
    queue: WorkQueue[Item] = attrs.field(factory=WorkQueue)
    lanes: Lanes[Line] = attrs.field(factory=Lanes)
    load: CheckLoad = attrs.field(factory=CheckLoad)
    store_health: StoreHealth = attrs.field(factory=StoreHealth)
    syncs: list[Sync] = attrs.field(factory=list)
    secrets: SecretCache = attrs.field(init=False)
    ready: bool = False
    checking: Checking = attrs.field(init=False)
    monitors: Cache[Monitor] = attrs.field(init=False)
    settings: Cache[Settings] = attrs.field(init=False)
    writer: Writer = attrs.field(init=False)
    reporter: Reporter = attrs.field(init=False)
    instruments: Instruments = attrs.field(init=False)
    board: Board = attrs.field(init=False)
    vitals: Vitals = attrs.field(factory=Vitals)
    _events_in: trio.MemorySendChannel[Event] = attrs.field(init=False)
    _events: trio.MemoryReceiveChannel[Event] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.secrets = SecretCache(partial(read_secret, self.client))
        self._events_in, self._events = trio.open_memory_channel[Event](MOST_WAITING)
        descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.checking = Checking(self.secrets.value, descriptors=descriptors)
        self.monitors = self._cache(MONITOR.name, load_monitor)
        self.settings = self._cache(SETTINGS.name, load_settings)
        self.writer = Writer(self.store, self._committed, self.store_health)
        self.board = Board(monitors=self.monitors, states=self.ledger.states)
        self.instruments = Instruments(self._figures)
        self.reporter = Reporter(
            self.lanes,
            self.running,
            self.ledger.states,
            uptimes=self._percents,
            apply_status=self._apply_status,
            refresh_seconds=lambda: self.checking.settings.scheduler.status_refresh_seconds,
            chance=random.random,
            now=now,
        )

    def web_app(self) -> WebApp:
        """Everything that is served."""
        return build_app(
            (
                index_routes(),
                health_routes(self._not_ready),
                metrics_routes(self.board, self.instruments),
                monitor_routes(self.board, self.store, now),
            )
        )

    async def run(self, stop: trio.Event, started: Callable[[], None]) -> None:
        """Start sinks before sources; at ``stop``, end sources before sinks."""
        orders_in, orders_out = trio.open_memory_channel[Order](math.inf)
        due_in, due_out = trio.open_memory_channel[tuple[Key, ...]](0)
        results_in, results_out = trio.open_memory_channel[Checked | Plan](RESULTS_WAITING)
        plans_in = results_in.clone()

        def ask_recheck(key: Key, seconds: float) -> None:
            # Never more of them than checks under way, the last of which end when the scheduler
            # has ended already.
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                orders_in.send_nowait(Recheck(key=key, seconds=seconds))

        async def order(plan: Plan) -> None:
            running = self.running.get(plan.key) if isinstance(plan, Enrol) else None
            self.checking.expect(plan.key, running)
            if isinstance(plan, Drop):
                self.reporter.forget(plan.key)
            await plans_in.send(plan)
            orders_in.send_nowait(plan)

        async with trio.open_nursery() as stages:
            await stages.start(
                partial(
                    run_recorder,
                    results_out,
                    self.ledger,
                    self.writer,
                    self.running,
                    ask_recheck=ask_recheck,
                    timeout_of=self.checking.timeout_of,
                    now=now,
                )
            )
            await stages.start(
                partial(
                    run_checks,
                    due_out,
                    results_in,
                    self.running,
                    run_check=self._checked,
                    limiter=self.checking.limiter,
                    load=self.load,
                    now=now,
                )
            )
            await stages.start(
                partial(run_scheduler, orders_out, due_in, report_lag=self.instruments.lagged)
            )
            async with orders_in, plans_in, trio.open_nursery() as sources:
                await self._run_sources(sources, order)
                started()
                await stop.wait()
                self.ready = False
                sources.cancel_scope.cancel()
            stages.cancel_scope.deadline = trio.current_time() + GRACE_SECONDS

    async def _run_sources(
        self, sources: trio.Nursery, order: Callable[[Plan], Awaitable[None]]
    ) -> None:
        for cache, kind in ((self.settings, SETTINGS), (self.monitors, MONITOR)):
            cache.seed(await self.store.read(cached_documents, kind.name))
        await sources.start(run_events, self._events, self._create_event)
        for kind, cache in ((SETTINGS, self.settings), (MONITOR, self.monitors)):
            await sources.start(
                partial(
                    run_watch,
                    kind.name,
                    _ENDPOINTS[kind.name],
                    cache,
                    namespaces=self.config.watch_namespaces,
                    credentials=self.credentials,
                    follow=self.syncs.append,
                )
            )
        with trio.move_on_after(LIST_SECONDS):
            for sync in self.syncs:
                await sync.tried.wait()
        effects = self._effects(order)
        registry = {
            MONITOR.name: partial(reconcile_monitor, world=effects),
            SETTINGS.name: partial(reconcile_settings, world=effects),
        }
        await reconcile_settings(SETTINGS_KEY, effects)
        await sources.start(run_reconciler, self.queue, registry)
        sources.start_soon(self._publish_when_all_is_scheduled)
        sources.start_soon(self._drop_vanished)
        sources.start_soon(self._watch_vitals)
        sources.start_soon(self._refresh_uptimes)
        # What is alive now stays: looking through it again and again would only hold up everybody.
        gc.collect()
        gc.freeze()
        self.ready = True

    def _effects(self, order: Callable[[Plan], Awaitable[None]]) -> Effects:
        return Effects(
            monitors=self.monitors,
            settings=self.settings,
            running=self.running,
            secret=self.secrets.value,
            missing_checker=missing,
            order=order,
            publish=self._publish,
            settings_changed=self.checking.configure,
            health=lambda: health_conditions(self.vitals),
            again_after=lambda kind, key, seconds: self.queue.add_after(Item(kind, key), seconds),
            now=now,
        )

    # Small tasks of the program's own

    async def _publish_when_all_is_scheduled(self) -> None:
        # Thousands of first statuses would only keep the first checks waiting.
        await self.monitors.listed.wait()
        with trio.move_on_after(LONGEST_START_SECONDS):
            while len(self.queue):  # noqa: ASYNC110 - nobody else waits for it, and it is soon over
                await trio.sleep(0.05)
        _log.info("all monitors are scheduled", count=len(self.running))
        await run_publisher(self.lanes, self.reporter.write)

    async def _drop_vanished(self) -> None:
        """Find the monitors that were deleted while we were away."""
        await self.monitors.listed.wait()
        for key in tuple(self.ledger.states):
            if self.monitors.get(key) is None:
                self.queue.add(Item(MONITOR.name, key))

    async def _watch_vitals(self) -> None:
        skipped = 0
        while True:
            vitals = Vitals(
                database_error=self.store_health.error,
                waiting=self.load.waiting,
                skipped=self.load.skipped - skipped,
                at_once=round(self.checking.limiter.total_tokens),
            )
            skipped = self.load.skipped
            if health_conditions(vitals) != health_conditions(self.vitals):
                self.queue.add(Item(SETTINGS.name, SETTINGS_KEY))
            self.vitals = vitals
            await trio.sleep(HEALTH_EVERY_SECONDS)

    async def _refresh_uptimes(self) -> None:
        while True:
            began = trio.current_time()
            with suppress(StoreError):
                self.board.uptimes = await self.store.read(uptimes, tuple(WINDOWS), now())
            # The more there is to sum up, the rarer: so that it never costs much.
            spent = trio.current_time() - began
            await trio.sleep(max(UPTIME_EVERY_SECONDS, 300 * spent))

    # What stages are handed

    async def _checked(self, monitor: Monitor) -> CheckResult:
        result = await self.checking.check(monitor)
        self.instruments.checked(monitor, result)
        return result

    def _committed(self, recorded: Sequence[Recorded]) -> None:
        for each in recorded:
            transition = each.judgement.transition
            if each.judgement.standing_changed:
                self.reporter.changed(each.key)
            else:
                self.reporter.checked(each.key)
            if transition is not None:
                self._tell(transition_event(transition, each.uid))

    def _publish(self, verdicts: Verdicts) -> None:
        self.reporter.conditions(verdicts)
        invalid = became_invalid(verdicts)
        if invalid is not None:
            self._tell(invalid_event(verdicts, invalid, now()))

    def _tell(self, event: Event | None) -> None:
        if event is not None:
            with suppress(trio.WouldBlock, trio.BrokenResourceError):
                self._events_in.send_nowait(event)

    async def _create_event(self, event: Event) -> None:
        document = event_document(event, socket.gethostname())
        await self.client.create(EVENTS, event.key.namespace or "default", document)

    async def _apply_status(
        self, kind: str, key: Key, body: Document, manager: FieldManager
    ) -> None:
        await self.client.apply_status(_ENDPOINTS[kind], key, body, manager)

    async def _percents(self, key: Key) -> Mapping[str, str | None]:
        try:
            found = await self.store.read(uptimes_of, key, now())
        except StoreError:
            return {}
        return {name: uptime.percent for name, uptime in found.items()}

    def _cache(self, kind: str, load: Callable[[Document], Any]) -> Cache[Any]:
        return Cache(
            load,
            changed=lambda key: self.queue.add(Item(kind, key)),
            keep=lambda key, document: self.writer.add(
                Remembered(kind=kind, key=key, document=document)
            ),
        )

    def _not_ready(self) -> Mapping[str, str]:
        waits = {sync.kind: sync.error for sync in self.syncs if sync.error}
        if not self.ready:
            waits["start"] = "resources are being listed"
        if self.store_health.error:
            waits["database"] = self.store_health.error
        return waits

    def _figures(self) -> Iterator[Figure]:
        yield build_info()
        load, health, limiter = self.load, self.store_health, self.checking.limiter
        yield from gauges(
            monitors_watched=("Monitors on the agenda, or paused.", len(self.running)),
            checks_in_flight=("Checks under way.", load.in_flight),
            checks_waiting=("Checks that are due and wait for a place.", load.waiting),
            checks_at_once=("Checks that may run at once.", limiter.total_tokens),
            reconcile_queue_depth=("Objects that wait to be reconciled.", len(self.queue)),
            status_queue_depth=("Status writes that wait.", len(self.lanes)),
            history_queue_depth=("Entries that wait for their commit.", health.waiting),
            ready=("1 once everything works.", float(not self._not_ready())),
        )
        yield from counts(
            checks_skipped=("Checks left out while the last was under way.", load.skipped),
            status_errors=("Status writes that failed.", self.lanes.errors),
            history_errors=("Commits that failed.", health.errors),
            history_commits=("Commits.", health.commits),
            history_shed=("Heartbeats shed while the database was away.", health.shed),
        )
        for sync in self.syncs:
            labels = {"kind": sync.kind}
            for name, doc, value in (
                ("watch_lists", "Lists asked of the API server.", sync.lists),
                ("watch_events", "Events of watches.", sync.events),
                ("watch_errors", "Failures to follow the API server.", sync.errors),
            ):
                yield Figure(name=name, doc=doc, value=value, labels=labels, counts=True)
