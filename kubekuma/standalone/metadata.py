"""The rules for the metadata that every object has: names, labels, owners, finalizers.

Those of k8s.io/apimachinery's ``pkg/api/validation/objectmeta.go``.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import re2

from kubekuma.kit.structural import Problem
from kubekuma.standalone.names import (
    label_mistakes,
    qualified_mistakes,
    subdomain_mistakes,
    value_mistakes,
)
from kubekuma.standalone.policy import RBAC
from kubekuma.standalone.resources import NAMESPACES, Object, Resource

_ANNOTATIONS_LIMIT: Final = 256 * 1024
_SEGMENT: Final = re2.compile(r"[/%]")
_OWN_FINALIZERS: Final = frozenset({"orphan", "foregroundDeletion", "kubernetes"})


def metadata_problems(
    resource: Resource, metadata: Object, old: Object | None
) -> Iterator[Problem]:
    """What is wrong with ``metadata``; ``old`` is what it replaces."""
    if old is None:
        yield from _name_problems(resource, metadata)
    else:
        yield from _change_problems(metadata, old)
    yield from _label_problems(metadata.get("labels") or {})
    yield from _annotation_problems(metadata.get("annotations") or {})
    yield from _owner_problems(metadata.get("ownerReferences") or [])
    if old is None:
        for each in metadata.get("finalizers") or ():
            yield from _qualified("metadata.finalizers", each)


def finalizer_warnings(metadata: Object) -> tuple[str, ...]:
    """Warn of finalizers that others may mistake for theirs."""
    return tuple(
        f"metadata.finalizers: {json.dumps(each)}: prefer a domain-qualified finalizer name to "
        "avoid accidental conflicts with other finalizer writers"
        for each in metadata.get("finalizers") or ()
        if "/" not in each and each not in _OWN_FINALIZERS
    )


def _name_problems(resource: Resource, metadata: Object) -> Iterator[Problem]:
    for field in ("generateName", "name"):
        given = metadata.get(field) or ""
        # A prefix need not end as a name does.
        name = f"{given.removesuffix('-')}x" if field == "generateName" and given else given
        for mistake in _name_mistakes(resource, name) if given else ():
            yield _invalid(f"metadata.{field}", given, mistake)
    if not metadata.get("name"):
        message = "Required value: name or generateName is required"
        yield Problem("metadata.name", message, "FieldValueRequired")


def _name_mistakes(resource: Resource, name: str) -> Iterator[str]:
    if resource.group == RBAC:
        # Roles may be called system:basic-user.
        for character in dict.fromkeys(_SEGMENT.findall(name)):
            yield f"may not contain '{character}'"
        return
    is_label = resource.storage == NAMESPACES
    yield from label_mistakes(name) if is_label else subdomain_mistakes(name)


def _change_problems(metadata: Object, old: Object) -> Iterator[Problem]:
    before = set(old.get("finalizers") or ())
    new = sorted(set(metadata.get("finalizers") or ()) - before)
    if old.get("deletionTimestamp") and new:
        listed = ", ".join(json.dumps(each) for each in new)
        message = (
            "Forbidden: no new finalizers can be added if the object is being deleted, found new "
            f"finalizers []string{{{listed}}}"
        )
        yield Problem("metadata.finalizers", message, "FieldValueForbidden")


def _label_problems(labels: Mapping[str, str]) -> Iterator[Problem]:
    for key, value in labels.items():
        yield from _qualified("metadata.labels", key)
        for mistake in value_mistakes(value):
            yield _invalid("metadata.labels", value, mistake)


def _annotation_problems(annotations: Mapping[str, str]) -> Iterator[Problem]:
    for key in annotations:
        for mistake in qualified_mistakes(key.lower()):
            yield _invalid("metadata.annotations", key, mistake)
    size = sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items())
    if size > _ANNOTATIONS_LIMIT:
        message = f"Too long: may not be more than {_ANNOTATIONS_LIMIT} bytes"
        yield Problem("metadata.annotations", message, "FieldValueTooLong")


def _owner_problems(owners: list[Object]) -> Iterator[Problem]:
    controllers: list[str] = []
    for owner in owners:
        if not str(owner.get("apiVersion") or "").rpartition("/")[2]:
            where = "metadata.ownerReferences.apiVersion"
            yield _invalid(where, owner.get("apiVersion") or "", "version must not be empty")
        for field in ("kind", "name", "uid"):
            if not owner.get(field):
                yield _invalid(f"metadata.ownerReferences.{field}", "", "must not be empty")
        if owner.get("controller"):
            controllers.append(f"{owner.get('kind', '')}/{owner.get('name', '')}")
    for other in controllers[1:]:
        message = (
            f'Only one reference can have Controller set to true. Found "true" in references for '
            f"{controllers[0]} and {other}"
        )
        yield _invalid("metadata.ownerReferences", [_in_order(each) for each in owners], message)


def _in_order(owner: Object) -> Object:
    fields = ("apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion")
    return {name: owner[name] for name in fields if name in owner}


def _qualified(path: str, name: str) -> Iterator[Problem]:
    for mistake in qualified_mistakes(name):
        yield _invalid(path, name, mistake)


def _invalid(path: str, value: Any, why: str) -> Problem:
    shown = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Problem(path, f"Invalid value: {shown}: {why}", "FieldValueInvalid")
