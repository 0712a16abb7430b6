"""camelCase mappings <-> classes of the model.

A mapping is checked against its schema before it is decoded, so that decoding
itself meets no surprises: what is left for it is to give values their types.
"""

import marshal
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from sys import intern
from typing import Any, Final, TypeVar

import attrs
from cattrs import Converter
from cattrs.gen import make_dict_structure_fn, override

from kubekuma.model.field import json_name
from kubekuma.model.meta import Condition, Truth
from kubekuma.model.schema import fields_of

T = TypeVar("T")

_MOST_SHARED: Final = 256
# The last that writes equal values in equal bytes, shared or not; 1 and true it tells apart.
_MARSHAL: Final = 2


def decoded(value: Mapping[str, Any], cls: type[T]) -> T:
    """``value``, which fits the schema of ``cls``, as an instance of it."""
    return _converter().structure(value, cls)


def encoded(value: Any) -> Any:
    """The JSON form of an instance of a model's class; what says nothing is left out."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return timestamp(value)
    if isinstance(value, (tuple, list)):
        return [encoded(each) for each in value]
    if isinstance(value, Mapping):
        return {name: encoded(part) for name, part in value.items()}
    if attrs.has(type(value)):
        parts = ((field, getattr(value, field.name)) for field in fields_of(type(value)))
        return {
            json_name(field): encoded(part)
            for field, part in parts
            if not _says_nothing(part, field.default)
        }
    return value


def _says_nothing(part: Any, default: Any) -> bool:
    # An empty list in place of a default that is none says a lot; so does an empty JSON object.
    return part is None or (part == () and default in (None, ())) or (part == {} and default == {})


def conditions_of(document: Mapping[str, Any]) -> Iterator[Condition]:
    """The conditions in a document's status; what is none is passed over."""
    status = document.get("status")
    listed = status.get("conditions") if isinstance(status, Mapping) else None
    for each in listed if isinstance(listed, list) else ():
        try:
            yield Condition(
                type=intern(each["type"]),
                status=Truth(each["status"]),
                reason=intern(each["reason"]),
                observed_generation=int(each.get("observedGeneration", 0)),
                last_transition_time=parsed_timestamp(each["lastTransitionTime"]),
            )
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
            continue


def timestamp(instant: datetime) -> str:
    """As Kubernetes writes metav1.Time: RFC 3339 in UTC, whole seconds."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parsed_timestamp(text: str) -> datetime:
    """The instant that an RFC 3339 ``text`` names."""
    return datetime.fromisoformat(text).astimezone(UTC)


@cache
def _converter() -> Converter:
    # The schema has checked the values; detailed errors would only cost time.
    converter = Converter(detailed_validation=False)
    converter.register_structure_hook(datetime, lambda text, _: parsed_timestamp(text))
    converter.register_structure_hook_func(_is_free, lambda value, _: value)
    converter.register_structure_hook_factory(attrs.has, lambda cls: _structure(converter, cls))
    return converter


def _structure(converter: Converter, cls: type) -> Callable[[Any, Any], Any]:
    names = {
        field.name: override(rename=json_name(field))
        for field in fields_of(cls)
        if json_name(field) != field.name
    }
    make: Callable[[Any, Any], Any] = make_dict_structure_fn(cls, converter, **names)  # type: ignore[arg-type]
    usual = _usual(cls)
    if usual is None:
        return make

    known: dict[bytes, Any] = {}

    def shared(value: Any, kind: Any) -> Any:
        # Thousands of monitors have most of their parts in common: one instance serves all.
        said = marshal.dumps(value, _MARSHAL)
        made = known.get(said)
        if made is None:
            made = make(value, kind)
            made = usual if made == usual else made
            if len(known) < _MOST_SHARED:
                known[said] = made
        return made

    return shared


def _usual(cls: type) -> Any:
    if any(field.default is attrs.NOTHING for field in fields_of(cls)):
        return None
    return cls()


def _is_free(kind: Any) -> bool:
    # Values of any type, and numbers that may come as text, stay as they are.
    return kind is Any or kind in (
        (Any | None),
        (int | str),
        (int | str | None),
        Mapping[str, Any],
    )
