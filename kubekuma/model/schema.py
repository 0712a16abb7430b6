"""Draws schemas from the model: structural ones for CRDs, JSON Schema for editors.

What a field means and may hold is said once, by ``says``; this module only
changes its form (apiextensions.k8s.io/v1, "Specifying a structural schema").
"""

import types
import typing
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any, Final, TypeAlias

import attrs

from kubekuma.model.field import Rule, Specifics, json_name, rules_of, specifics_of
from kubekuma.model.kinds import Column, Kind
from kubekuma.model.meta import GROUP, VERSION

Schema: TypeAlias = dict[str, Any]

# Every string has a bound, so that the API server can tell what a CEL rule costs at most.
# 253 is the longest name in Kubernetes and in the DNS.
DEFAULT_MAX_LENGTH: Final = 253
DEFAULT_MAX_ITEMS: Final = 64


def crd(kind: Kind) -> Schema:
    """The CustomResourceDefinition of ``kind``."""
    names = {
        "kind": kind.name,
        "listKind": f"{kind.name}List",
        "plural": kind.plural,
        "singular": kind.name.lower(),
        "shortNames": list(kind.short_names),
        "categories": ["kubekuma"],
    }
    version: Schema = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": resource(kind)},
        "subresources": {"status": {}},
        "additionalPrinterColumns": [_column(each) for each in kind.columns],
    }
    if kind.selectable:
        version["selectableFields"] = [{"jsonPath": path} for path in kind.selectable]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": kind.crd_name},
        "spec": {
            "group": GROUP,
            "names": names,
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "versions": [version],
        },
    }


@cache
def resource(kind: Kind) -> Schema:
    """The structural schema of a whole resource of ``kind``."""
    schema: Schema = {
        "type": "object",
        "description": kind.doc,
        "required": ["spec"],
        "properties": {
            "apiVersion": {
                "type": "string",
                "description": "Version of this form of the resource.",
            },
            "kind": {"type": "string", "description": f"Always {kind.name}."},
            "metadata": {"type": "object"},
            "spec": structural(kind.spec),
            "status": structural(kind.status),
        },
    }
    if kind.only_name:
        schema["x-kubernetes-validations"] = [
            {
                "rule": f"self.metadata.name == '{kind.only_name}'",
                "message": f"is a singleton; its name must be {kind.only_name}",
            }
        ]
    return schema


def json_schema(kind: Kind) -> Schema:
    """A JSON Schema of ``kind`` for editors: strict, and without what only the server fills in."""
    whole = _closed(resource(kind))
    properties = {name: part for name, part in whole["properties"].items() if name != "status"}
    properties["apiVersion"] = {**properties["apiVersion"], "enum": [kind.api_version]}
    properties["kind"] = {**properties["kind"], "enum": [kind.name]}
    properties["metadata"] = {"type": "object", "required": ["name"]}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": kind.name,
        **whole,
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "properties": properties,
    }


@cache
def structural(cls: type) -> Schema:
    """The structural schema of a class of the model."""
    properties: Schema = {}
    required: list[str] = []
    for field in fields_of(cls):
        properties[json_name(field)] = _field(field)
        if field.default is attrs.NOTHING:
            required.append(json_name(field))
    schema: Schema = {"type": "object", "description": _first_sentence(cls)}
    if required:
        schema["required"] = required
    schema["properties"] = properties
    rules = [_validation(rule) for rule in rules_of(cls) if rule.cel is not None]
    if rules:
        schema["x-kubernetes-validations"] = rules
    return schema


def fields_of(cls: type) -> tuple["attrs.Attribute[Any]", ...]:
    """The fields of ``cls``, with types that are types and no strings."""
    attrs.resolve_types(cls)
    found: tuple[attrs.Attribute[Any], ...] = attrs.fields(cls)
    return found


def without_none(kind: Any) -> Any:
    """``X`` for ``X | None``; anything else as it is."""
    if isinstance(kind, types.UnionType) or typing.get_origin(kind) is typing.Union:
        rest = [each for each in typing.get_args(kind) if each is not type(None)]
        return rest[0] if len(rest) == 1 else kind
    return kind


def _field(field: "attrs.Attribute[Any]") -> Schema:
    said = specifics_of(field)
    schema = _type(without_none(field.type), said)
    schema["description"] = said.doc
    default = _default(field.default)
    if default is not None:
        schema["default"] = default
    return schema


