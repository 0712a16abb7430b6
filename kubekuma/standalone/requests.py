"""What a request says: its path, its parameters and its body, understood or refused."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs
import re2

from kubekuma.kit.structural import Problem
from kubekuma.standalone.api import Edit, Options
from kubekuma.standalone.catalog import Catalog
from kubekuma.standalone.codec import decoded_json, decoded_yaml
from kubekuma.standalone.errors import (
    bad_request,
    invalid_options,
    no_such_path,
    not_found,
    unsupported_media_type,
)
from kubekuma.standalone.fields import with_metadata
from kubekuma.standalone.listing import Selection
from kubekuma.standalone.patches import bad_patch, json_patch, merge_patch, strategic_merge_patch
from kubekuma.standalone.protobuf import PROTOBUF, decoded_protobuf
from kubekuma.standalone.rbac import User
from kubekuma.standalone.resources import Resource

JSON: Final = "application/json"
YAML: Final = "application/yaml"
APPLY: Final = "application/apply-patch+yaml"
JSON_PATCH: Final = "application/json-patch+json"
MERGE_PATCH: Final = "application/merge-patch+json"
STRATEGIC: Final = "application/strategic-merge-patch+json"

# Subresources of namespaces, which look like kinds inside of one.
_OF_NAMESPACES: Final = frozenset({"status", "finalize"})
_VALIDATIONS: Final = ("", "Ignore", "Strict", "Warn")
_PROPAGATION: Final = ("Foreground", "Background", "Orphan")
_OPTIONS: Final = {"POST": "CreateOptions", "PUT": "UpdateOptions"}
_MANAGER_LIMIT: Final = 128
_INTEGER: Final = re2.compile(r"^[+-]?\d+$")


@attrs.frozen(kw_only=True)
class Request:
    """A request, read to its end. Names of headers are in lower case."""

    user: User
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def content_type(self) -> str:
        """The media type of the body, without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def flag(self, name: str) -> bool:
        """Whether the parameter ``name`` is set to anything that means yes."""
        return self.query.get(name, "false").lower() not in {"false", "0"}

    def number(self, name: str) -> int:
        """Read the parameter ``name``, a whole number; 0 if it is absent or negative."""
        text = self.query.get(name) or "0"
        if not _INTEGER.match(text):
            raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
        return max(0, int(text))


@attrs.frozen(kw_only=True)
class Place:
    """Where a path leads: to a kind, to one object, or to a part of it."""

    resource: Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""


def parsed_path(path: str, catalog: Catalog) -> Place:
    """Find the place at ``path``; refused if nothing is served there."""
    match path.strip("/").split("/"):
        case ["api", version, *rest]:
            group = ""
        case ["apis", group, version, *rest]:
            pass
        case _:
            raise no_such_path()
    namespace = ""
    match rest:
        case ["namespaces", inside, plural, *rest] if plural not in _OF_NAMESPACES or group:
            namespace, rest = inside, [plural, *rest]
        case _:
            pass
    if not 1 <= len(rest) <= 3 or not all(rest):
        raise no_such_path()
    plural, name, subresource = [*rest, "", ""][:3]
    resource = catalog.find(group, version, plural)
    if resource is None or (namespace and not resource.namespaced):
        raise no_such_path()
    if name and resource.namespaced and not namespace:
        raise no_such_path()
    if subresource and not (subresource == "status" and resource.has_status):
        raise not_found(resource, name)
    return Place(resource=resource, namespace=namespace, name=name, subresource=subresource)


def write_options(request: Request, twice: tuple[str, ...] = ()) -> Options:
    """Read how ``request`` wants to write."""
    query = request.query
    if problems := [*_write_problems(request)]:
        raise invalid_options(_OPTIONS.get(request.method, "PatchOptions"), *problems)
    manager = query.get("fieldManager", "")
    agent = request.headers.get("user-agent", "unknown").partition("/")[0]
    return Options(
        field_manager=manager or agent[:128],
        field_validation=query.get("fieldValidation") or "Warn",
        force=request.flag("force"),
        dry_run=bool(query.get("dryRun")),
        twice=twice,
    )


def _write_problems(request: Request) -> Iterator[Problem]:
    query, is_apply = request.query, request.content_type == APPLY
    dry_run, validation = query.get("dryRun", ""), query.get("fieldValidation", "")
    manager = query.get("fieldManager", "")
    if dry_run not in {"", "All"}:
        yield _unsupported("dryRun", [dry_run], "All")
    if validation not in _VALIDATIONS:
        yield _unsupported("fieldValidation", validation, *_VALIDATIONS)
    if is_apply and not manager:
        why = "Required value: is required for apply patch"
        yield Problem("fieldManager", why, "FieldValueRequired")
    if len(manager.encode()) > _MANAGER_LIMIT:
        why = f"Too long: may not be more than {_MANAGER_LIMIT} bytes"
        yield Problem("fieldManager", why, "FieldValueTooLong")
    for position, character in enumerate(manager):
        if not character.isprintable():
            where = f"U+{ord(character):04X} (at position {position})"
            why = f"Invalid value: {_go_quoted(manager)}: invalid character {where}"
            yield Problem("fieldManager", why, "FieldValueInvalid")
    if "force" in query and not is_apply and request.method == "PATCH":
        why = "Forbidden: may not be specified for non-apply patch"
        yield Problem("force", why, "FieldValueForbidden")


def _unsupported(name: str, given: Any, *supported: str) -> Problem:
    listed = ", ".join(f'"{each}"' for each in supported)
    message = f"Unsupported value: {json.dumps(given)}: supported values: {listed}"
    return Problem(name, message, "FieldValueNotSupported")


