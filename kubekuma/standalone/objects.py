"""Objects between the verbs and the store: how a resource shows them, and how they are kept.

Objects are kept in one version each; a resource shows them in its own.
Namespaces and CRDs hold other objects, and go only when they hold none.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

import attrs
import trio

from kubekuma.kit.structural import pruned, with_defaults
from kubekuma.standalone.admission import admitted
from kubekuma.standalone.catalog import Catalog
from kubekuma.standalone.codec import encoded
from kubekuma.standalone.definitions import established
from kubekuma.standalone.errors import not_found
from kubekuma.standalone.events import CORE, EVENTS, event_view
from kubekuma.standalone.feed import Change, Key, Stored
from kubekuma.standalone.fields import Manager
from kubekuma.standalone.namespaces import is_terminating
from kubekuma.standalone.resources import CRDS, NAMESPACES, Object, Resource
from kubekuma.standalone.store import Store
from kubekuma.standalone.writes import has_generation, is_same, next_generation, with_owners


class Objects:
    """All objects, seen through resources.

    What is served follows from the CRDs that are committed: the catalog is kept
    up to date here, and so is the list of what is being deleted.
    """

    def __init__(self, store: Store, catalog: Catalog, now: Callable[[], datetime]) -> None:
        self.store = store
        self.catalog = catalog
        self._now = now
        # Namespaces and CRDs that are to go, and whether anything may have changed for them.
        self.doomed: set[tuple[str, Key]] = set()
        self.untidy = trio.Event()
        for storage in (CRDS, NAMESPACES):
            for each in store.select(storage):
                self._observe(storage, Change(type="ADDED", before=None, after=each))
        store.subscribe(self._observe)

    # Reading

    def get(self, resource: Resource, key: Key) -> Stored:
        """Return the committed object."""
        found = self.store.get(resource.storage, key)
        if found is None:
            raise not_found(resource, key.name)
        return found

    def latest(self, resource: Resource, key: Key) -> Object:
        """Return the object on which a write is decided."""
        found = self.store.latest(resource.storage, key)
        if found is None:
            raise not_found(resource, key.name)
        return self.seen(resource, found)

    def wire(self, resource: Resource, stored: Stored) -> bytes:
        """Encode the object in the version of ``resource``."""
        if stored.api_version == resource.api_version and not _is_outdated(resource, stored):
            return stored.data
        return encoded(self.seen(resource, stored))

    def seen(self, resource: Resource, stored: Stored) -> Object:
        """Return the object in the version of ``resource``."""
        value = stored.value
        if _is_outdated(resource, stored):
            known, _ = pruned(resource.schema, value)
            value = with_defaults(resource.schema, known)
        if stored.api_version == resource.api_version:
            return value
        if resource.storage == EVENTS:
            return event_view(value, resource.api_version)
        return {**value, "apiVersion": resource.api_version}

    def contents(self, resource: Resource, key: Key) -> list[tuple[Resource, str]]:
        """Where the object holds others: in which resources and namespaces."""
        held: list[tuple[Resource, str]] = []
        if resource.storage == NAMESPACES:
            held = [(each, key.name) for each in self.catalog.storages() if each.namespaced]
        elif resource.storage == CRDS:
            held = [(each, "") for each in self.catalog.storages() if each.storage == key.name]
        return [each for each in held if not self.store.is_empty(each[0].storage, each[1])]

    # Writing

    async def write(
        self,
        resource: Resource,
        key: Key,
        value: Object,
        owners: Sequence[Manager],
        *,
        before: Object | None,
        dry_run: bool,
    ) -> bytes:
        """Make ``value`` what follows ``before``, if it is admitted; return it encoded."""
        value = admitted(resource, value, before)
        if resource.storage == CRDS:
            value = established(value, self._now())
        if before is not None and has_generation(resource):
            generation = next_generation(resource, before, value)
            value = {**value, "metadata": {**value["metadata"], "generation": generation}}
        timed = [
            each if each.time else attrs.evolve(each, time=self.timestamp()) for each in owners
        ]
        value = with_owners(value, timed)
        if before is not None and is_same(value, before):
            return encoded(before)
        if dry_run:
            return encoded(value)
        if is_terminating(value) and not self.is_held(resource, key, value):
            return await self.remove(resource, key, value)
        return await self.keep(resource, key, value)

    async def keep(self, resource: Resource, key: Key, value: Object) -> bytes:
        """Store ``value`` as it is; return it encoded."""
        stored = await self.store.put(resource.storage, key, self._kept(resource, value))
        return self.wire(resource, stored)

    async def remove(self, resource: Resource, key: Key, value: Object) -> bytes:
        """Remove the object, of which ``value`` is the last state; return that encoded."""
        stored = await self.store.delete(resource.storage, key, self._kept(resource, value))
        return self.wire(resource, stored)

    def is_held(self, resource: Resource, key: Key, value: Object) -> bool:
        """Whether the object cannot go yet: finalizers hold it, or it holds other objects."""
        return bool(value["metadata"].get("finalizers") or self.contents(resource, key))

    def timestamp(self) -> str:
        """Tell the time, as metadata does."""
        return self._now().strftime("%Y-%m-%dT%H:%M:%SZ")

    def _kept(self, resource: Resource, value: Object) -> Object:
        # Objects are kept in one version, whichever they are written in.
        if resource.storage == EVENTS and resource.api_version != CORE:
            return event_view(value, CORE)
        if resource.custom:
            return {**value, "apiVersion": f"{resource.group}/{resource.storage_version}"}
        return value

    def _observe(self, storage: str, change: Change) -> None:
        if storage == CRDS:
            if change.type == "DELETED":
                self.catalog.remove(change.after.value)
                # Who follows the objects learns that there is no such resource any more.
                self.store.feed(change.after.key.name).hang_up()
            else:
                self.catalog.install(change.after.value)
        if storage in {CRDS, NAMESPACES}:
            place = (storage, change.after.key)
            self.doomed.discard(place)
            if change.type != "DELETED" and is_terminating(change.after.value):
                self.doomed.add(place)
        if self.doomed:
            self.untidy.set()


def _is_outdated(resource: Resource, stored: Stored) -> bool:
    # Stored under a former definition: what has come to be known since is shown all the same.
    return resource.custom and stored.revision < resource.since