def _type(kind: Any, said: Specifics) -> Schema:
    if said.partial_of is not None:
        return _partial(structural(said.partial_of))
    if said.int_or_string:
        return _bounded_string({"x-kubernetes-int-or-string": True}, said)
    if kind is Any or kind == (Any | None):
        return {"x-kubernetes-preserve-unknown-fields": True}
    origin = typing.get_origin(kind)
    if origin is tuple:
        return _list(typing.get_args(kind)[0], said)
    if origin is Mapping:
        return {
            "type": "object",
            "additionalProperties": _bounded_string({"type": "string"}, said),
            "maxProperties": said.max_items or DEFAULT_MAX_ITEMS,
        }
    if attrs.has(kind):
        return dict(structural(kind))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return {"type": "string", "enum": [each.value for each in kind]}
    return _scalar(kind, said)


def _partial(schema: Schema) -> Schema:
    """Any part of what ``schema`` describes: nothing is required, nothing filled in.

    What must hold between fields can be asked of the whole alone.
    """
    left_out = {"required", "default", "x-kubernetes-validations"}
    part = {name: value for name, value in schema.items() if name not in left_out}
    if "properties" in schema:
        part["properties"] = {name: _partial(inner) for name, inner in schema["properties"].items()}
    if "items" in schema:
        part["items"] = _partial(schema["items"])
        # Items are told apart by their keys, which must be there.
        if keys := schema.get("x-kubernetes-list-map-keys"):
            part["items"]["required"] = list(keys)
    return part


def _scalar(kind: Any, said: Specifics) -> Schema:
    if kind is bool:
        return {"type": "boolean"}
    if kind is int:
        bounds = {"minimum": said.low, "maximum": said.high}
        known = {name: bound for name, bound in bounds.items() if bound is not None}
        return {"type": "integer", "format": "int64", **known}
    if kind is datetime:
        return {"type": "string", "format": "date-time"}
    if kind is str:
        return _bounded_string({"type": "string"}, said)
    raise TypeError(f"no schema for {kind!r}")


def _bounded_string(schema: Schema, said: Specifics) -> Schema:
    schema["maxLength"] = said.max_length or DEFAULT_MAX_LENGTH
    if said.min_length:
        schema["minLength"] = said.min_length
    if said.pattern:
        schema["pattern"] = said.pattern
    return schema


def _list(item: Any, said: Specifics) -> Schema:
    schema: Schema = {
        "type": "array",
        "items": _type(item, attrs.evolve(said, int_or_string=False)),
        "maxItems": said.max_items or DEFAULT_MAX_ITEMS,
        "x-kubernetes-list-type": said.list_type,
    }
    if said.min_items:
        schema["minItems"] = said.min_items
    if said.list_keys:
        schema["x-kubernetes-list-map-keys"] = list(said.list_keys)
    return schema


def _default(value: Any) -> Any:
    # An empty list or map says nothing that its absence does not say.
    if value is attrs.NOTHING or value is None or value in ((), {}):
        return None
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return [_default(each) for each in value]
    if attrs.has(type(value)):
        # The object's own fields carry their defaults: these apply once it is there.
        return {}
    return value


def _validation(rule: Rule) -> Schema:
    said: Schema = {"rule": rule.cel, "message": rule.message}
    if rule.field_path:
        said["fieldPath"] = f".{rule.field_path}"
    return said


def _column(column: Column) -> Schema:
    said: Schema = {"name": column.name, "type": column.type, "jsonPath": column.path}
    if column.priority:
        said["priority"] = column.priority
    return said


def _first_sentence(cls: type) -> str:
    return (cls.__doc__ or "").split("\n\n")[0].replace("\n    ", " ").replace("``", "").strip()


def _closed(schema: Any) -> Any:
    # Editors know neither pruning nor the extensions of Kubernetes.
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, Mapping):
        return schema
    closed = {
        name: _closed(part)
        for name, part in schema.items()
        if not name.startswith("x-kubernetes-") and name != "format"
    }
    if schema.get("type") == "object" and "properties" in schema:
        closed["additionalProperties"] = False
    if schema.get("x-kubernetes-int-or-string"):
        closed["type"] = ["integer", "string"]
    return closed
