"""Composition root: starts sinks before sources, and stops in flow order."""

import gc
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final

import attrs
import structlog
import trio

from kubekuma.kit.server import serve_app
from kubekuma.kit.watchdog import watch_loop
from kubekuma.kube.lease import Lease
from kubekuma.kube.lease_service import Election, hold_lease
from kubekuma.lead import ails, lease_key, standby_reason
from kubekuma.model.kinds import SETTINGS
from kubekuma.parts import Config, Parts, assemble, now
from kubekuma.pipeline import Pipeline
from kubekuma.record.crd_cache import cached_documents
from kubekuma.record.database import StoreError
from kubekuma.record.states import load_states
from kubekuma.record.upkeep import run_upkeep
from kubekuma.record.uptime import WINDOWS, uptimes
from kubekuma.record.writer import Writer
from kubekuma.serve.acknowledge import acknowledge_routes
from kubekuma.serve.alerts import alert_routes
from kubekuma.serve.health import health_routes
from kubekuma.serve.index import index_routes
from kubekuma.serve.metrics import Instruments, metrics_routes
from kubekuma.serve.monitors import monitor_routes
from kubekuma.serve.push import push_routes
from kubekuma.serve.server import WebApp, build_app
from kubekuma.signs import figures, no_standby, not_ready, takes_nothing

_log = structlog.get_logger(__name__)

UPTIME_EVERY_SECONDS: Final = 5.0
# Checks leave little behind that counting references does not free: looking for it after each 700
# objects, as is usual, costs a tenth of their time, and more of a start's.
COLLECTIONS: Final = (20_000, 50, 100)


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
    gc.set_threshold(*COLLECTIONS)
    parts = await assemble(config)
    program = Program(parts)
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
        await parts.aclose()


@attrs.define(eq=False)
class Program:
    """What runs on every replica, and the turn of the one that leads."""

    parts: Parts
    closing: trio.Event = attrs.field(factory=trio.Event, init=False)  # the server is to end
    closed: trio.Event = attrs.field(factory=trio.Event, init=False)  # and has
    working: trio.Event = attrs.field(factory=trio.Event, init=False)
    # We work, or it is clear that we do not.
    settled: trio.Event = attrs.field(factory=trio.Event, init=False)
    instruments: Instruments = attrs.field(init=False)
    pipeline: Pipeline = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.instruments = Instruments(partial(figures, self.parts))
        self.pipeline = Pipeline(parts=self.parts, instruments=self.instruments)

    def web_app(self) -> WebApp:
        """Everything that is served."""
        parts = self.parts
        return build_app(
            (
                index_routes(),
                health_routes(
                    partial(not_ready, parts),
                    partial(ails, parts.leadership, parts.config.timing),
                    partial(no_standby, parts),
                ),
                metrics_routes(
                    parts.board,
                    self.instruments,
                    lambda: standby_reason(parts.leadership) is None,
                ),
                monitor_routes(parts.board, parts.readers, now),
                alert_routes(parts.board, parts.readers, now),
                push_routes(self.pipeline.take, partial(takes_nothing, parts), trio.current_time),
                acknowledge_routes(
                    lambda: self.pipeline.acknowledging,
                    partial(takes_nothing, parts),
                    trio.current_time,
                ),
            )
        )

    async def serve(self, *, task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until ``closing``; reports where."""
        try:
            async with trio.open_nursery() as nursery:
                listen = [self.parts.config.listen]
                serve = partial(serve_app, self.web_app(), listen, stop=self.closing)
                (url, *_) = await nursery.start(serve)
                task_status.started(url)
        finally:
            self.closed.set()

    async def watch(self, always: trio.Nursery, stop: trio.Event) -> None:
        """Follow the cluster until ``stop``, and the database while another writes to it."""
        parts = self.parts
        with suppress(StoreError):
            await parts.resources.seed(lambda kind: parts.readers.read(cached_documents, kind))
        await always.start(self._run_watches, stop)
        await always.start(watch_loop, self._stalled)
        # Whether there is to be a Lease at all, the settings say.
        await parts.resources.tried(SETTINGS.name)

    async def report_settled(self, started: Callable[[], None]) -> None:
        """Call ``started`` once everything works, or it is clear that we do not lead."""
        await self.parts.leadership.settled.wait()
        if self.parts.leadership.is_held:
            await self.working.wait()
        started()
        self.settled.set()

    def election(self, losing: Callable[[float], None]) -> Election:
        """How it is decided who leads."""
        parts = self.parts
        return Election(
            api=parts.lease,
            key=lease_key(parts.config.kube_namespace),
            identity=parts.throne.identity,
            timing=parts.config.timing,
            leadership=parts.leadership,
            gather=parts.throne.gather,
            required=lambda: parts.settings.mode.single_instance_required,
            losing=losing,
        )

    async def lead(self, before: Lease | None, *, stop: trio.Event) -> None:
        """Work until ``stop``; the Lease was claimed over ``before``."""
        parts = self.parts
        store = await parts.throne.take(before, stop)
        if store is None:
            self.working.set()  # nobody need wait for it any more
            return
        try:
            parts.ledger.replace(*await store.read(load_states))
            parts.writer = Writer(store, self.pipeline.committed, parts.store_health)
            for each in parts.unwritten.values():
                parts.writer.add(each)
            parts.unwritten.clear()
            async with trio.open_nursery() as beside:
                await beside.start(
                    partial(
                        run_upkeep,
                        store,
                        parts.upkeep_health,
                        retention=lambda: parts.settings.retention,
                        now=now,
                    )
                )
                await self.pipeline.run(store, parts.writer, stop, self.working.set)
                beside.cancel_scope.cancel()
            # Whoever reads must have ended before the database does.
            self.closing.set()
            await self.closed.wait()
            parts.readers.close()
            await parts.throne.finish(store)
        finally:
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(store.close)

    async def _run_watches(
        self, stop: trio.Event, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        async with trio.open_nursery() as watches:
            await watches.start(
                partial(
                    self.parts.resources.run_watches,
                    namespaces=self.parts.config.watch_namespaces,
                    credentials=self.parts.credentials,
                )
            )
            watches.start_soon(self._follow_history)
            task_status.started()
            await stop.wait()
            watches.cancel_scope.cancel()

    async def _follow_history(self) -> None:
        while True:
            began = trio.current_time()
            try:
                await self._read_history()
                self.parts.unread = ""
            except StoreError as error:
                self.parts.unread = str(error)
            # The more there is to sum up, the rarer: so that it never costs much.
            spent = trio.current_time() - began
            await trio.sleep(max(UPTIME_EVERY_SECONDS, 300 * spent))

    async def _read_history(self) -> None:
        parts = self.parts
        parts.board.uptimes = await parts.readers.read(uptimes, tuple(WINDOWS), now())
        recorded = await parts.readers.read(load_states) if parts.writer is None else None
        # The database may have become ours meanwhile, and we know better.
        if recorded is not None and not parts.leadership.history:
            parts.ledger.replace(*recorded)

    def _stalled(self, seconds: float, where: str) -> None:
        self.parts.stalls += 1
        _log.error("the event loop stood still", seconds=round(seconds, 1), where=where)
