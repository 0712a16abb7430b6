"""Structural schemas as functions: for thousands of values that mostly are as they should be.

``fits`` says no more than yes or no, and ``filled`` does what ``with_defaults``
does; each walks through its schema once, when it is made. What is rare is left
to the long way of ``structural``, which is the meaning of both.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from kubekuma.kit.structural import Json, Schema, matches, problems, with_defaults

_SAYS_NOTHING: Final = frozenset({"type", "description", "default", "x-kubernetes-validations"})
_OF_OBJECTS: Final = frozenset({"required", "properties", "additionalProperties", "maxProperties"})
_OF_LISTS: Final = frozenset(
    {"items", "minItems", "maxItems", "x-kubernetes-list-type", "x-kubernetes-list-map-keys"}
)
_OF_TEXTS: Final = frozenset({"enum", "minLength", "maxLength", "pattern"})
_OF_INTEGERS: Final = frozenset({"minimum", "maximum", "format"})
_SCALARS: Final = frozenset({str, int, bool, float})
_LARGEST: Final = 2**31 - 1  # within every format of whole numbers


def fits(schema: Schema) -> Callable[[Json], bool]:
    """Make the function that says whether a value has no problems."""
    limits = schema.keys() - _SAYS_NOTHING
    match schema.get("type"):
        case "object" if limits <= _OF_OBJECTS:
            return _object_fits(schema)
        case "array" if limits <= _OF_LISTS:
            return _list_fits(schema)
        case "string" if limits <= _OF_TEXTS:
            return _text_fits(schema)
        case "integer" if limits <= _OF_INTEGERS:
            low, high = schema.get("minimum", 0), schema.get("maximum", _LARGEST)
            if low >= 0 and high <= _LARGEST:
                # What lies beyond may still fit: that is for the long way to say.
                return lambda value: (
                    (type(value) is int and low <= value <= high) or _slowly(schema, value)
                )
        case "boolean" if not limits:
            return lambda value: value is True or value is False
    return lambda value: _slowly(schema, value)


def filled(schema: Schema) -> Callable[[Json], Json]:
    """Make the function that returns a value with its defaults."""
    properties: Mapping[str, Schema] = schema.get("properties", {})
    if schema.get("type") == "array" and isinstance(schema.get("items"), Mapping):
        inner = filled(schema["items"])
        return lambda value: _list_filled(schema, inner, value)
    if schema.get("type") != "object" or "additionalProperties" in schema or not properties:
        return lambda value: with_defaults(schema, value)
    parts = {
        name: filled(inner)
        for name, inner in properties.items()
        if inner.get("type") in {"object", "array"}
    }
    defaults = {
        name: with_defaults(inner, inner["default"])
        for name, inner in properties.items()
        if "default" in inner
    }
    named = defaults.keys()

    def fill(value: Json) -> Json:
        if type(value) is not dict:
            return with_defaults(schema, value)
        changes: dict[str, Json] = {}
        for name, part in value.items():
            if part is None:
                return with_defaults(schema, value)
            if type(part) is dict or type(part) is list:
                fill_part = parts.get(name)
                if fill_part is not None:
                    changed = fill_part(part)
                    if changed is not part:
                        changes[name] = changed
        if not named <= value.keys():
            changes |= {name: defaults[name] for name in named - value.keys()}
        return {**value, **changes} if changes else value

    return fill


def _object_fits(schema: Schema) -> Callable[[Json], bool]:
    required = tuple(schema.get("required", ()))
    parts = {name: fits(inner) for name, inner in schema.get("properties", {}).items()}
    additional = schema.get("additionalProperties")
    other = fits(additional) if isinstance(additional, Mapping) else None
    most = schema.get("maxProperties", _LARGEST)

    def holds(value: Json) -> bool:
        if type(value) is not dict or len(value) > most:
            return False
        for name in required:
            if name not in value:
                return False
        for name, part in value.items():
            part_fits = parts.get(name, other)
            if part_fits is not None and not part_fits(part):
                return False
        return True

    return holds


def _list_fits(schema: Schema) -> Callable[[Json], bool]:
    least, most = schema.get("minItems", 0), schema.get("maxItems")
    items = schema.get("items")
    item_fits = fits(items) if items is not None else None
    is_unique = schema.get("x-kubernetes-list-type") in {"set", "map"}

    def holds(value: Json) -> bool:
        if type(value) is not list or len(value) < least:
            return False
        if most is not None and len(value) > most:
            return False
        if is_unique and len(value) > 1 and not _are_different_scalars(value):
            return _slowly(schema, value)
        return item_fits is None or all(map(item_fits, value))

    return holds


def _are_different_scalars(values: list[Json]) -> bool:
    # Of one type: 1 and true are equal in Python, and not in JSON.
    kinds = set(map(type, values))
    return kinds in ({str}, {int}) and len(set(values)) == len(values)


def _text_fits(schema: Schema) -> Callable[[Json], bool]:
    choices: Any = schema.get("enum")
    least, most = schema.get("minLength", 0), schema.get("maxLength", _LARGEST)
    pattern = schema.get("pattern")

    def holds(value: Json) -> bool:
        if type(value) is not str or not least <= len(value) <= most:
            return False
        if choices is not None and value not in choices:
            return False
        return pattern is None or matches(pattern, value)

    return holds


def _slowly(schema: Schema, value: Json) -> bool:
    return next(problems(schema, value), None) is None


def _list_filled(schema: Schema, inner: Callable[[Json], Json], value: Json) -> Json:
    if type(value) is not list:
        return with_defaults(schema, value)
    if _SCALARS.issuperset(map(type, value)):
        return value
    changed = [inner(item) for item in value]
    same = all(new is old for new, old in zip(changed, value, strict=True))
    return value if same else changed
