"""Patches that change a document: JSON merge (RFC 7396), JSON (RFC 6902), strategic merge."""

from collections.abc import Mapping
from typing import Any, Final

import jsonpatch

from kubekuma.kit.structural import Schema
from kubekuma.standalone.errors import ApiError, bad_request, wrong_patch
from kubekuma.standalone.resources import Object

_EMPTY: Final[Schema] = {}
_JSON_TYPES: Final = {list: "array", str: "string", int: "number", float: "number", bool: "bool"}


def merge_patch(value: Any, patch: Any) -> Any:
    """``value`` with what ``patch`` gives replaced, and what it gives as null removed."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(value) if isinstance(value, dict) else {}
    for name, part in patch.items():
        if part is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), part)
    return merged


def json_patch(value: Object, patch: Any) -> Object:
    """``value`` after the operations in ``patch``; refused as a whole if one of them fails."""
    if not isinstance(patch, list) or not all(isinstance(each, dict) for each in patch):
        raise bad_patch(patch, "[]handlers.jsonPatchOp")
    try:
        result: Object = jsonpatch.apply_patch(value, patch)
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException):
        raise wrong_patch() from None
    except (TypeError, KeyError, AttributeError) as error:
        raise bad_request(f"error decoding patch: {error}") from None
    return result


def bad_patch(patch: Any, wanted: str) -> ApiError:
    """The patch is no ``wanted``, a type of Go, to make anything of."""
    given = "object" if isinstance(patch, dict) else _JSON_TYPES.get(type(patch), "value")
    message = f"error decoding patch: json: cannot unmarshal {given} into Go value of type {wanted}"
    return bad_request(message)


def strategic_merge_patch(schema: Schema, value: Any, patch: Any) -> Any:
    """As ``merge_patch``, but lists that ``schema`` calls maps or sets are merged, not replaced."""
    if not isinstance(patch, dict):
        return patch
    if patch.get("$patch") == "replace":
        return {name: part for name, part in patch.items() if name != "$patch"}
    merged = dict(value) if isinstance(value, dict) else {}
    properties = schema.get("properties", _EMPTY)
    additional = schema.get("additionalProperties")
    other = additional if isinstance(additional, Mapping) else _EMPTY
    for name, part in patch.items():
        inner = properties.get(name, other)
        if name.startswith("$deleteFromPrimitiveList/"):
            _, _, field = name.partition("/")
            merged[field] = [each for each in merged.get(field) or () if each not in part]
        elif name.startswith("$"):
            continue  # the order of elements, and keys to retain: of no meaning to these kinds
        elif part is None or (isinstance(part, dict) and part.get("$patch") == "delete"):
            merged.pop(name, None)
        elif isinstance(part, list):
            merged[name] = _merged_list(inner, merged.get(name), part)
        else:
            merged[name] = strategic_merge_patch(inner, merged.get(name), part)
    return merged


def _merged_list(schema: Schema, value: Any, patch: list[Any]) -> list[Any]:
    kind = schema.get("x-kubernetes-list-type")
    before = list(value) if isinstance(value, list) else []
    if kind == "set":
        return [*before, *(each for each in patch if each not in before)]
    if kind != "map":
        return patch
    keys = schema.get("x-kubernetes-list-map-keys", ())
    merged = {_identity(item, keys): item for item in before}
    for item in patch:
        key = _identity(item, keys)
        if isinstance(item, dict) and item.get("$patch") == "delete":
            merged.pop(key, None)
        else:
            merged[key] = strategic_merge_patch(schema.get("items", _EMPTY), merged.get(key), item)
    return list(merged.values())


def _identity(item: Any, keys: tuple[str, ...]) -> str:
    return repr([item.get(key) for key in keys] if isinstance(item, dict) else item)
