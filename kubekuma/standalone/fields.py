"""Who owns which field: ``metadata.managedFields``, and an object as a set of fields.

A step of a path is written as in ``fieldsV1``: ``f:name``, ``k:{"name":"x"}``,
``v:"x"``. A structural schema tells which lists are maps or sets.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias

import attrs

from kubekuma.kit.structural import Schema
from kubekuma.standalone.resources import Object

Path: TypeAlias = tuple[str, ...]
FieldSet: TypeAlias = frozenset[Path]
Leaves: TypeAlias = dict[Path, Any]

_EMPTY: Final[Schema] = {}
# Set by the server or naming the object: nobody owns them.
_UNOWNED: Final = frozenset(
    {
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "managedFields",
        "selfLink",
        "generateName",
    }
)
# What is in every object; in those of built-in kinds, which are structs of Go, also this.
ALWAYS: Final[FieldSet] = frozenset({("f:metadata",)})
ALWAYS_IN_BUILTINS: Final[FieldSet] = ALWAYS | {("f:spec",), ("f:status",)}
# An entry of a map or list: there or not, its content stands in its own leaves.
_ENTRY: Final = ("entry",)
METADATA: Final[Schema] = {
    "type": "object",
    "properties": {
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "annotations": {"type": "object", "additionalProperties": {"type": "string"}},
        "finalizers": {
            "type": "array",
            "x-kubernetes-list-type": "set",
            "items": {"type": "string"},
        },
        "ownerReferences": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["uid"],
            "items": {"type": "object", "x-kubernetes-map-type": "atomic"},
        },
    },
}


@attrs.frozen(kw_only=True)
class Manager:
    """What one manager owns: an entry of ``metadata.managedFields``."""

    name: str
    operation: str
    api_version: str
    subresource: str = ""
    time: str = ""
    fields: FieldSet

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """Entries with the same identity are one."""
        return self.name, self.operation, self.api_version, self.subresource


def with_metadata(schema: Schema) -> Schema:
    """``schema`` of a kind, with that of the metadata which every kind has."""
    return {**schema, "properties": {**schema.get("properties", {}), "metadata": METADATA}}


def fields_of(schema: Schema, value: Object) -> FieldSet:
    """Every field that ``value`` says something about."""
    return frozenset(leaves(schema, value))


def containers(schema: Schema, value: Object, always: FieldSet) -> FieldSet:
    """Every map and list in ``value`` that has something in it: whoever makes one owns it.

    Nobody makes those in ``always``.
    """
    prefixes = (path[:length] for path in leaves(schema, value) for length in range(1, len(path)))
    return frozenset(prefixes) - always


# Values as leaves


def changed_fields(before: Leaves, after: Leaves) -> FieldSet:
    """The fields that ``after`` has and ``before`` has not, or has with another value."""
    nothing = object()
    return frozenset(path for path, value in after.items() if before.get(path, nothing) != value)


def leaves(schema: Schema, value: Object) -> Leaves:
    """Every field of the object ``value`` and what it holds; entries of maps and lists apart."""
    found: Leaves = {}
    properties = schema.get("properties", _EMPTY)
    for name, part in value.items():
        if name in {"apiVersion", "kind"}:
            continue
        if name == "metadata":
            owned = {key: each for key, each in part.items() if key not in _UNOWNED}
            if owned:
                _collect(METADATA, owned, ("f:metadata",), found)
            continue
        _collect(properties.get(name, _EMPTY), part, (f"f:{name}",), found)
    return found


def _collect(schema: Schema, value: Any, path: Path, found: Leaves) -> None:
    if isinstance(value, dict) and value and schema.get("x-kubernetes-map-type") != "atomic":
        properties = schema.get("properties", _EMPTY)
        for name, part in value.items():
            inner = properties.get(name)
            step = (*path, f"f:{name}")
            if inner is None:
                inner = values_schema(schema)
                # The entry of a map is something of its own; a field of a struct is not.
                if isinstance(part, dict) and part:
                    found[step] = _ENTRY
            _collect(inner, part, step, found)
        return
    kind = schema.get("x-kubernetes-list-type")
    if isinstance(value, list) and value and kind == "map":
        for item in value:
            step = (*path, item_step(item, schema))
            found[step] = _ENTRY
            if isinstance(item, dict):
                _collect(schema.get("items", _EMPTY), item, step, found)
        return
    if isinstance(value, list) and value and kind == "set":
        found.update({(*path, f"v:{text_of(item)}"): item for item in value})
        return
    found[path] = value


def values_schema(schema: Schema) -> Schema:
    """The schema of what a map holds under any key."""
    additional = schema.get("additionalProperties")
    return additional if isinstance(additional, Mapping) else _EMPTY


def item_step(item: Any, schema: Schema) -> str:
    """The step to ``item`` of a list that is a map: by its keys, which may be defaulted."""
    keys = schema.get("x-kubernetes-list-map-keys", ())
    if not isinstance(item, dict):
        return f"v:{text_of(item)}"
    return f"k:{text_of({key: item.get(key, _default(schema, key)) for key in keys})}"


def _default(schema: Schema, key: str) -> Any:
    return schema.get("items", _EMPTY).get("properties", _EMPTY).get(key, _EMPTY).get("default")


def text_of(value: Any) -> str:
    """``value`` in the one JSON form in which steps are compared."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


# managedFields


def managers_of(value: Object) -> tuple[Manager, ...]:
    """The owners that ``value`` names in its managedFields."""
    return tuple(
        Manager(
            name=entry.get("manager", ""),
            operation=entry.get("operation", ""),
            api_version=entry.get("apiVersion", ""),
            subresource=entry.get("subresource", ""),
            time=entry.get("time", ""),
            fields=frozenset(_paths(entry.get("fieldsV1", {}), ())),
        )
        for entry in value.get("metadata", {}).get("managedFields", ())
    )


def managed_fields(managers: Iterable[Manager]) -> list[Object]:
    """The owners in the form of ``metadata.managedFields``."""
    return [
        {
            "manager": each.name,
            "operation": each.operation,
            "apiVersion": each.api_version,
            **({"time": each.time} if each.time else {}),
            "fieldsType": "FieldsV1",
            "fieldsV1": _tree(each.fields),
            **({"subresource": each.subresource} if each.subresource else {}),
        }
        for each in managers
    ]


def _tree(fields: FieldSet) -> Object:
    root: Object = {}
    for path in sorted(fields):
        node = root
        for step in path:
            node = node.setdefault(step, {})
    inner = {path[:length] for path in fields for length in range(1, len(path))}
    for path in fields & inner:
        node = root
        for step in path:
            node = node[step]
        node["."] = {}
    return root


def _paths(tree: Object, prefix: Path) -> Iterator[Path]:
    for step, inner in tree.items():
        if step == ".":
            yield prefix
        elif inner:
            yield from _paths(inner, (*prefix, step))
        else:
            yield (*prefix, step)


def dotted(path: Path) -> str:
    """``path`` as conflicts name it: ``.spec.headers[name="x"].value``."""
    parts = []
    for step in path:
        kind, rest = step[:2], step[2:]
        if kind == "f:":
            parts.append(f".{rest}")
        elif kind == "k:":
            keys = json.loads(rest)
            parts.append(f"[{','.join(f'{key}={text_of(each)}' for key, each in keys.items())}]")
        else:
            parts.append(f"[={rest}]")
    return "".join(parts)
