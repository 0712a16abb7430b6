"""What the stages share, and the few things that one of them writes and others read."""

import random
import resource
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import attrs
import trio

from kubekuma.alert.route import Directory, routes
from kubekuma.check.gate import Gate
from kubekuma.check.inside import Inside, Member
from kubekuma.check.live import Checking
from kubekuma.check.service import CheckLoad
from kubekuma.connectivity import Witnesses
from kubekuma.deliver.available import missing
from kubekuma.deliver.service import Deliveries, health_of
from kubekuma.kit.boottime import boottime
from kubekuma.kube.client import EVENTS, Document, FieldManager, KubeClient
from kubekuma.kube.credentials import Credentials, load_credentials
from kubekuma.kube.events import Event, event_document
from kubekuma.kube.lease import Timing
from kubekuma.kube.lease_api import KubeLease
from kubekuma.kube.lease_fence import Leadership
from kubekuma.kube.secrets import SecretCache, read_secret
from kubekuma.lead import Throne, lease_key, new_identity
from kubekuma.model.meta import Key
from kubekuma.model.monitor import Monitor
from kubekuma.model.policy import Happening
from kubekuma.model.settings import OnApiUnavailable, SettingsSpec
from kubekuma.model.state import Verdict
from kubekuma.overlays import Overlays
from kubekuma.pushes import Pushes
from kubekuma.reconcile.health import Vitals
from kubekuma.reconcile.members import members
from kubekuma.reconcile.publish import Lanes
from kubekuma.reconcile.report import Line, Reporter
from kubekuma.reconcile.tell import MOST_WAITING
from kubekuma.reconcile.worker import settings_in_force
from kubekuma.record.database import Database, StoreError
from kubekuma.record.ledger import Ledger
from kubekuma.record.states import load_states
from kubekuma.record.store import Readers
from kubekuma.record.upkeep import UpkeepHealth
from kubekuma.record.uptime import uptimes_of
from kubekuma.record.writer import Document as Remembered
from kubekuma.record.writer import StoreHealth, Writer
from kubekuma.resources import ENDPOINTS, Resources
from kubekuma.serve.board import Board
from kubekuma.validate.seen import in_force
from kubekuma.workloads import Workloads


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
    external_url: str = ""  # where people reach the server; empty: nobody has said


def now() -> datetime:
    """The wall clock, for every stage that is handed a time."""
    return datetime.now(UTC)


async def assemble(config: Config) -> "Parts":
    """Everything that the stages share, with what an earlier run has left.

    Raises NoCredentialsError.
    """
    credentials = await load_credentials(config.kubeconfig)
    readers = Readers(config.database)
    ledger = Ledger({}, {})
    with suppress(StoreError):
        ledger.replace(*await readers.read(load_states))
    # Of its own: whoever waits for a new token elsewhere must not keep the Lease waiting.
    own = await load_credentials(config.kubeconfig)
    lease = KubeLease(own, lease_key(config.kube_namespace), config.timing)
    return Parts(
        config=config,
        credentials=credentials,
        readers=readers,
        lease=lease,
        client=KubeClient(credentials),
        ledger=ledger,
    )


