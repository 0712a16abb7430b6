"""A cluster as plans see it: documents go in, caches and the world come out."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import attrs

from kubekuma.model.kinds import KINDS
from kubekuma.model.meta import Condition, Key
from kubekuma.model.state import MonitorState
from kubekuma.reconcile.world import World
from kubekuma.validate.load import load
from kubekuma.watch.cache import Cache
from kubekuma.watch.monitors import Monitors

HOME = "monitoring"


def resource(
    kind: str,
    name: str,
    namespace: str = "shop",
    /,
    *,
    created: str = "2026-01-01T00:00:00Z",
    labels: Mapping[str, str] | None = None,
    uid: str = "",
    generation: int = 1,
    **spec: Any,
) -> dict[str, Any]:
    """An object of ``kind`` as the API server gives it."""
    metadata = {
        "name": name,
        "namespace": namespace,
        "uid": uid or f"uid-{name}",
        "generation": generation,
        "creationTimestamp": created,
        "labels": dict(labels or {}),
    }
    return {
        "apiVersion": "monitoring.kubekuma.io/v1",
        "kind": kind,
        "metadata": metadata,
        "spec": spec,
    }


@attrs.define
class Cluster:
    """All caches, filled with ``put``."""

    caches: dict[str, Cache[Any]] = attrs.field(init=False)
    monitors: Monitors = attrs.field(init=False)
    changed: list[Key] = attrs.field(factory=list)
    kept: dict[Key, Any] = attrs.field(factory=dict)
    states: dict[Key, MonitorState] = attrs.field(factory=dict)
    items: dict[Key, tuple[Condition, ...]] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self.caches = {
            kind.name: Cache(partial(load, kind), lambda _: None, lambda _, __: None)
            for kind in KINDS
        }
        self.monitors = Monitors(
            self.caches["Monitor"],
            self.caches["MonitorSet"],
            changed=self.changed.append,
            keep=self.kept.__setitem__,
        )

    def put(self, *documents: Mapping[str, Any]) -> "Cluster":
        """Take in objects as they are now."""
        for document in documents:
            self.caches[document["kind"]].put(document)
            if document["kind"] == "MonitorSet":
                metadata = document["metadata"]
                self.monitors.expand(Key(metadata["namespace"], metadata["name"]))
        return self

    def valid(self, kind: str, name: str, namespace: str = "shop") -> Any:
        """The last valid form of an object."""
        seen = self.caches[kind].get(Key(namespace, name))
        assert seen is not None
        assert seen.valid is not None, getattr(seen.latest, "errors", None)
        return seen.valid

    @property
    def world(self) -> World:
        """What plans may look at."""
        return World(
            home=HOME,
            settings=self.caches["KubeKumaSettings"],
            singles=self.caches["Monitor"],
            monitors=self.monitors,
            sets=self.caches["MonitorSet"],
            providers=self.caches["NotificationProvider"],
            policies=self.caches["NotificationPolicy"],
            pages=self.caches["StatusPage"],
            users=self.caches["LocalUser"],
            keys=self.caches["ApiKey"],
            states=self.states,
            items=self.items,
            delivered=lambda _: {},
            unsendable=lambda _: None,
        )