def _go_quoted(text: str) -> str:
    return "".join(
        ['"', *(each if each.isprintable() else f"\\x{ord(each):02x}" for each in text), '"']
    )


def selection(request: Request, place: Place) -> Selection:
    """Read which objects ``request`` is about."""
    return Selection(
        namespace=place.namespace,
        labels=request.query.get("labelSelector", ""),
        fields=request.query.get("fieldSelector", ""),
    )


def decoded_body(request: Request) -> tuple[Any, tuple[str, ...]]:
    """Decode the body, and tell the fields that it gives twice."""
    match request.content_type:
        case "application/json" | "":
            return decoded_json(request.body)
        case "application/yaml":
            return decoded_yaml(request.body)
        case "application/vnd.kubernetes.protobuf":
            return decoded_protobuf(request.body), ()
        case _:
            raise unsupported_media_type((JSON, YAML, PROTOBUF))


def decoded_patch(request: Request, resource: Resource) -> tuple[Edit, tuple[str, ...]]:
    """Decode the patch in the body: what it makes of an object, and what it gives twice."""
    kind = request.content_type
    if kind not in _edits(resource):
        raise unsupported_media_type((*_edits(resource), APPLY))
    patch, twice = decoded_json(request.body)
    if kind == JSON_PATCH:
        return lambda value: json_patch(value, patch), twice
    if not isinstance(patch, dict):
        raise bad_patch(patch, "map[string]interface {}")
    if kind == MERGE_PATCH:
        return lambda value: merge_patch(value, patch), twice
    schema = with_metadata(resource.schema)
    return lambda value: strategic_merge_patch(schema, value, patch), twice


@attrs.frozen(kw_only=True)
class DeleteOptions:
    """How to delete. ``policy`` is for what depends on the object; empty if nobody said."""

    preconditions: Mapping[str, Any]
    policy: str
    dry_run: bool


def delete_options(request: Request) -> DeleteOptions:
    """Read the DeleteOptions of ``request``."""
    options: Any = {}
    if request.body.strip():
        options, _ = decoded_body(request)
    if not isinstance(options, dict):
        raise bad_request("the body of the request must be an object")
    found = options.get("preconditions") or {}
    if not isinstance(found, dict):
        raise bad_request("preconditions must be an object")
    dry_run = request.query.get("dryRun", "") == "All" or "All" in (options.get("dryRun") or ())
    return DeleteOptions(
        preconditions=found, policy=_propagation(request, options), dry_run=dry_run
    )


def _propagation(request: Request, options: Mapping[str, Any]) -> str:
    policy = options.get("propagationPolicy") or request.query.get("propagationPolicy", "")
    if policy not in {"", *_PROPAGATION}:
        problem = _unsupported("propagationPolicy", policy, *_PROPAGATION, "nil")
        raise invalid_options("DeleteOptions", problem)
    # What was before there were policies.
    orphans = options.get("orphanDependents")
    if orphans is None:
        return str(policy)
    if policy:
        why = "orphanDependents and deletionPropagation cannot be both set"
        message = f'Invalid value: "{policy}": {why}'
        raise invalid_options(
            "DeleteOptions", Problem("propagationPolicy", message, "FieldValueInvalid")
        )
    return "Orphan" if orphans else "Background"


def listed_revision(request: Request) -> tuple[int, str]:
    """Read the resourceVersion that ``request`` asks for, and how it is meant."""
    problems = [*(_watch_problems if request.flag("watch") else _list_problems)(request.query)]
    if problems:
        raise invalid_options("ListOptions", *problems)
    text = request.query.get("resourceVersion", "")
    if text and not (text.isascii() and text.isdigit()):
        why = f'Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'
        raise bad_request(f"invalid resource version: resourceVersion: {why}")
    if text not in {"", "0"} and request.query.get("continue"):
        raise bad_request("specifying resource version is not allowed when using continue")
    return int(text or 0), request.query.get("resourceVersionMatch", "")


def _list_problems(query: Mapping[str, str]) -> Iterator[Problem]:
    version, how = query.get("resourceVersion", ""), query.get("resourceVersionMatch", "")
    if how and not version:
        yield _no_match("resourceVersionMatch is forbidden unless resourceVersion is provided")
    if how and query.get("continue"):
        yield _no_match("resourceVersionMatch is forbidden when continue is provided")
    if how not in {"", "Exact", "NotOlderThan"}:
        yield _unsupported("resourceVersionMatch", how, "Exact", "NotOlderThan", "")
    if how == "Exact" and version == "0":
        yield _no_match('resourceVersionMatch "exact" is forbidden for resourceVersion "0"')
    if query.get("sendInitialEvents"):
        why = "Forbidden: sendInitialEvents is forbidden for list"
        yield Problem("sendInitialEvents", why, "FieldValueForbidden")


def _watch_problems(query: Mapping[str, str]) -> Iterator[Problem]:
    how, initial = query.get("resourceVersionMatch", ""), query.get("sendInitialEvents", "")
    if initial and how != "NotOlderThan":
        yield _no_match("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")
    if how and not initial:
        yield _no_match(
            "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
        )
    if how not in {"", "NotOlderThan"}:
        yield _unsupported("resourceVersionMatch", how, "NotOlderThan")


def _no_match(why: str) -> Problem:
    return Problem("resourceVersionMatch", f"Forbidden: {why}", "FieldValueForbidden")


def _edits(resource: Resource) -> tuple[str, ...]:
    # What a strategic merge would mean is known for built-in kinds only.
    return (JSON_PATCH, MERGE_PATCH) if resource.custom else (JSON_PATCH, MERGE_PATCH, STRATEGIC)