@attrs.define(kw_only=True, eq=False)
class Parts:
    """The stages' shared ends."""

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
    upkeep_health: UpkeepHealth = attrs.field(factory=UpkeepHealth)
    vitals: Vitals = attrs.field(factory=Vitals)
    deliveries: Deliveries = attrs.field(factory=Deliveries)
    ready: bool = False  # what is watched is known, and checked
    stalls: int = 0
    unread: str = ""  # why history could not be read the last time
    writer: Writer | None = None  # there is one while we lead
    unwritten: dict[tuple[str, Key], Remembered] = attrs.field(factory=dict)
    resources: Resources = attrs.field(init=False)
    secrets: SecretCache = attrs.field(init=False)
    pushes: Pushes = attrs.field(init=False)
    workloads: Workloads = attrs.field(init=False)
    overlays: Overlays = attrs.field(init=False)
    checking: Checking = attrs.field(init=False)
    gate: Gate = attrs.field(init=False)
    leadership: Leadership = attrs.field(init=False)
    throne: Throne = attrs.field(init=False)
    board: Board = attrs.field(init=False)
    reporter: Reporter = attrs.field(init=False)
    events: trio.MemoryReceiveChannel[Event] = attrs.field(init=False)
    _directory: Directory = attrs.field(init=False)
    _directory_of: int = attrs.field(default=-1, init=False)
    _events_in: trio.MemorySendChannel[Event] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.secrets = SecretCache(partial(read_secret, self.client))
        self._events_in, self.events = trio.open_memory_channel[Event](MOST_WAITING)
        descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.pushes = Pushes(self.ledger.states, now)
        self.workloads = Workloads(self.credentials, self.client)
        self.overlays = Overlays(self.running, self.ledger.states, self.config.kube_namespace)
        self.checking = Checking(
            self.secrets.value,
            inside=Inside(
                members=self._members,
                listening=self.pushes.listening,
                workloads=self.workloads.of,
            ),
            descriptors=descriptors,
            now=now,
        )
        self.resources = Resources(
            home=self.config.kube_namespace,
            states=self.ledger.states,
            keep=self._remember,
            delivered=partial(health_of, self.deliveries),
            unsendable=missing,
        )
        witnesses = Witnesses(lambda: self.checking.settings, self.resources.world.providers)
        self.gate = Gate(witnesses, self.checking.ask_witness, now)
        self.leadership = Leadership(boottime, self._continues)
        self.throne = Throne(
            database=self.config.database,
            readers=self.readers,
            identity=new_identity(self.config.pod),
            leadership=self.leadership,
            embedded=self.config.embedded,
        )
        self.board = Board(monitors=self.resources.monitors, states=self.ledger.states)
        self.reporter = Reporter(
            self.lanes,
            self.running,
            self.ledger.states,
            uptimes=self._percents,
            notifies=lambda it: len(routes(it, Happening.DOWN, self.directory)),
            apply_status=self._apply_status,
            refresh_seconds=lambda: self.checking.settings.scheduler.status_refresh_seconds,
            chance=random.random,
            now=now,
        )

    @property
    def settings(self) -> SettingsSpec:
        """The settings as the cluster has them now."""
        return settings_in_force(self.resources.settings)

    @property
    def directory(self) -> Directory:
        """The policies and providers that there are, in order: looked through once a change."""
        if self.resources.routing != self._directory_of:
            world = self.resources.world
            self._directory = Directory(
                home=world.home, policies=world.policies, providers=world.providers
            )
            self._directory_of = self.resources.routing
        return self._directory

    def tell(self, event: Event | None) -> None:
        """Have ``event`` made known in the cluster, unless too many wait already."""
        if event is not None:
            with suppress(trio.WouldBlock, trio.BrokenResourceError):
                self._events_in.send_nowait(event)

    async def create_event(self, event: Event) -> None:
        """Make ``event`` known. Raises LeaseLostError, and what the client raises."""
        self.leadership.check()
        document = event_document(event, socket.gethostname())
        await self.client.create(EVENTS, event.key.namespace or "default", document)

    async def aclose(self) -> None:
        """Close what is open; nothing runs any more."""
        with trio.move_on_after(1, shield=True):
            await self.client.aclose()
            await self.lease.aclose()
        self.throne.release()
        self.readers.close()

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

    def _members(self, key: Key) -> Sequence[Member]:
        group, world = self.running.get(key), self.resources.world
        if group is None:
            return ()
        found = ((key, in_force(world.monitors, key)) for key in members(group, world))
        return [
            Member(key=key, verdict=self._verdict(key))
            for key, monitor in found
            if monitor is None or monitor.spec.enabled
        ]

    def _verdict(self, key: Key) -> Verdict:
        state = self.ledger.states.get(key)
        if state is None or key not in self.running:
            return Verdict.UNKNOWN
        standing = state.standing
        # What is doubted is what it was, until it is something else.
        doubted = standing.verdict is Verdict.PENDING
        return standing.settled or Verdict.UNKNOWN if doubted else standing.verdict

    def _continues(self) -> bool:
        wanted = self.settings.leader_election.on_api_unavailable
        return wanted is OnApiUnavailable.CONTINUE
