"""The rules that the classes of the model declare, asked of a decoded object and all its parts."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

import attrs

from kubekuma.model.field import json_name, rules_of
from kubekuma.model.schema import fields_of
from kubekuma.validate.rule import FieldError, joined


def declared(parts: Iterable[tuple[str, Any]]) -> Iterator[FieldError]:
    """What any of ``parts`` breaks of its own class's rules."""
    for path, part in parts:
        for rule in rules_of(type(part)):
            if not rule.holds(part):
                yield FieldError(joined(path, rule.field_path), rule.message)


def parts_of(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """``value`` and the objects of the model within it that are not the defaults, with paths.

    Defaults break no rule and refer to nothing, and most parts of most monitors are defaults.
    """
    yield path, value
    cls: Any = type(value)
    for name, attribute, default in _nested(cls):
        found = getattr(value, attribute)
        if found is None or found == default:
            continue
        below = joined(path, name)
        if attrs.has(type(found)):
            yield from parts_of(found, below)
        elif isinstance(found, tuple):
            for index, item in enumerate(found):
                if attrs.has(type(item)):
                    yield from parts_of(item, f"{below}[{index}]")


@cache
def _nested(cls: Any) -> tuple[tuple[str, str, Any], ...]:
    # Texts, numbers and enumerations have no parts.
    plain = (str, int, bool, str | None, int | None, bool | None)
    return tuple(
        (json_name(field), field.name, field.default)
        for field in fields_of(cls)
        if field.type not in plain and not isinstance(field.type, Mapping)
    )
