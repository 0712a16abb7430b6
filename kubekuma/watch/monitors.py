"""All monitors: those that are resources of their own, and the items of MonitorSets."""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, TypeAlias

import attrs

from kubekuma.model.meta import Key
from kubekuma.model.monitor import Monitor
from kubekuma.model.monitor_set import MonitorSet
from kubekuma.validate.load import load_monitor
from kubekuma.validate.monitor_set import Expanded, expanded, item_document
from kubekuma.validate.rule import Rejected
from kubekuma.validate.seen import Objects, Seen

Document: TypeAlias = Mapping[str, Any]


class Monitors:
    """Every monitor by key. Of two with one name, the Monitor is meant and not the item.

    ``expand`` must be told of every set that has changed. ``changed`` is told
    of every item that is no longer what it was; ``keep`` is given the last
    valid form of items that became invalid, which no cache has otherwise.
    """

    def __init__(
        self,
        singles: Objects[Monitor],
        sets: Objects[MonitorSet],
        changed: Callable[[Key], None],
        keep: Callable[[Key, Document | None], None],
    ) -> None:
        self._singles = singles
        self._sets = sets
        self._changed = changed
        self._keep = keep
        self._items: dict[Key, Seen[Monitor]] = {}
        # Of items that are invalid now: their last valid forms.
        self._kept: dict[Key, Monitor] = {}
        self._of_set: dict[Key, tuple[Key, ...]] = {}

    def __len__(self) -> int:
        return len(self.keys())

    def get(self, key: Key) -> Seen[Monitor] | None:
        """The monitor named ``key``; None if there is none."""
        return self._singles.get(key) or self._items.get(key)

    def keys(self) -> Collection[Key]:
        """Every monitor's key."""
        return {*self._singles.keys(), *self._items} if self._items else self._singles.keys()

    def seed(self, documents: Iterable[Document]) -> None:
        """Begin with what an earlier run has kept of items that were invalid."""
        for document in documents:
            loaded = load_monitor(document)
            if not isinstance(loaded, Rejected):
                self._kept[loaded.meta.key] = loaded

    def expand(self, key: Key) -> None:
        """Take in the set named ``key`` as it is now."""
        seen = self._sets.get(key)
        items = [*expanded(seen.valid)] if seen is not None and seen.valid is not None else []
        for item in items:
            self._put(item)
        keys = tuple(item.key for item in items)
        for gone in set(self._of_set.get(key, ())).difference(keys):
            self._remove(gone)
        if keys:
            self._of_set[key] = keys
        else:
            self._of_set.pop(key, None)

    def _put(self, item: Expanded) -> None:
        key, resource = item.key, item.resource
        before = self._items.get(key)
        if before is not None and before.latest == resource:
            return
        valid = self._former(resource) if isinstance(resource, Rejected) else resource
        self._items[key] = Seen(latest=resource, valid=valid)
        if valid is resource:
            self._forget(key)
        elif valid is not None:
            self._kept[key] = valid
            self._keep(key, item_document(valid))
        self._changed(key)

    def _former(self, rejected: Rejected) -> Monitor | None:
        """The last valid form of an item, of the same set."""
        meta = rejected.meta
        before = self._items.get(meta.key)
        former = before.valid if before is not None else self._kept.get(meta.key)
        if former is None or former.meta.uid != meta.uid:
            return None
        return attrs.evolve(former, meta=attrs.evolve(former.meta, origin=meta.origin))

    def _remove(self, key: Key) -> None:
        self._items.pop(key, None)
        self._forget(key)
        self._changed(key)

    def _forget(self, key: Key) -> None:
        if self._kept.pop(key, None) is not None:
            self._keep(key, None)
