"""OpenAPI v3: what ``kubectl explain`` shows, and how kubectl learns who validates fields."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from kubekuma.standalone.catalog import Catalog
from kubekuma.standalone.codec import encoded
from kubekuma.standalone.errors import no_such_path
from kubekuma.standalone.resources import Object, Resource

# A document of version 2 with nothing in it but its version, as protobuf: clients that look for
# a kind there then say that there is no such kind, instead of that they have found no document.
EMPTY_V2: Final = b"\x0a\x032.0"
EMPTY_V2_TYPE: Final = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"

_META: Final = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_TEXT: Final = {"type": "string"}
_TEXTS: Final = {"type": "object", "additionalProperties": _TEXT}
_TIME: Final = {"type": "string", "format": "date-time"}
_OBJECT_META: Final[Object] = {
    "type": "object",
    "description": "ObjectMeta is metadata that all persisted resources must have.",
    "properties": {
        "name": {**_TEXT, "description": "Name is unique within a namespace. Cannot be updated."},
        "generateName": {
            **_TEXT,
            "description": "A prefix from which the server makes a unique name, if none is given.",
        },
        "namespace": {**_TEXT, "description": "The space within which the name is unique."},
        "labels": {
            **_TEXTS,
            "description": "Keys and values by which objects are organized and selected.",
        },
        "annotations": {
            **_TEXTS,
            "description": "Arbitrary keys and values that tools store with the object.",
        },
        "finalizers": {
            "type": "array",
            "items": _TEXT,
            "description": "While there are any, the object is not removed when it is deleted.",
        },
        "ownerReferences": {
            "type": "array",
            "items": {"type": "object"},
            "description": "The objects that this object depends on.",
        },
        "managedFields": {
            "type": "array",
            "items": {"type": "object"},
            "description": "Which manager owns which field. Maintained by the server.",
        },
        "uid": {**_TEXT, "description": "Unique in time and space. Set by the server."},
        "resourceVersion": {
            **_TEXT,
            "description": "Changes with every change of the object. Set by the server.",
        },
        "generation": {
            "type": "integer",
            "format": "int64",
            "description": "Counts the changes of the desired state. Set by the server.",
        },
        "creationTimestamp": {**_TIME, "description": "When the object was created."},
        "deletionTimestamp": {**_TIME, "description": "When the object was deleted."},
    },
}
_PARAMETERS: Final = [
    {"name": name, "in": "query", "schema": {"type": kind, "uniqueItems": True}}
    for name, kind in (
        ("dryRun", "string"),
        ("fieldManager", "string"),
        ("fieldValidation", "string"),
        ("force", "boolean"),
    )
]
# Which operations a path has: those on a list, and those on one object.
_ON_LIST: Final = {"get": "list", "post": "post"}
_ON_ONE: Final = {"get": "get", "put": "put", "patch": "patch", "delete": "delete"}


class OpenApi:
    """The documents, one for each version of a group; made anew when the kinds change."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._edition = -1
        self._documents: Mapping[str, bytes] = {}

    def index(self) -> Object:
        """Where the documents are. Clients keep a document as long as its hash is the same."""
        return {
            "paths": {
                path: {"serverRelativeURL": f"/openapi/v3/{path}?hash={_hash(document)}"}
                for path, document in self._current().items()
            }
        }

    def document(self, path: str) -> bytes:
        """The encoded document of ``path``: ``api/v1``, ``apis/GROUP/VERSION``."""
        found = self._current().get(path)
        if found is None:
            raise no_such_path()
        return found

    def _current(self) -> Mapping[str, bytes]:
        if self._edition != self._catalog.edition:
            self._edition = self._catalog.edition
            self._documents = {
                resources[0].root.removeprefix("/"): encoded(openapi_document(resources))
                for versions in self._catalog.groups().values()
                for resources in versions.values()
            }
        return self._documents


def openapi_document(resources: Sequence[Resource]) -> Object:
    """The document of ``resources``, which are of the same group and version."""
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "unversioned"},
        "paths": dict(path for each in resources for path in _paths(each)),
        "components": {
            "schemas": {
                _META: _OBJECT_META,
                **{_schema_name(each): _schema(each) for each in resources},
            }
        },
    }


def _paths(resource: Resource) -> Iterator[tuple[str, Object]]:
    inside = "/namespaces/{namespace}" if resource.namespaced else ""
    root = f"{resource.root}{inside}/{resource.plural}"
    yield root, _operations(resource, _ON_LIST)
    yield f"{root}/{{name}}", _operations(resource, _ON_ONE)
    if resource.has_status:
        yield f"{root}/{{name}}/status", _operations(resource, _ON_ONE)


def _operations(resource: Resource, actions: Mapping[str, str]) -> Object:
    return {
        method: {
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": _identity(resource),
            "parameters": _PARAMETERS if method in {"post", "put", "patch"} else [],
            "responses": {"200": {"description": "OK"}},
        }
        for method, action in actions.items()
    }


def _schema(resource: Resource) -> Object:
    schema: dict[str, Any] = {"type": "object", **resource.schema}
    reference = {"allOf": [{"$ref": f"#/components/schemas/{_META}"}], "default": {}}
    schema["properties"] = {
        "apiVersion": {**_TEXT, "description": "The version of this form of the object."},
        "kind": {**_TEXT, "description": "The kind of this object."},
        **resource.schema.get("properties", {}),
        "metadata": {**reference, "description": "Standard object's metadata."},
    }
    schema["x-kubernetes-group-version-kind"] = [_identity(resource)]
    return schema


def _schema_name(resource: Resource) -> str:
    group = ".".join(reversed(resource.group.split("."))) if resource.group else "io.k8s.api.core"
    return f"{group}.{resource.version}.{resource.kind}"


def _identity(resource: Resource) -> Object:
    return {"group": resource.group, "version": resource.version, "kind": resource.kind}


def _hash(document: bytes) -> str:
    return hashlib.sha256(document).hexdigest().upper()
