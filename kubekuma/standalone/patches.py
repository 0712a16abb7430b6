"""Patches that change a document: JSON merge (RFC 7396), JSON (RFC 6902), strategic merge."""

from collections.abc import Mapping
from typing import Any, Final

import jsonpatch

from kubekuma.kit.structural import Schema
from kubekuma.standalone.errors import ApiError, bad_request
from kubekuma.standalone.resources import Object

_EMPTY: Final[Schema] = {}


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
    if not isinstance(patch, list):
        raise bad_request("json patch: cannot decode: a list of operations is expected")
    try:
        result: Object = jsonpatch.apply_patch(value, patch)
    except jsonpatch.InvalidJsonPatch as error:
        raise bad_request(f"json patch: {error}") from None
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException) as error:
        message = f"the server rejected our request due to an error in our request: {error}"
        raise ApiError(422, "Invalid", message) from None
    except (TypeError, KeyError, AttributeError) as error:
        raise bad_request(f"json patch: {error}") from None
    return result


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
