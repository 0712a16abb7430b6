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
from typing import Final

import attrs
import structlog
import trio

from kubekuma.check.available import missing
from kubekuma.check.live import Checking
from kubekuma.check.service import CheckLoad, run_checks
from kubekuma.following import unfollowed, unlisted, watch_figures
from kubekuma.kit.boottime import boottime
from kubekuma.kit.server import serve_app
from kubekuma.kit.watchdog import watch_loop
from kubekuma.kube.client import EVENTS, Document, FieldManager, KubeClient
from kubekuma.kube.credentials import Credentials, load_credentials
from kubekuma.kube.events import Event, event_document
from kubekuma.kube.lease import Lease, Timing
from kubekuma.kube.lease_api import KubeLease
from kubekuma.kube.lease_fence import Leadership, Standing
from kubekuma.kube.lease_service import Election, hold_lease
from kubekuma.kube.secrets import SecretCache, read_secret
from kubekuma.lead import (
    Throne,
    ails,
    leadership_figures,
    lease_key,
    new_identity,
    standby_reason,
)
from kubekuma.model.kinds import MONITOR, SETTINGS
from kubekuma.model.meta import Key
from kubekuma.model.monitor import Monitor
from kubekuma.model.order import Enrol, Order, Plan, Recheck
from kubekuma.model.result import CheckResult
from kubekuma.model.settings import SETTINGS_NAME, OnApiUnavailable
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
    reconcile_settings,
    settings_in_force,
)
from kubekuma.record.crd_cache import cached_documents
from kubekuma.record.database import Database, StoreError
from kubekuma.record.ledger import Ledger, Recorded
from kubekuma.record.service import run_recorder
from kubekuma.record.states import load_states
from kubekuma.record.store import Readers
from kubekuma.record.uptime import WINDOWS, uptimes, uptimes_of
from kubekuma.record.writer import Document as Remembered
from kubekuma.record.writer import StoreHealth, Writer
from kubekuma.resources import ENDPOINTS, Resources
from kubekuma.schedule.service import run_scheduler
from kubekuma.serve.board import Board
from kubekuma.serve.health import health_routes
from kubekuma.serve.index import index_routes
from kubekuma.serve.metrics import Figure, Instruments, build_info, counts, gauges, metrics_routes
from kubekuma.serve.monitors import monitor_routes
from kubekuma.serve.server import WebApp, build_app

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


@attrs.frozen(kw_only=True)
class Config:
    """What the process is told at its start."""

    database: Database
    kubeconfig: Path | None = None
    listen: str = "127.0.0.1:3000"
    watch_namespaces: tuple[str, ...] = ()
    kube_namespace: str = "monitoring"  # where the Lease is
    pod: str = attrs.field(factory=socket.gethostname)
    timing: Timing = attrs.field(factory=Timing)
    embedded: bool = False  # the API server is on this machine, and nobody else's


def now() -> datetime:
    """The wall clock, for every stage that is handed a time."""
    return datetime.now(UTC)


def _nobody_is_told(_: float) -> None:
    """The default of ``losing``."""


