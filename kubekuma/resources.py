"""What the cluster says: the caches of all kinds, and who must look again when one has changed."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final

import trio

from kubekuma.kit.workqueue import WorkQueue
from kubekuma.kube.client import OUR_ROOT, Document, Endpoint
from kubekuma.kube.credentials import Credentials
from kubekuma.model.kinds import (
    API_KEY,
    KINDS,
    MONITOR,
    MONITOR_SET,
    PAGE,
    POLICY,
    PROVIDER,
    SETTINGS,
    USER,
    Kind,
)
from kubekuma.model.meta import Condition, Key
from kubekuma.model.provider import ProviderSpec
from kubekuma.model.settings import Settings
from kubekuma.model.state import MonitorState
from kubekuma.reconcile.registry import REFERRERS
from kubekuma.reconcile.service import Item
from kubekuma.reconcile.worker import (
    Effects,
    Verdicts,
    reconcile_monitor,
    reconcile_other,
    reconcile_settings,
)
from kubekuma.reconcile.world import World
from kubekuma.validate.load import load
from kubekuma.validate.seen import Objects
from kubekuma.watch.cache import Cache
from kubekuma.watch.monitors import Monitors
from kubekuma.watch.service import run_watch
from kubekuma.watch.sync import Sync

ENDPOINTS: Final = {each.name: Endpoint(OUR_ROOT, each.plural, each.namespaced) for each in KINDS}
# What checks rest on comes first; of the others, nobody is in a hurry.
ESSENTIAL: Final = (SETTINGS.name, MONITOR.name, MONITOR_SET.name)
# Without the API server we start with what we knew last.
LIST_SECONDS: Final = 10.0
# Thousands of changes come together: who refers to them looks once at all of them.
FOLLOW_SECONDS: Final = 1.0
# How long what is said of a set's items may wait for more of it.
SET_SECONDS: Final = 10.0
# Items of sets that are invalid, beside the kinds themselves.
KEPT_ITEMS: Final = "MonitorSet.item"


class Resources:
    """One cache for each kind, the monitors of all of them, and the queue of what has changed."""

    def __init__(
        self,
        *,
        home: str,
        states: Mapping[Key, MonitorState],
        keep: Callable[[str, Key, Document | None], None],
        delivered: Callable[[Key], Mapping[str, Any]],
        unsendable: Callable[[ProviderSpec], str | None],
    ) -> None:
        self.queue: WorkQueue[Item] = WorkQueue()
        self.syncs: list[Sync] = []
        self.routing = 0  # how often policies and providers have changed
        self.items: dict[Key, tuple[Condition, ...]] = {}
        self._noted: set[str] = set()
        self._changed = trio.Event()
        self._caches: dict[str, Cache[Any]] = {
            kind.name: Cache(
                partial(load, kind), partial(self._look, kind), partial(keep, kind.name)
            )
            for kind in KINDS
        }
        self.monitors = Monitors(
            self._caches[MONITOR.name],
            self._caches[MONITOR_SET.name],
            changed=partial(self._look, MONITOR),
            keep=partial(keep, KEPT_ITEMS),
        )
        self.world = World(
            home=home,
            settings=self._caches[SETTINGS.name],
            singles=self._caches[MONITOR.name],
            monitors=self.monitors,
            sets=self._caches[MONITOR_SET.name],
            providers=self._caches[PROVIDER.name],
            policies=self._caches[POLICY.name],
            pages=self._caches[PAGE.name],
            users=self._caches[USER.name],
            keys=self._caches[API_KEY.name],
            states=states,
            items=self.items,
            delivered=delivered,
            unsendable=unsendable,
        )

    @property
    def settings(self) -> Cache[Settings]:
        """The settings, which are one object at most."""
        return self._caches[SETTINGS.name]

    def objects(self) -> Iterator[tuple[str, Objects[Any]]]:
        """Everything there is, by kind."""
        return iter(self._caches.items())

    async def seed(self, read: Callable[[str], Awaitable[list[Document]]]) -> None:
        """Begin with what an earlier run has kept; ``read`` finds it by kind."""
        self.monitors.seed(await read(KEPT_ITEMS))
        for kind, cache in self._caches.items():
            cache.seed(await read(kind))

    async def run_watches(
        self,
        *,
        namespaces: tuple[str, ...],
        credentials: Credentials,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Follow every kind, and tell who refers to what has changed; until cancelled."""
        async with trio.open_nursery() as watches:
            for kind, cache in self._caches.items():
                await watches.start(
                    partial(
                        run_watch,
                        kind,
                        ENDPOINTS[kind],
                        cache,
                        namespaces=namespaces,
                        credentials=credentials,
                        follow=self.syncs.append,
                    )
                )
            watches.start_soon(self._follow)
            task_status.started()

    async def tried(self, *kinds: str) -> None:
        """Wait until each of ``kinds`` is listed, or its list has failed; none given: all."""
        with trio.move_on_after(LIST_SECONDS):
            for sync in self.syncs:
                if not kinds or sync.kind in kinds:
                    await sync.tried.wait()

    def keys(self, kind: Kind) -> tuple[Key, ...]:
        """Every object of ``kind``."""
        return tuple(self._caches[kind.name].keys())

    async def listed(self) -> None:
        """Wait until it is known which monitors there are, whatever the others do."""
        for kind in ESSENTIAL:
            await self._caches[kind].listed.wait()

    def registry(self, effects: Effects) -> Mapping[str, Callable[[Key], Awaitable[None]]]:
        """How a key of each kind is reconciled."""
        others = {
            kind.name: partial(_reconcile, kind, self._caches[kind.name], effects=effects)
            for kind in KINDS
        }
        return {
            **others,
            MONITOR.name: partial(reconcile_monitor, effects=effects),
            SETTINGS.name: partial(reconcile_settings, effects=effects),
        }

    def said_of_item(self, verdicts: Verdicts) -> None:
        """Keep what is to be said of an item: the status of its set says it."""
        assert verdicts.meta.origin is not None  # noqa: S101 - it is an item
        self.items[verdicts.meta.key] = verdicts.conditions
        self.item_changed(verdicts.meta.origin)

    def item_changed(self, whole: Key) -> None:
        """Have the status of a set say how its items are, some time soon."""
        self.queue.add_after(Item(MONITOR_SET.name, whole), SET_SECONDS)

    def _look(self, kind: Kind, key: Key) -> None:
        if kind is MONITOR_SET:
            self.monitors.expand(key)
        if kind is MONITOR and self.monitors.get(key) is None:
            self.items.pop(key, None)
        if kind in {POLICY, PROVIDER}:
            self.routing += 1
        self.queue.add(Item(kind.name, key))
        if kind.name in REFERRERS:
            self._noted.add(kind.name)
            self._changed.set()

    async def _follow(self) -> None:
        while True:
            await self._changed.wait()
            await trio.sleep(FOLLOW_SECONDS)
            self._changed = trio.Event()
            noted, self._noted = self._noted, set()
            for referrer in {each for kind in noted for each in REFERRERS[kind]}:
                for key in tuple(self._caches[referrer].keys()):
                    self.queue.add(Item(referrer, key))


async def _reconcile(kind: Kind, cache: Cache[Any], key: Key, *, effects: Effects) -> None:
    await reconcile_other(kind, cache, key, effects)
