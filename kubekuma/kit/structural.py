"""Structural schemas of Kubernetes: validate, default and prune JSON values.

The value semantics of the OpenAPI v3 subset in which CustomResourceDefinitions
are written. Schemas are plain mappings, as decoded from a CRD; values are
plain JSON. Values count as immutable: results share what did not change.

The wording is that of kube-apiserver (k8s.io/kube-openapi ``errors/schema.go``
and k8s.io/apimachinery ``util/validation/field``), so that an error reads the
same with and without a cluster.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, TypeAlias

import attrs
import re2

Schema: TypeAlias = Mapping[str, Any]
Json: TypeAlias = Any

# Accepted in any object that is a resource of its own, besides its schema.
_RESOURCE_FIELDS: Final = frozenset({"apiVersion", "kind", "metadata"})

_INTEGER_RANGES: Final = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1)}


@attrs.frozen(order=True)
class Problem:
    """One thing that is wrong: where, in kube-apiserver's words, and as a cause's ``reason``."""

    path: str
    message: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


def problems(schema: Schema, value: Json, path: str = "") -> Iterator[Problem]:
    """Every mistake in ``value``, never stopping at the first, never raising."""
    found: list[Problem] = []
    _examine(schema, value, path, found.append)
    return iter(found)


def with_defaults(schema: Schema, value: Json) -> Json:
    """``value`` with absent fields defaulted, and meaningless nulls removed.

    A null in a property that is not nullable counts as absent. A default below
    an object applies only where that object exists or has itself a default.
    """
    if isinstance(value, dict):
        return _object_with_defaults(schema, value)
    if isinstance(value, list) and (items := schema.get("items")):
        changed = [with_defaults(items, item) for item in value]
        return changed if _any_new(changed, value) else value
    return value


def pruned(schema: Schema, value: Json, path: str = "") -> tuple[Json, tuple[str, ...]]:
    """``value`` without the fields that ``schema`` does not know, and the paths of these.

    The value at path ``""`` is a whole resource: its apiVersion, kind and
    metadata are known even if its schema does not mention them.
    """
    unknown: list[str] = []
    return _pruned(schema, value, path, unknown), tuple(unknown)


# Validation


_Report: TypeAlias = Callable[[Problem], None]


def _examine(schema: Schema, value: Json, path: str, report: _Report) -> None:
    if value is None and schema.get("nullable"):
        return
    kind = schema.get("type")
    if schema.get("x-kubernetes-int-or-string"):
        if not isinstance(value, str) and not _is_integer(value):
            report(_wrong_type(path, "integer,string", value))
            return
    elif kind is not None and not _IS_TYPE[kind](value):
        report(_wrong_type(path, kind, value))
        return
    if (enum := schema.get("enum")) is not None and value not in enum:
        supported = ", ".join(_quoted(choice) for choice in enum)
        message = f"Unsupported value: {_shown(value)}: supported values: {supported}"
        report(Problem(path, message, "FieldValueNotSupported"))
    if isinstance(value, str):
        _examine_string(schema, value, path, report)
    elif isinstance(value, dict):
        _examine_object(schema, value, path, report)
    elif isinstance(value, list):
        _examine_list(schema, value, path, report)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        _examine_number(schema, value, path, report)
    if not schema.keys().isdisjoint(_JUNCTORS):
        _examine_junctors(schema, value, path, report)


def _examine_string(schema: Schema, value: str, path: str, report: _Report) -> None:
    most = schema.get("maxLength")
    if most is not None and len(value) > most:
        report(Problem(path, f"Too long: may not be more than {most} bytes", "FieldValueTooLong"))
    least = schema.get("minLength")
    if least is not None and len(value) < least:
        report(_invalid(path, value, f"should be at least {least} chars long"))
    pattern = schema.get("pattern")
    if pattern is not None and not matches(pattern, value):
        report(_invalid(path, value, f"should match '{pattern}'"))
    if (is_format := _IS_FORMAT.get(schema.get("format", ""))) and not is_format(value):
        where = path or "body"
        message = (
            f"Invalid value: {_quoted(value)}: {where} in body must be of type "
            f"{schema['format']}: {_quoted(value)}"
        )
        report(Problem(path, message, "FieldValueInvalid"))


def _examine_number(schema: Schema, value: float, path: str, report: _Report) -> None:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None:
        if schema.get("exclusiveMinimum"):
            if value <= low:
                report(_invalid(path, value, f"should be greater than {low}"))
        elif value < low:
            report(_invalid(path, value, f"should be greater than or equal to {low}"))
    if high is not None:
        if schema.get("exclusiveMaximum"):
            if value >= high:
                report(_invalid(path, value, f"should be less than {high}"))
        elif value > high:
            report(_invalid(path, value, f"should be less than or equal to {high}"))
    step = schema.get("multipleOf")
    if step is not None and value % step:
        report(_invalid(path, value, f"should be a multiple of {step}"))
    form = schema.get("format")
    if form in _INTEGER_RANGES:
        smallest, largest = _INTEGER_RANGES[form]
        if not smallest <= value <= largest:
            report(_invalid(path, value, f"must be of type integer with format {form}"))


def _examine_object(schema: Schema, value: dict[str, Json], path: str, report: _Report) -> None:
    for name in schema.get("required", ()):
        if name not in value:
            report(Problem(_joined(path, name), "Required value", "FieldValueRequired"))
    most, least = schema.get("maxProperties"), schema.get("minProperties")
    if most is not None and len(value) > most:
        message = f"Too many: {len(value)}: must have at most {most} items"
        report(Problem(path, message, "FieldValueTooMany"))
    if least is not None and len(value) < least:
        report(_invalid(path, "object", f"should have at least {least} properties"))
    properties = schema.get("properties", {})
    additional = schema.get("additionalProperties")
    for name, part in value.items():
        inner = properties.get(name)
        if inner is None:
            inner = additional if isinstance(additional, Mapping) else None
        if inner is not None:
            _examine(inner, part, f"{path}.{name}" if path else name, report)


def _examine_list(schema: Schema, value: list[Json], path: str, report: _Report) -> None:
    most, least = schema.get("maxItems"), schema.get("minItems")
    if most is not None and len(value) > most:
        message = f"Too many: {len(value)}: must have at most {most} items"
        report(Problem(path, message, "FieldValueTooMany"))
    if least is not None and len(value) < least:
        report(_invalid(path, len(value), f"should have at least {least} items"))
    items = schema.get("items")
    if items is not None:
        for index, item in enumerate(value):
            _examine(items, item, f"{path}[{index}]", report)
    kind = schema.get("x-kubernetes-list-type")
    if kind == "set":
        _report_duplicates(value, path, report)
    elif kind == "map":
        keys = schema.get("x-kubernetes-list-map-keys", ())
        _report_duplicates([_map_key(item, keys) for item in value], path, report)


def _report_duplicates(values: Sequence[Json], path: str, report: _Report) -> None:
    seen: set[str] = set()
    for index, value in enumerate(values):
        text = _compact(value)
        if text in seen:
            message = f"Duplicate value: {text}"
            report(Problem(f"{path}[{index}]", message, "FieldValueDuplicate"))
        seen.add(text)


def _map_key(item: Json, keys: Sequence[str]) -> Json:
    return {key: item[key] for key in keys if key in item} if isinstance(item, dict) else item


_JUNCTORS: Final = frozenset({"allOf", "anyOf", "oneOf", "not"})


def _examine_junctors(schema: Schema, value: Json, path: str, report: _Report) -> None:
    for inner in schema.get("allOf", ()):
        _examine(inner, value, path, report)
    if (some := schema.get("anyOf")) and not any(_holds(inner, value) for inner in some):
        report(_invalid(path, value, "must validate at least one schema (anyOf)"))
    if (one := schema.get("oneOf")) and sum(_holds(inner, value) for inner in one) != 1:
        report(_invalid(path, value, "must validate one and only one schema (oneOf)"))
    if (none := schema.get("not")) is not None and _holds(none, value):
        report(_invalid(path, value, "must not validate the schema (not)"))


def _holds(schema: Schema, value: Json) -> bool:
    return next(problems(schema, value), None) is None


# Defaults


def _object_with_defaults(schema: Schema, value: dict[str, Json]) -> dict[str, Json]:
    properties: Mapping[str, Schema] = schema.get("properties", {})
    additional = schema.get("additionalProperties")
    changes: dict[str, Json] = {}
    dropped: list[str] = []
    for name, inner in properties.items():
        given = value.get(name)
        if given is None and (name not in value or not inner.get("nullable")):
            if "default" in inner:
                changes[name] = with_defaults(inner, inner["default"])
            elif name in value:
                dropped.append(name)
        elif type(given) in _CONTAINERS:
            changed = with_defaults(inner, given)
            if changed is not given:
                changes[name] = changed
    if isinstance(additional, Mapping):
        for name in value.keys() - properties.keys():
            changed = with_defaults(additional, value[name])
            if changed is not value[name]:
                changes[name] = changed
    if not changes and not dropped:
        return value
    result = {**value, **changes}
    for name in dropped:
        del result[name]
    return result


_CONTAINERS: Final = (dict, list)


# Pruning


def _pruned(schema: Schema, value: Json, path: str, unknown: list[str]) -> Json:
    if isinstance(value, dict):
        return _pruned_object(schema, value, path, unknown)
    if isinstance(value, list) and (items := schema.get("items")):
        changed = [
            _pruned(items, item, f"{path}[{index}]", unknown) for index, item in enumerate(value)
        ]
        return changed if _any_new(changed, value) else value
    return value


def _pruned_object(
    schema: Schema, value: dict[str, Json], path: str, unknown: list[str]
) -> dict[str, Json]:
    properties: Mapping[str, Schema] = schema.get("properties", {})
    additional = schema.get("additionalProperties")
    free = bool(schema.get("x-kubernetes-preserve-unknown-fields")) or additional is True
    embedded = not path or schema.get("x-kubernetes-embedded-resource")
    changes: dict[str, Json] = {}
    dropped: list[str] = []
    for name, part in value.items():
        if embedded and name in _RESOURCE_FIELDS:
            continue
        inner = properties.get(name)
        if inner is None and isinstance(additional, Mapping):
            inner = additional
        if inner is not None:
            if type(part) in _CONTAINERS:
                changed = _pruned(inner, part, f"{path}.{name}" if path else name, unknown)
                if changed is not part:
                    changes[name] = changed
        elif not free:
            dropped.append(name)
    unknown.extend(_joined(path, name) for name in dropped)
    if not changes and not dropped:
        return value
    return {name: changes.get(name, part) for name, part in value.items() if name not in dropped}


# Small things


def _any_new(changed: Iterable[Json], before: Iterable[Json]) -> bool:
    return any(new is not old for new, old in zip(changed, before, strict=True))


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _invalid(path: str, value: Json, rest: str) -> Problem:
    where = f"{path} in body" if path else "in body"
    return Problem(path, f"Invalid value: {_shown(value)}: {where} {rest}", "FieldValueInvalid")


def _wrong_type(path: str, wanted: str, value: Json) -> Problem:
    # A value of the wrong type is shown as its type, never as itself.
    got = _type_name(value)
    where = f"{path} in body" if path else "in body"
    message = f'Invalid value: "{got}": {where} must be of type {wanted}: "{got}"'
    return Problem(path, message, "FieldValueTypeInvalid")


def _type_name(value: Json) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def _is_integer(value: Json) -> bool:
    # JSON has one kind of number: 1.0 is an integer too.
    if isinstance(value, int):
        return not isinstance(value, bool)
    return isinstance(value, float) and value.is_integer()


_IS_TYPE: Final[Mapping[str, Callable[[Json], bool]]] = {
    "string": lambda value: isinstance(value, str),
    "integer": _is_integer,
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
}


@lru_cache(maxsize=4096)
def _regex(pattern: str) -> Any:
    # RE2: linear in the input, whatever a CRD's author wrote. None if it is no
    # expression at all; then nothing matches, and every value says so.
    try:
        return re2.compile(pattern)
    except re2.error:
        return None


def matches(pattern: str, value: str) -> bool:
    """Whether ``pattern`` occurs in ``value``."""
    # Thousands of objects say GET and 200-299.
    return (_searched if len(value) > _LONG else _remembered)(pattern, value)


def _searched(pattern: str, value: str) -> bool:
    regex = _regex(pattern)
    # RE2 takes UTF-8, which has no lone surrogates; JSON strings may.
    return regex is not None and regex.search(value.encode("utf-8", "replace")) is not None


_LONG: Final = 24
_remembered: Final = lru_cache(maxsize=4096)(_searched)


_DATE_TIME: Final = (
    r"^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}([.,]\d{1,9})?([Zz]|[+-]\d{2}:?\d{2})$"
)


def _is_date_time(value: str) -> bool:
    if not matches(_DATE_TIME, value):
        return False
    try:
        datetime.fromisoformat(value[:19].replace("t", "T"))
    except ValueError:
        return False
    return True


def _is_date(value: str) -> bool:
    try:
        datetime.strptime(value, "%Y-%m-%d")  # noqa: DTZ007 (a day has no zone)
    except ValueError:
        return False
    return True


_IS_FORMAT: Final[Mapping[str, Callable[[str], bool]]] = {
    "date-time": _is_date_time,
    "date": _is_date,
}


def _quoted(value: Json) -> str:
    return json.dumps(value if isinstance(value, str) else _compact(value), ensure_ascii=False)


def _shown(value: Json) -> str:
    return f'"{_type_name(value)}"' if isinstance(value, (dict, list)) else _compact(value)


def _compact(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