async def run_program(
    config: Config,
    *,
    stop: trio.Event,
    losing: Callable[[float], None] = _nobody_is_told,
    task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run everything until ``stop``, then let it run dry.

    Reports the server's URL once everything works, or once it is clear that
    another process leads. The server starts first, so that health can always
    be asked; the Lease is given back last. ``losing`` is told when the Lease
    is lost, and how many seconds are left then for the work to end.

    Raises NoCredentialsError, SchemaTooNewError or OSError for what must be
    put right before a start, and LeaseLostError when others may lead: the
    process should end then, as whatever comes after it begins anew.
    """
    # Checks leave little behind that counting references does not free: looking for it after each
    # 700 objects, as is usual, costs a tenth of their time, and more of a start's.
    gc.set_threshold(20_000, 50, 100)
    program = await assemble(config)
    try:
        async with trio.open_nursery() as nursery:
            url = await nursery.start(program.serve)
            _log.info("serving", url=url)
            try:
                async with trio.open_nursery() as always:
                    await program.watch(always, stop)
                    always.start_soon(program.report_settled, partial(task_status.started, url))
                    lead = partial(program.lead, stop=stop)
                    await hold_lease(program.election(losing), lead, stop=stop)
                    await program.settled.wait()
                    always.cancel_scope.cancel()
            finally:
                program.closing.set()
    finally:
        await program.aclose()


async def assemble(config: Config) -> "Program":
    """Everything that the stages share, with what an earlier run has left."""
    credentials = await load_credentials(config.kubeconfig)
    readers = Readers(config.database)
    ledger = Ledger({}, {})
    with suppress(StoreError):
        ledger.replace(*await readers.read(load_states))
    # Of its own: whoever waits for a new token elsewhere must not keep the Lease waiting.
    own = await load_credentials(config.kubeconfig)
    lease = KubeLease(own, lease_key(config.kube_namespace), config.timing)
    return Program(
        config=config,
        credentials=credentials,
        readers=readers,
        lease=lease,
        client=KubeClient(credentials),
        ledger=ledger,
    )


@attrs.define(kw_only=True, eq=False)
class Program:
    """The stages' shared ends: queues, channels and the few things that one writes, others read."""

    config: Config
    credentials: Credentials
    readers: Readers
    lease: KubeLease
    client: KubeClient
    ledger: Ledger
    running: dict[Key, Monitor] = attrs.field(factory=dict)
    lanes: Lanes[Line] = attrs.field(factory=Lanes)
    load: CheckLoad = attrs.field(factory=CheckLoad)
    store_health: StoreHealth = attrs.field(factory=StoreHealth)
    resources: Resources = attrs.field(init=False)
    secrets: SecretCache = attrs.field(init=False)
    ready: bool = False
    leadership: Leadership = attrs.field(init=False)
    throne: Throne = attrs.field(init=False)
    closing: trio.Event = attrs.field(factory=trio.Event)  # the server is to end
    closed: trio.Event = attrs.field(factory=trio.Event)  # and has
    working: trio.Event = attrs.field(factory=trio.Event)
    settled: trio.Event = attrs.field(factory=trio.Event)  # we work, or it is clear that we do not
    stalls: int = 0
    unread: str = ""  # why history could not be read the last time
    checking: Checking = attrs.field(init=False)
    writer: Writer | None = None  # there is one while we lead
    unwritten: dict[tuple[str, Key], Remembered] = attrs.field(factory=dict)
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
        self.checking = Checking(self.secrets.value, descriptors=descriptors, now=now)
        self.resources = Resources(
            home=self.config.kube_namespace, states=self.ledger.states, keep=self._remember
        )
        self.leadership = Leadership(boottime, self._continues)
        self.throne = Throne(
            database=self.config.database,
            readers=self.readers,
            identity=new_identity(self.config.pod),
            leadership=self.leadership,
            embedded=self.config.embedded,
        )
        self.board = Board(monitors=self.resources.monitors, states=self.ledger.states)
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
                health_routes(
                    self._not_ready,
                    partial(ails, self.leadership, self.config.timing),
                    self._no_standby,
                ),
                metrics_routes(
                    self.board, self.instruments, lambda: standby_reason(self.leadership) is None
                ),
                monitor_routes(self.board, self.readers, now),
            )
        )

    # What runs on every replica

    async def serve(self, *, task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until ``closing``; reports where."""
        try:
            async with trio.open_nursery() as nursery:
                serve = partial(serve_app, self.web_app(), [self.config.listen], stop=self.closing)
                (url, *_) = await nursery.start(serve)
                task_status.started(url)
        finally:
            self.closed.set()

    async def watch(self, always: trio.Nursery, stop: trio.Event) -> None:
        """Follow the cluster until ``stop``, and the database while another writes to it."""
        with suppress(StoreError):
            await self.resources.seed(lambda kind: self.readers.read(cached_documents, kind))
        await always.start(self._run_watches, stop)
        await always.start(watch_loop, self._stalled)
        # Whether there is to be a Lease at all, the settings say.
        with trio.move_on_after(LIST_SECONDS):
            for sync in self.resources.of(SETTINGS.name):
                await sync.tried.wait()

    async def _run_watches(
        self, stop: trio.Event, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        async with trio.open_nursery() as watches:
            await watches.start(
                partial(
                    self.resources.run_watches,
                    namespaces=self.config.watch_namespaces,
                    credentials=self.credentials,
                )
            )
            watches.start_soon(self._follow_history)
            task_status.started()
            await stop.wait()
            watches.cancel_scope.cancel()

    async def report_settled(self, started: Callable[[], None]) -> None:
        """Call ``started`` once everything works, or it is clear that we do not lead."""
        await self.leadership.settled.wait()
        if self.leadership.is_held:
            await self.working.wait()
        started()
        self.settled.set()

    def election(self, losing: Callable[[float], None]) -> Election:
        """How it is decided who leads."""
        return Election(
            api=self.lease,
            key=lease_key(self.config.kube_namespace),
            identity=self.throne.identity,
            timing=self.config.timing,
            leadership=self.leadership,
            gather=self.throne.gather,
            required=lambda: (
                settings_in_force(self.resources.settings).mode.single_instance_required
            ),
            losing=losing,
        )

    async def aclose(self) -> None:
        """Close what is open; nothing runs any more."""
        with trio.move_on_after(1, shield=True):
            await self.client.aclose()
            await self.lease.aclose()
        self.throne.release()
        self.readers.close()

    # What runs while we lead

    async def lead(self, before: Lease | None, *, stop: trio.Event) -> None:
        """Work until ``stop``; the Lease was claimed over ``before``."""
        store = await self.throne.take(before, stop)
        if store is None:
            self.working.set()  # nobody need wait for it any more
            return
        try:
            self.ledger.replace(*await store.read(load_states))
            self.writer = Writer(store, self._committed, self.store_health)
            for each in self.unwritten.values():
                self.writer.add(each)
            self.unwritten.clear()
            await self.run(self.writer, stop, self.working.set)
            # Whoever reads must have ended before the database does.
            self.closing.set()
            await self.closed.wait()
            self.readers.close()
            await self.throne.finish(store)
        finally:
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(store.close)

    async def run(self, writer: Writer, stop: trio.Event, started: Callable[[], None]) -> None:
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
            await plans_in.send(plan)
            orders_in.send_nowait(plan)

        async with trio.open_nursery() as stages:
            await stages.start(
                partial(
                    run_recorder,
                    results_out,
                    self.ledger,
                    writer,
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
        await sources.start(run_events, self._events, self._create_event)
        with trio.move_on_after(LIST_SECONDS):
            for sync in self.resources.syncs:
                await sync.tried.wait()
        effects = self._effects(order)
        await reconcile_settings(SETTINGS_KEY, effects)
        registry = self.resources.registry(effects)
        await sources.start(run_reconciler, self.resources.queue, registry)
        sources.start_soon(self._publish_when_all_is_scheduled)
        sources.start_soon(self._drop_vanished)
        sources.start_soon(self._watch_vitals)
        # What is alive now stays: looking through it again and again would only hold up everybody.
        gc.collect()
        gc.freeze()
        self.ready = True

    def _effects(self, order: Callable[[Plan], Awaitable[None]]) -> Effects:
        return Effects(
            world=self.resources.world,
            running=self.running,
            secret=self.secrets.value,
            missing_checker=missing,
            order=order,
            publish=self._publish,
            forget=self.reporter.forget,
            settings_changed=self.checking.configure,
            health=lambda: (*health_conditions(self.vitals), *self.throne.conditions()),
            again_after=lambda kind, key, seconds: self.resources.queue.add_after(
                Item(kind, key), seconds
            ),
            now=now,
        )

    # Small tasks of the program's own

    async def _publish_when_all_is_scheduled(self) -> None:
        # Thousands of first statuses would only keep the first checks waiting.
        await self.resources.listed()
        with trio.move_on_after(LONGEST_START_SECONDS):
            while len(self.resources.queue):  # noqa: ASYNC110 - nobody else waits for it, and it is soon over
                await trio.sleep(0.05)
        _log.info("all monitors are scheduled", count=len(self.running))
        await run_publisher(self.lanes, self.reporter.write)

    async def _drop_vanished(self) -> None:
        """Find the monitors that were deleted while we were away."""
        await self.resources.listed()
        for key in tuple(self.ledger.states):
            if self.resources.monitors.get(key) is None:
                self.resources.queue.add(Item(MONITOR.name, key))

    async def _watch_vitals(self) -> None:
        skipped = 0
        while True:
            vitals = Vitals(
                database_error=self.store_health.error,
                unfollowed=unfollowed(self.resources.syncs, trio.current_time()),
                waiting=self.load.waiting,
                skipped=self.load.skipped - skipped,
                at_once=round(self.checking.limiter.total_tokens),
            )
            skipped = self.load.skipped
            if health_conditions(vitals) != health_conditions(self.vitals):
                self.resources.queue.add(Item(SETTINGS.name, SETTINGS_KEY))
            self.vitals = vitals
            await trio.sleep(HEALTH_EVERY_SECONDS)

    async def _follow_history(self) -> None:
        while True:
            began = trio.current_time()
            try:
                await self._read_history()
                self.unread = ""
            except StoreError as error:
                self.unread = str(error)
            # The more there is to sum up, the rarer: so that it never costs much.
            spent = trio.current_time() - began
            await trio.sleep(max(UPTIME_EVERY_SECONDS, 300 * spent))

    async def _read_history(self) -> None:
        self.board.uptimes = await self.readers.read(uptimes, tuple(WINDOWS), now())
        recorded = await self.readers.read(load_states) if self.writer is None else None
        # The database may have become ours meanwhile, and we know better.
        if recorded is not None and not self.leadership.history:
            self.ledger.replace(*recorded)

    # What stages are handed

    async def _checked(self, monitor: Monitor) -> CheckResult:
        self.leadership.check_work()
        result = await self.checking.check(monitor)
        self.instruments.checked(monitor, result)
        return result

    def _committed(self, recorded: Sequence[Recorded]) -> None:
        for each in recorded:
            running = self.running.get(each.key)
            origin = running.meta.origin if running is not None else None
            if origin is not None:
                if each.judgement.standing_changed:
                    self.resources.item_changed(origin)
            elif each.judgement.standing_changed:
                self.reporter.changed(each.key)
            else:
                self.reporter.checked(each.key)
            if each.judgement.transition is not None:
                self._tell(transition_event(each.judgement.transition, each.uid, origin))

    def _publish(self, verdicts: Verdicts) -> None:
        if verdicts.meta.origin is not None:
            self.resources.said_of_item(verdicts)
            return
        self.reporter.conditions(verdicts)
        invalid = became_invalid(verdicts)
        if invalid is not None:
            self._tell(invalid_event(verdicts, invalid, now()))

    def _tell(self, event: Event | None) -> None:
        if event is not None:
            with suppress(trio.WouldBlock, trio.BrokenResourceError):
                self._events_in.send_nowait(event)

    async def _create_event(self, event: Event) -> None:
        self.leadership.check()
        document = event_document(event, socket.gethostname())
        await self.client.create(EVENTS, event.key.namespace or "default", document)

    async def _apply_status(
        self, kind: str, key: Key, body: Document, manager: FieldManager
    ) -> None:
        self.leadership.check()
        await self.client.apply_status(ENDPOINTS[kind], key, body, manager)

    async def _percents(self, key: Key) -> Mapping[str, str | None]:
        try:
            found = await self.readers.read(uptimes_of, key, now())
        except StoreError:
            return {}
        return {name: uptime.percent for name, uptime in found.items()}

    def _remember(self, kind: str, key: Key, document: Document | None) -> None:
        # On standby another process writes: what is newest is written once it is our turn.
        entry = Remembered(kind=kind, key=key, document=document)
        if self.writer is None:
            self.unwritten[kind, key] = entry
        else:
            self.writer.add(entry)

    def _continues(self) -> bool:
        wanted = settings_in_force(self.resources.settings).leader_election.on_api_unavailable
        return wanted is OnApiUnavailable.CONTINUE

    def _stalled(self, seconds: float, where: str) -> None:
        self.stalls += 1
        _log.error("the event loop stood still", seconds=round(seconds, 1), where=where)

    def _no_standby(self) -> Mapping[str, str]:
        if standby_reason(self.leadership) is None:
            return self._not_ready()
        waits = unlisted(self.resources.syncs)
        if self.leadership.standing is Standing.LOST:
            waits["leadership"] = self.leadership.why
        if self.unread:
            waits["database"] = self.unread
        return waits

    def _not_ready(self) -> Mapping[str, str]:
        waits = unlisted(self.resources.syncs)
        standby = standby_reason(self.leadership)
        if standby is not None:
            waits["leadership"] = standby
        elif not self.ready:
            waits["start"] = "resources are being listed"
        if self.store_health.error:
            waits["database"] = self.store_health.error
        return waits

    def _figures(self) -> Iterator[Figure]:
        yield build_info()
        yield from leadership_figures(self.leadership, self.stalls)
        load, health, limiter = self.load, self.store_health, self.checking.limiter
        yield from gauges(
            monitors_watched=("Monitors on the agenda, or paused.", len(self.running)),
            checks_in_flight=("Checks under way.", load.in_flight),
            checks_waiting=("Checks that are due and wait for a place.", load.waiting),
            checks_at_once=("Checks that may run at once.", limiter.total_tokens),
            reconcile_queue_depth=(
                "Objects that wait to be reconciled.",
                len(self.resources.queue),
            ),
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
        yield from watch_figures(self.resources.syncs, trio.current_time())
