"""What a value must be to be stored: decoded strictly, pruned, defaulted, valid."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import attrs
import re2

from kubekuma.kit.structural import Problem, problems, pruned, with_defaults
from kubekuma.standalone.contents import SECRETS, content_problems, with_string_data
from kubekuma.standalone.definitions import definition_problems
from kubekuma.standalone.errors import bad_request, invalid
from kubekuma.standalone.events import event_problems
from kubekuma.standalone.metadata import finalizer_warnings, metadata_problems
from kubekuma.standalone.resources import Object, Resource
from kubekuma.standalone.rules import broken_rules

_TEXTS: Final = {"type": "object", "additionalProperties": {"type": "string"}}
_METADATA: Final = {
    "type": "object",
    "properties": {
        **{
            name: {"type": "string"}
            for name in (
                "name",
                "namespace",
                "generateName",
                "uid",
                "resourceVersion",
                "selfLink",
            )
        },
        **{
            name: {"type": "string", "nullable": True}
            for name in ("creationTimestamp", "deletionTimestamp")
        },
        "generation": {"type": "integer"},
        "deletionGracePeriodSeconds": {"type": "integer", "nullable": True},
        "labels": {**_TEXTS, "nullable": True},
        "annotations": {**_TEXTS, "nullable": True},
        "finalizers": {"type": "array", "nullable": True, "items": {"type": "string"}},
        "ownerReferences": {
            "type": "array",
            "nullable": True,
            "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        },
        "managedFields": {
            "type": "array",
            "nullable": True,
            "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        },
    },
}
_STEP: Final = re2.compile(r"[^.\[\]]+")
# What keeps rules from being asked: they might not fit such values.
_BLOCKING: Final = frozenset(
    {
        "FieldValueNotSupported",
        "FieldValueRequired",
        "FieldValueTooLong",
        "FieldValueTooMany",
        "FieldValueTypeInvalid",
    }
)
_UNASKED: Final = Problem(
    "<nil>",
    "Invalid value: null: some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation",
    "FieldValueInvalid",
)


def decoded_object(
    resource: Resource, value: Any, twice: Sequence[str], validation: str
) -> tuple[Object, tuple[str, ...]]:
    """``value`` as an object of ``resource`` without unknown fields, and warnings about them.

    ``twice`` are fields that the body gave twice; ``validation`` is the
    request's fieldValidation: Strict refuses what Warn warns of.
    """
    _check_kind(resource, value)
    metadata = value.get("metadata") or {}
    wrong = next(problems(_METADATA, metadata, "metadata"), None)
    if wrong is not None:
        raise bad_request(_not_handled(resource, str(wrong)))
    metadata, unknown_metadata = pruned(_METADATA, metadata, "metadata")
    value, unknown = pruned(resource.schema, value)
    errors = (
        *(f'duplicate field "{name}"' for name in twice),
        *(f'unknown field "{path}"' for path in (*unknown_metadata, *unknown)),
    )
    if errors and validation == "Strict":
        raise bad_request(_not_handled(resource, f"strict decoding error: {', '.join(errors)}"))
    present = {name: part for name, part in metadata.items() if part is not None}
    decoded = {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        **value,
        "metadata": present,
    }
    warnings = finalizer_warnings(present)
    return decoded, (*(errors if validation == "Warn" else ()), *warnings)


def _check_kind(resource: Resource, value: Any) -> None:
    if not isinstance(value, dict):
        raise bad_request("the body of the request must be an object")
    # Built-in kinds are known by their path.
    default = ("", "") if resource.custom else (resource.api_version, resource.kind)
    api_version, kind = value.get("apiVersion") or default[0], value.get("kind") or default[1]
    if not kind or not isinstance(kind, str):
        why = "Object 'Kind' is missing"
        raise bad_request(
            f"the object provided is unrecognized (must be of type {resource.kind}): {why}"
        )
    if api_version != resource.api_version:
        raise bad_request(
            f"the API version in the data ({api_version}) does not match the expected API version "
            f"({resource.api_version})"
        )
    if kind != resource.kind:
        problem = Problem(
            "kind", f'Invalid value: "{kind}": must be {resource.kind}', "FieldValueInvalid"
        )
        name = (value.get("metadata") or {}).get("name", "")
        raise invalid(attrs.evolve(resource, kind=kind), name, [problem])


def _not_handled(resource: Resource, why: str) -> str:
    kind, version = resource.kind, resource.version
    return f'{kind} in version "{version}" cannot be handled as a {kind}: {why}'


def defaulted(resource: Resource, value: Object) -> Object:
    """``value`` with what is not in it and has a default."""
    complete: Object = with_defaults(resource.schema, value)
    return with_string_data(complete) if resource.storage == SECRETS else complete


def admitted(resource: Resource, value: Object, old: Object | None) -> Object:
    """``value`` with defaults. Refused, with all causes, if it breaks a rule of its kind."""
    complete: Object = defaulted(resource, value)
    former = old["metadata"] if old is not None else None
    found = [*metadata_problems(resource, complete["metadata"], former)]
    found.extend(
        each
        for each in problems(resource.schema, complete)
        if old is None or not _is_unchanged(each.path, complete, old)
    )
    if resource.rules is not None:
        is_blocked = any(each.reason in _BLOCKING for each in found)
        found.extend([_UNASKED] if is_blocked else broken_rules(resource.rules, complete, old))
    if not found:
        found.extend(_problems_of_kind(resource, complete, old))
    if found:
        raise invalid(resource, complete["metadata"].get("name", ""), found)
    return complete


def _is_unchanged(path: str, value: Object, old: Object) -> bool:
    # What was wrong before, the definition having changed since, may stay so: whoever writes
    # something else, such as a status, cannot be blamed for it.
    new_part: Any = value
    old_part: Any = old
    for step in _STEP.findall(path):
        if isinstance(new_part, list) and isinstance(old_part, list):
            index = int(step) if step.isdigit() else len(new_part)
            if index >= min(len(new_part), len(old_part)):
                break
            new_part, old_part = new_part[index], old_part[index]
        elif isinstance(new_part, dict) and isinstance(old_part, dict):
            if step not in new_part or step not in old_part:
                break
            new_part, old_part = new_part[step], old_part[step]
        else:
            break
    return bool(new_part == old_part)


def _problems_of_kind(resource: Resource, value: Object, old: Object | None) -> Iterable[Problem]:
    match resource.storage:
        case "customresourcedefinitions.apiextensions.k8s.io":
            return definition_problems(value)
        case "events":
            return event_problems(value, is_new=old is None)
        case "secrets" | "configmaps":
            return content_problems(value, old)
        case _:
            return ()
