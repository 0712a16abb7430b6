"""What a value must be to be stored: decoded strictly, pruned, defaulted, valid."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import re2

from kubekuma.kit.structural import Problem, problems, pruned, with_defaults
from kubekuma.standalone.contents import SECRETS, content_problems, with_string_data
from kubekuma.standalone.definitions import definition_problems
from kubekuma.standalone.errors import bad_request, invalid
from kubekuma.standalone.events import event_problems
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
_NAME: Final = re2.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
_NAME_RULE: Final = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    r"for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_LABEL: Final = re2.compile(r"^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$")
_LABEL_RULE: Final = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  "
    "or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)


def decoded_object(
    resource: Resource, value: Any, twice: Sequence[str], validation: str
) -> tuple[Object, tuple[str, ...]]:
    """``value`` as an object of ``resource`` without unknown fields, and warnings about them.

    ``twice`` are fields that the body gave twice; ``validation`` is the
    request's fieldValidation: Strict refuses what Warn warns of.
    """
    if not isinstance(value, dict):
        raise bad_request("the body of the request must be an object")
    given = value.get("apiVersion", resource.api_version), value.get("kind", resource.kind)
    if given != (resource.api_version, resource.kind):
        message = (
            f"the API version and kind in the data ({given[0]}, {given[1]}) do not match the "
            f"expected ones ({resource.api_version}, {resource.kind})"
        )
        raise bad_request(message)
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
    return decoded, errors if validation == "Warn" else ()


def _not_handled(resource: Resource, why: str) -> str:
    kind, version = resource.kind, resource.version
    return f'{kind} in version "{version}" cannot be handled as a {kind}: {why}'


def admitted(resource: Resource, value: Object, old: Object | None) -> Object:
    """``value`` with defaults. Refused, with all causes, if it breaks a rule of its kind."""
    complete: Object = with_defaults(resource.schema, value)
    if resource.storage == SECRETS:
        complete = with_string_data(complete)
    found = [*_metadata_problems(complete["metadata"])]
    found.extend(
        each
        for each in problems(resource.schema, complete)
        if old is None or not _is_unchanged(each.path, complete, old)
    )
    if not found and resource.rules is not None:
        found.extend(broken_rules(resource.rules, complete, old))
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


def _metadata_problems(metadata: Object) -> Iterator[Problem]:
    name = metadata.get("name", "")
    if not name:
        message = "Required value: name or generateName is required"
        yield Problem("metadata.name", message, "FieldValueRequired")
    elif len(name) > 253:
        message = f'Invalid value: "{name}": must be no more than 253 characters'
        yield Problem("metadata.name", message, "FieldValueInvalid")
    elif not _NAME.match(name):
        message = f'Invalid value: "{name}": {_NAME_RULE}'
        yield Problem("metadata.name", message, "FieldValueInvalid")
    for text in (metadata.get("labels") or {}).values():
        if len(text) > 63:
            message = f'Invalid value: "{text}": must be no more than 63 characters'
            yield Problem("metadata.labels", message, "FieldValueInvalid")
        if not _LABEL.match(text):
            message = f'Invalid value: "{text}": {_LABEL_RULE}'
            yield Problem("metadata.labels", message, "FieldValueInvalid")
