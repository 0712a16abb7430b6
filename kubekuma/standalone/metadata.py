"""The rules for the metadata that every object has: names, labels, owners, finalizers.

Those of k8s.io/apimachinery's ``pkg/api/validation/objectmeta.go``.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import re2

from kubekuma.kit.structural import Problem
from kubekuma.standalone.policy import RBAC
from kubekuma.standalone.resources import Object, Resource

_NAME_LIMIT: Final = 253
_LABEL_LIMIT: Final = 63
_ANNOTATIONS_LIMIT: Final = 256 * 1024

_SUBDOMAIN: Final = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_DNS_LABEL: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_QUALIFIED: Final = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE: Final = f"({_QUALIFIED})?"
_SEGMENT: Final = re2.compile(r"[/%]")

_SUBDOMAIN_RULE: Final = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    f"for validation is '{_SUBDOMAIN}')"
)
_DNS_LABEL_RULE: Final = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used "
    f"for validation is '{_DNS_LABEL}')"
)
_QUALIFIED_RULE: Final = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
    f"validation is '{_QUALIFIED}')"
)
_VALUE_RULE: Final = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  "
    f"or '12345', regex used for validation is '{_VALUE}')"
)


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


_OWN_FINALIZERS: Final = frozenset({"orphan", "foregroundDeletion", "kubernetes"})


def label_value_problem(value: str) -> str | None:
    """Say what is wrong with the value of a label; None if nothing is."""
    return next(_value_mistakes(value), None)


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
    is_label = resource.storage == "namespaces"
    limit = _LABEL_LIMIT if is_label else _NAME_LIMIT
    pattern, rule = (_DNS_LABEL, _DNS_LABEL_RULE) if is_label else (_SUBDOMAIN, _SUBDOMAIN_RULE)
    if len(name) > limit:
        yield f"must be no more than {limit} {'bytes' if is_label else 'characters'}"
    if not re2.fullmatch(pattern, name):
        yield rule


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
        for mistake in _value_mistakes(value):
            yield _invalid("metadata.labels", value, mistake)


def _value_mistakes(value: str) -> Iterator[str]:
    if len(value) > _LABEL_LIMIT:
        yield f"must be no more than {_LABEL_LIMIT} bytes"
    if not re2.fullmatch(_VALUE, value):
        yield _VALUE_RULE


def _annotation_problems(annotations: Mapping[str, str]) -> Iterator[Problem]:
    for key in annotations:
        for mistake in _qualified_mistakes(key.lower()):
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
    for mistake in _qualified_mistakes(name):
        yield _invalid(path, name, mistake)


def _qualified_mistakes(name: str) -> Iterator[str]:
    prefix, slash, last = name.rpartition("/")
    if "/" in prefix:
        yield (
            "a valid label key "
            f"{_QUALIFIED_RULE} with an optional DNS subdomain prefix and '/' (e.g. "
            "'example.com/MyName')"
        )
        return
    if slash and not prefix:
        yield "prefix part must be non-empty"
    elif slash and not re2.fullmatch(_SUBDOMAIN, prefix):
        yield f"prefix part {_SUBDOMAIN_RULE}"
    if not last:
        yield "name part must be non-empty"
    elif len(last) > _LABEL_LIMIT:
        yield f"name part must be no more than {_LABEL_LIMIT} bytes"
    if not re2.fullmatch(_QUALIFIED, last):
        yield f"name part {_QUALIFIED_RULE}"


def _invalid(path: str, value: Any, why: str) -> Problem:
    shown = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Problem(path, f"Invalid value: {shown}: {why}", "FieldValueInvalid")
