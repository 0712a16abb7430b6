"""What becomes of an object that is written: pure, and the same for every verb."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs

from kubekuma.standalone.errors import conflict, stale
from kubekuma.standalone.fields import Manager, managed_fields, managers_of
from kubekuma.standalone.resources import CRDS, Object, Resource

_GENERATION_STORAGES: Final = frozenset(
    {"deployments.apps", "statefulsets.apps", "daemonsets.apps", "jobs.batch", CRDS}
)
_NO_CONTENT: Final = frozenset({"apiVersion", "kind", "metadata"})
_SERVER_SET: Final = (
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "resourceVersion",
    "namespace",
    "name",
)
# What a client may say about an object that is not there yet, and is not heard.
_NOT_ON_CREATE: Final = frozenset(
    {"selfLink", "deletionTimestamp", "deletionGracePeriodSeconds", "resourceVersion", "generation"}
)


def has_generation(resource: Resource) -> bool:
    """Whether objects of ``resource`` count the changes of what is wanted."""
    return resource.custom or resource.storage in _GENERATION_STORAGES


def new_object(
    resource: Resource, namespace: str, value: Object, *, uid: str, created: str
) -> Object:
    """``value`` as an object that has just come to be."""
    if resource.has_status:
        value = without(value, "status")
    metadata = {k: v for k, v in value["metadata"].items() if k not in _NOT_ON_CREATE}
    metadata |= {"uid": uid, "creationTimestamp": created}
    if has_generation(resource):
        metadata["generation"] = 1
    metadata.pop("namespace", None)
    if resource.namespaced:
        metadata["namespace"] = namespace
    return {**value, "metadata": metadata}


def successor(resource: Resource, before: Object, value: Object, subresource: str = "") -> Object:
    """``value`` in the place of ``before``: with what only the server sets, and its own status.

    A write to ``/status`` changes nothing else; all others leave the status alone.
    """
    if subresource == "status":
        return {**without(before, "status"), **only(value, "status")}
    if resource.has_status:
        value = {**without(value, "status"), **only(before, "status")}
    kept = {name: before["metadata"][name] for name in _SERVER_SET if name in before["metadata"]}
    metadata = {k: v for k, v in value["metadata"].items() if k not in _SERVER_SET}
    return {**value, "metadata": {**metadata, **kept}}


def applied_part(resource: Resource, config: Object, subresource: str) -> Object:
    """What of an applied configuration counts: its status, or everything but that."""
    if subresource == "status":
        return {"metadata": {}, **only(config, "apiVersion", "kind", "status")}
    return without(config, "status") if resource.has_status else config


def next_generation(resource: Resource, before: Object, value: Object) -> int:
    """The generation of ``value``, which differs only if something else is wanted."""
    generation: int = before["metadata"].get("generation", 1)
    ignored = _NO_CONTENT | ({"status"} if resource.has_status else set())
    return generation + (without(before, *ignored) != without(value, *ignored))


def owners_before(before: Object, value: Object) -> tuple[Manager, ...]:
    """The owners from which an ordinary write of ``value`` starts.

    A client may set managedFields itself; one empty entry resets them.
    """
    given = value["metadata"].get("managedFields")
    if given == [{}]:
        return ()
    return managers_of(value if given else before)


def with_owners(value: Object, owners: Sequence[Manager]) -> Object:
    """``value`` with ``owners`` as its managedFields."""
    metadata = without(value["metadata"], "managedFields")
    if owners:
        metadata["managedFields"] = managed_fields(owners)
    return {**value, "metadata": metadata}


def is_same(value: Object, before: Object) -> bool:
    """Whether a write changes nothing but the time at which somebody owned a field."""
    return _timeless(value) == _timeless(before)


def check_preconditions(
    resource: Resource,
    name: str,
    live: Object | None,
    wanted: Mapping[str, Any],
    *,
    deleting: bool = False,
) -> None:
    """Refuse if the client means another object or version than ``live``."""
    uid, revision = wanted.get("uid"), wanted.get("resourceVersion")
    metadata = live["metadata"] if live is not None else {"uid": "", "resourceVersion": ""}
    if deleting:
        for given, field, what in (
            (uid, "uid", ("UID", "deleted and then recreated")),
            (revision, "resourceVersion", ("ResourceVersion", "modified")),
        ):
            if given and given != metadata[field]:
                why = (
                    f"the {what[0]} in the precondition ({given}) does not match the {what[0]} in "
                    f"record ({metadata[field]}). The object might have been {what[1]}"
                )
                raise conflict(attrs.evolve(resource, plural=resource.kind), name, why)
        return
    if uid and uid != metadata["uid"]:
        why = f"UID in precondition: {uid}, UID in object meta: {metadata['uid']}"
        raise conflict(resource, name, f"Precondition failed: {why}")
    if not revision or revision in {"0", metadata["resourceVersion"]}:
        return
    raise stale(resource, name)


def without(value: Mapping[str, Any], *names: str) -> Object:
    """``value`` without the fields ``names``."""
    return {name: part for name, part in value.items() if name not in names}


def only(value: Mapping[str, Any], *names: str) -> Object:
    """``value`` with no fields but ``names``, as far as it has them."""
    return {name: part for name, part in value.items() if name in names}


def _timeless(value: Object) -> Object:
    owners = [without(each, "time") for each in value["metadata"].get("managedFields", ())]
    return {**value, "metadata": {**value["metadata"], "managedFields": owners}}
