"""The last-seen objects of one kind, validated, and whether they are all there yet."""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Generic, TypeAlias

import attrs
import trio

from kubekuma.model.meta import Key
from kubekuma.validate.decode import conditions_of
from kubekuma.validate.load import meta_of
from kubekuma.validate.rule import Rejected
from kubekuma.validate.seen import R, Seen
from kubekuma.watch.stream import key_of

Document: TypeAlias = Mapping[str, Any]


class Cache(Generic[R]):
    """Objects by key. Written by the reflector, read by everybody.

    ``load`` turns a document into a resource; ``changed`` is told of every
    key that is no longer what it was; ``keep`` is given what should outlive
    the process: the last valid document of each object.
    """

    def __init__(
        self,
        load: Callable[[Document], R | Rejected],
        changed: Callable[[Key], None],
        keep: Callable[[Key, Document | None], None],
    ) -> None:
        self._load = load
        self._changed = changed
        self._keep = keep
        self._seen: dict[Key, Seen[R]] = {}
        self.listed = trio.Event()

    def __len__(self) -> int:
        return len(self._seen)

    def get(self, key: Key) -> Seen[R] | None:
        """The object named ``key``; None if there is none."""
        return self._seen.get(key)

    def keys(self) -> Collection[Key]:
        """Every object's key."""
        return self._seen.keys()

    def seed(self, documents: Iterable[Document]) -> None:
        """Begin with what an earlier run has kept, until the API server says what there is."""
        for document in documents:
            loaded = self._load(document)
            if not isinstance(loaded, Rejected):
                self._seen[loaded.meta.key] = Seen(latest=loaded, valid=loaded)
                self._changed(loaded.meta.key)

    def put(self, document: Document) -> None:
        """Take in an object as it is now."""
        if self._is_known(document):
            return
        loaded = self._load(document)
        key, version = loaded.meta.key, _version(document)
        before = self._seen.get(key)
        if before is not None and version and before.version == version:
            return
        if isinstance(loaded, Rejected):
            # Another object under the same name has no claim to what the former one did.
            same = before is not None and before.latest.meta.uid == loaded.meta.uid
            valid = before.valid if before is not None and same else None
            if before is not None and not same:
                self._keep(key, None)
        else:
            valid = loaded
            if before is None or before.valid != loaded:
                self._keep(key, _kept(document))
        conditions = tuple(conditions_of(document))
        self._seen[key] = Seen(latest=loaded, valid=valid, version=version, conditions=conditions)
        if not _same(before, loaded):
            self._changed(key)

    def _is_known(self, document: Document) -> bool:
        """Whether nothing that we act on has changed: most changes are our own status writes."""
        key = key_of(document)
        before = self._seen.get(key) if key is not None else None
        if before is None:
            return False
        meta = meta_of(document)
        # A generation is one text of the spec; without one there is nothing to go by.
        if not meta.generation or before.latest.meta != meta:
            return False
        self._seen[meta.key] = attrs.evolve(
            before, version=_version(document), conditions=tuple(conditions_of(document))
        )
        if not before.version:
            # So far it was known from an earlier run alone, and its conditions were not.
            self._changed(meta.key)
        return True

    def remove(self, key: Key) -> None:
        """The object is gone."""
        if self._seen.pop(key, None) is not None:
            self._keep(key, None)
            self._changed(key)

    def retain(self, keys: set[Key]) -> None:
        """A list is complete: whatever is not in it was deleted while nobody looked."""
        for key in self._seen.keys() - keys:
            self.remove(key)
        self.listed.set()


def _same(before: "Seen[Any] | None", loaded: Any) -> bool:
    # Our own status writes come back as changes of the object, though not of what was asked.
    return before is not None and before.latest == loaded


def _version(document: Document) -> str:
    metadata = document.get("metadata")
    return str(metadata.get("resourceVersion", "")) if isinstance(metadata, Mapping) else ""


def _kept(document: Document) -> Document:
    # Enough to start from: neither our own status nor who wrote which field.
    metadata = {
        name: part
        for name, part in document["metadata"].items()
        if name not in {"managedFields", "resourceVersion"}
    }
    return {
        "apiVersion": document["apiVersion"],
        "kind": document["kind"],
        "metadata": metadata,
        "spec": document["spec"],
    }
