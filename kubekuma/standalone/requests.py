"""What a request says: its path, its parameters and its body, understood or refused."""

from collections.abc import Mapping
from typing import Any, Final

import attrs

from kubekuma.kit.structural import Problem
from kubekuma.standalone.api import Edit, Options
from kubekuma.standalone.catalog import Catalog
from kubekuma.standalone.codec import decoded_json, decoded_yaml
from kubekuma.standalone.errors import (
    bad_request,
    invalid_options,
    no_such_path,
    unsupported_media_type,
)
from kubekuma.standalone.fields import with_metadata
from kubekuma.standalone.listing import Selection
from kubekuma.standalone.patches import json_patch, merge_patch, strategic_merge_patch
from kubekuma.standalone.protobuf import PROTOBUF, decoded_protobuf
from kubekuma.standalone.resources import Resource

JSON: Final = "application/json"
YAML: Final = "application/yaml"
APPLY: Final = "application/apply-patch+yaml"
JSON_PATCH: Final = "application/json-patch+json"
MERGE_PATCH: Final = "application/merge-patch+json"
STRATEGIC: Final = "application/strategic-merge-patch+json"

# Subresources of namespaces, which look like kinds inside of one.
_OF_NAMESPACES: Final = frozenset({"status", "finalize"})
_VALIDATIONS: Final = frozenset({"", "Ignore", "Warn", "Strict"})


@attrs.frozen(kw_only=True)
class Request:
    """A request, read to its end. Names of headers are in lower case."""

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
        """Read the parameter ``name``, a whole number that is not negative; 0 if it is absent."""
        text = self.query.get(name) or "0"
        if not (text.isascii() and text.isdigit()):
            message = f'Invalid value: "{text}": must be a whole number that is not negative'
            raise invalid_options("ListOptions", Problem(name, message, "FieldValueInvalid"))
        return int(text)


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
    if subresource and not (subresource == "status" and resource.has_status):
        raise no_such_path()
    if name and resource.namespaced and not namespace:
        raise no_such_path()
    return Place(resource=resource, namespace=namespace, name=name, subresource=subresource)


def write_options(request: Request, twice: tuple[str, ...] = ()) -> Options:
    """Read how ``request`` wants to write."""
    query = request.query
    dry_run = query.get("dryRun", "")
    if dry_run not in {"", "All"}:
        message = f'Unsupported value: "{dry_run}": supported values: "All"'
        raise invalid_options("PatchOptions", Problem("dryRun", message, "FieldValueNotSupported"))
    validation = query.get("fieldValidation", "")
    if validation not in _VALIDATIONS:
        message = f'Unsupported value: "{validation}": supported values: "Ignore", "Strict", "Warn"'
        problem = Problem("fieldValidation", message, "FieldValueNotSupported")
        raise invalid_options("PatchOptions", problem)
    manager = query.get("fieldManager", "")
    is_apply = request.content_type == APPLY
    if is_apply and not manager:
        problem = Problem(
            "fieldManager", "Required value: is required for apply patch", "FieldValueRequired"
        )
        raise invalid_options("PatchOptions", problem)
    if "force" in query and not is_apply and request.method == "PATCH":
        message = "Forbidden: may not be specified for non-apply patch"
        raise invalid_options("PatchOptions", Problem("force", message, "FieldValueForbidden"))
    agent = request.headers.get("user-agent", "unknown").partition("/")[0]
    return Options(
        field_manager=manager or agent[:128],
        field_validation=validation or "Warn",
        force=request.flag("force"),
        dry_run=bool(dry_run),
        twice=twice,
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
        case other:
            raise unsupported_media_type(other, (JSON, YAML, PROTOBUF))


def decoded_patch(request: Request, resource: Resource) -> tuple[Edit, tuple[str, ...]]:
    """Decode the patch in the body: what it makes of an object, and what it gives twice."""
    kind = request.content_type
    if kind not in _edits(resource):
        raise unsupported_media_type(kind, (*_edits(resource), APPLY))
    patch, twice = decoded_json(request.body)
    if kind == JSON_PATCH:
        return lambda value: json_patch(value, patch), twice
    if not isinstance(patch, dict):
        raise bad_request("the body of the patch must be an object")
    if kind == MERGE_PATCH:
        return lambda value: merge_patch(value, patch), twice
    schema = with_metadata(resource.schema)
    return lambda value: strategic_merge_patch(schema, value, patch), twice


def delete_preconditions(request: Request) -> tuple[Mapping[str, Any], bool]:
    """Read the DeleteOptions of ``request``: preconditions, and whether it is a dry run."""
    dry_run = request.query.get("dryRun", "") == "All"
    if not request.body.strip():
        return {}, dry_run
    options, _ = decoded_body(request)
    if not isinstance(options, dict):
        raise bad_request("the body of the request must be an object")
    found = options.get("preconditions") or {}
    if not isinstance(found, dict):
        raise bad_request("preconditions must be an object")
    return found, dry_run or "All" in (options.get("dryRun") or ())


def listed_revision(request: Request) -> tuple[int, str]:
    """Read the resourceVersion that ``request`` asks for, and how it is meant."""
    revision, how = request.number("resourceVersion"), request.query.get("resourceVersionMatch", "")
    if how not in {"", "Exact", "NotOlderThan"}:
        message = f'Unsupported value: "{how}": supported values: "Exact", "NotOlderThan"'
        problem = Problem("resourceVersionMatch", message, "FieldValueNotSupported")
        raise invalid_options("ListOptions", problem)
    if how and not request.query.get("resourceVersion") and not request.query.get("watch"):
        message = "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"
        problem = Problem("resourceVersionMatch", message, "FieldValueForbidden")
        raise invalid_options("ListOptions", problem)
    if revision and request.query.get("continue"):
        raise bad_request("specifying resource version is not allowed when using continue")
    return revision, how


def _edits(resource: Resource) -> tuple[str, ...]:
    # What a strategic merge would mean is known for built-in kinds only.
    return (JSON_PATCH, MERGE_PATCH) if resource.custom else (JSON_PATCH, MERGE_PATCH, STRATEGIC)
