"""A MonitorSet's items, each as the Monitor that it stands for. Pure."""

import json
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Any, Final

import attrs

from kubekuma.model.kinds import MONITOR
from kubekuma.model.meta import API_VERSION, STATE, STATE_MESSAGE, Key, ObjectMeta
from kubekuma.model.monitor import Monitor, MonitorType
from kubekuma.model.monitor_set import MonitorSet, SetItem
from kubekuma.validate.decode import encoded, timestamp
from kubekuma.validate.load import load_monitor
from kubekuma.validate.rule import FieldError, Rejected, below

# What kubectl keeps in a set's annotations is the set as a whole: nothing that an item says.
_OF_KUBECTL: Final = "kubectl.kubernetes.io/"


@attrs.frozen(kw_only=True)
class Expanded:
    """One item: where it stands in the set, and the monitor that it makes."""

    index: int
    name: str
    resource: Monitor | Rejected

    @property
    def key(self) -> Key:
        """How the monitor is addressed."""
        return self.resource.meta.key


def expanded(whole: MonitorSet) -> Iterator[Expanded]:
    """Every item of ``whole``: its spec over the defaults, its labels over those of the set."""
    for index, item in enumerate(whole.spec.items):
        loaded = load_monitor(_document(whole, item))
        # Only here is it known where the monitor comes from.
        meta = attrs.evolve(loaded.meta, origin=whole.meta.key)
        resource: Monitor | Rejected = attrs.evolve(loaded, meta=meta)
        yield Expanded(index=index, name=item.name, resource=resource)


def item_errors(whole: MonitorSet) -> Iterator[FieldError]:
    """What is wrong with single items, by their place in the set."""
    for item in expanded(whole):
        if isinstance(item.resource, Rejected):
            for error in item.resource.errors:
                yield below(f"spec.items[{item.index}]", error)


def item_document(item: Monitor) -> Mapping[str, Any]:
    """The Monitor that an item stands for, as a resource of its own would say it."""
    return _as_monitor(item.meta, encoded(item.spec))


def item_key(whole: Key, name: str) -> Key:
    """How the item ``name`` of the set ``whole`` is addressed."""
    return Key(whole.namespace, f"{whole.name}.{name}")


def _document(whole: MonitorSet, item: SetItem) -> Mapping[str, Any]:
    spec = _with_one_target(_merged(whole.spec.defaults, item.spec))
    meta = attrs.evolve(
        whole.meta,
        key=item_key(whole.meta.key, item.name),
        uid=f"{whole.meta.uid}/{item.name}",
        generation=_generation(spec),
        labels={**whole.meta.labels, **item.labels},
        annotations=_annotations(whole.meta.annotations, item.name),
    )
    return _as_monitor(meta, spec)


def _annotations(of_set: Mapping[str, str], item: str) -> Mapping[str, str]:
    """What the set's annotations say of ``item``: all but what is kubectl's or another item's."""
    common = {
        name: text
        for name, text in of_set.items()
        if _OF_KUBECTL not in name and not name.startswith((STATE, STATE_MESSAGE))
    }
    own = {name: of_set.get(f"{name}.{item}") for name in (STATE, STATE_MESSAGE)}
    return {**common, **{name: text for name, text in own.items() if text is not None}}


def _as_monitor(meta: ObjectMeta, spec: Any) -> Mapping[str, Any]:
    created = {"creationTimestamp": timestamp(meta.created_at)} if meta.created_at else {}
    metadata = {
        "name": meta.key.name,
        "namespace": meta.key.namespace,
        "uid": meta.uid,
        "generation": meta.generation,
        "labels": meta.labels,
        "annotations": meta.annotations,
        **created,
    }
    return {
        "apiVersion": API_VERSION,
        "kind": MONITOR.name,
        "metadata": metadata,
        "spec": spec,
    }


def _merged(defaults: Any, own: Any) -> Any:
    """``own`` over ``defaults``: objects field by field, all else as a whole."""
    if not isinstance(defaults, Mapping) or not isinstance(own, Mapping):
        return own
    both = {name: _merged(defaults[name], own[name]) for name in own if name in defaults}
    return {**defaults, **own, **both}


def _with_one_target(spec: Any) -> Any:
    # Defaults may hold targets for several types: an item takes that of its own.
    if not isinstance(spec, Mapping):
        return spec
    target, of = spec.get("target"), spec.get("type")
    if not isinstance(target, Mapping) or of not in list(MonitorType):
        return spec
    name = MonitorType(of).target_field
    return {**spec, "target": {name: target[name]}} if name in target else spec


def _generation(spec: Any) -> int:
    # A set has one generation for all its items. Only one whose own text has changed begins anew.
    text = json.dumps(spec, sort_keys=True, separators=(",", ":")).encode()
    return int.from_bytes(blake2b(text, digest_size=6).digest()) + 1
