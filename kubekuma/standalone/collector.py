"""Carries out what ``garbage`` decides, as objects come, change and go."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final, TypeAlias

import attrs
import structlog
import trio

from kubekuma.standalone.api import Api, Edit, Options
from kubekuma.standalone.errors import ApiError
from kubekuma.standalone.feed import Change, Key, Stored
from kubekuma.standalone.garbage import (
    FOREGROUND,
    ORPHAN,
    Delete,
    Disown,
    Finish,
    Owner,
    Release,
    Unblock,
    disowned,
    is_waiting,
    next_step,
    references_of,
    unblocked,
    without_finalizer,
)
from kubekuma.standalone.resources import Object, Resource
from kubekuma.standalone.store import StoreError

_LOG: Final = structlog.get_logger()
_OPTIONS: Final = Options(field_manager="kube-controller-manager")
_RETRY_SECONDS: Final = 1.0
# Found in the bytes of every object that needs a closer look, and of hardly any other.
_SIGNS: Final = (b'"ownerReferences"', b'"foregroundDeletion"', b'"orphan"')

# An object, in whichever version: its storage and key.
Place: TypeAlias = tuple[str, Key]


class Dependents:
    """Who depends on whom, and whose turn it is to be looked at. Kept up by the store."""

    def __init__(self) -> None:
        self._owners: dict[Place, tuple[str, ...]] = {}
        self._dependents: defaultdict[str, set[Place]] = defaultdict(set)
        # Only of those that have had dependents, or are being deleted.
        self._places: dict[str, Place] = {}
        self.due: dict[Place, None] = {}
        self.wake = trio.Event()

    def observe(self, storage: str, change: Change) -> None:
        """Take in a change: what it concerns is due."""
        place = (storage, change.after.key)
        signs = any(sign in change.after.data for sign in _SIGNS)
        if not (signs or self._dependents or place in self._owners):
            return
        value = change.after.value
        uid = str(value["metadata"]["uid"])
        is_gone = change.type == "DELETED"
        touched = {*self._owners.get(place, ())}
        self._link(place, () if is_gone else [str(each["uid"]) for each in references_of(value)])
        touched |= {*self._owners.get(place, ())}
        if is_gone:
            self._places.pop(uid, None)
        else:
            self._places[uid] = place
            self._add([place])
        # Whoever waits for the object may wait no longer.
        self._add(self._places[each] for each in touched if each in self._places)
        self._add(self.of(uid))

    def of(self, uid: str) -> list[Place]:
        """Where the dependents of an object are."""
        return sorted(self._dependents.get(uid, ()))

    def again(self, place: Place) -> None:
        """Have a closer look at the object once more."""
        self._add([place])

    def _link(self, place: Place, uids: Iterable[str]) -> None:
        for uid in self._owners.pop(place, ()):
            self._dependents[uid].discard(place)
            if not self._dependents[uid]:
                del self._dependents[uid]
        if found := tuple(dict.fromkeys(uids)):
            self._owners[place] = found
            for uid in found:
                self._dependents[uid].add(place)

    def _add(self, places: Iterable[Place]) -> None:
        self.due.update(dict.fromkeys(places))
        if self.due:
            self.wake.set()


async def collect_garbage(
    api: Api, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Delete what has lost its owners, in the order that clients ask for, until cancelled.

    Level-triggered: it goes by what is stored, also by a former run of the process.
    Failure: what is refused waits for the next change; what the store does not take is tried again
    a second later.
    """
    dependents = Dependents()
    for storage in [each.storage for each in api.catalog.storages()]:
        for stored in api.store.select(storage):
            dependents.observe(storage, Change(type="ADDED", before=None, after=stored))
    api.store.subscribe(dependents.observe)
    collector = _Collector(api=api, dependents=dependents)
    task_status.started()
    while True:
        await dependents.wake.wait()
        dependents.wake = trio.Event()
        while dependents.due:
            place = next(iter(dependents.due))
            del dependents.due[place]
            try:
                await collector.look_at(place)
            except ApiError as error:
                _LOG.info("garbage was not collected", name=place[1].name, error=error.message)
            except StoreError as error:
                _LOG.warning("garbage was not collected, trying again", error=str(error))
                await trio.sleep(_RETRY_SECONDS)
                dependents.again(place)


@attrs.frozen(kw_only=True)
class _Collector:
    api: Api
    dependents: Dependents

    async def look_at(self, place: Place) -> None:
        stored = self.api.store.latest(*place)
        if stored is None:
            return
        value = stored.value
        uid = str(value["metadata"]["uid"])
        owners = [self._owner(place[1].namespace, each) for each in references_of(value)]
        match next_step(value, owners, [each.value for _, each in self._living(uid)]):
            case None:
                pass
            case Delete(policy=policy):
                same = {"uid": uid, "resourceVersion": str(stored.revision)}
                resource = self._resource(place)
                await self.api.delete(resource, place[1], preconditions=same, policy=policy)
            case Disown(uids=uids):
                await self._patch(place, lambda latest: disowned(latest, uids))
            case Unblock():
                await self._patch(place, unblocked)
            case Release():
                for dependent, _ in self._living(uid):
                    await self._patch(dependent, lambda latest: disowned(latest, frozenset({uid})))
                await self._patch(place, lambda latest: without_finalizer(latest, ORPHAN))
            case Finish():
                await self._patch(place, lambda latest: without_finalizer(latest, FOREGROUND))

    async def _patch(self, place: Place, edit: Edit) -> None:
        await self.api.patch(self._resource(place), place[1], edit, _OPTIONS)

    def _resource(self, place: Place) -> Resource:
        return self.api.catalog.by_storage(place[0])

    def _living(self, uid: str) -> Iterator[tuple[Place, Stored]]:
        for place in self.dependents.of(uid):
            if (stored := self.api.store.latest(*place)) is not None:
                yield place, stored

    def _owner(self, namespace: str, reference: Object) -> Owner:
        resource = self.api.catalog.find_kind(reference["apiVersion"], reference["kind"])
        if resource is None or (resource.namespaced and not namespace):
            return Owner.UNKNOWN
        inside = namespace if resource.namespaced else ""
        found = self.api.store.latest(resource.storage, Key(inside, reference["name"]))
        if found is None:
            return Owner.GONE
        value = found.value
        if value["metadata"]["uid"] != reference["uid"]:
            return Owner.GONE
        return Owner.WAITING if is_waiting(value) else Owner.THERE
