"""The rules that the classes of the model declare, asked of a decoded object and all its parts."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from operator import attrgetter
from typing import Any

import attrs

from kubekuma.model.field import Rule, json_name, rules_of
from kubekuma.model.schema import fields_of
from kubekuma.validate.rule import FieldError, joined


def declared(parts: Iterable[tuple[str, Any]]) -> Iterator[FieldError]:
    """What any of ``parts`` breaks of its own class's rules."""
    for path, part in parts:
        for rule in rules_for(part):
            if not rule.holds(part):
                yield FieldError(joined(path, rule.field_path), rule.message)


def rules_for(part: Any) -> Iterable[Rule]:
    """The rules of its class that have something to say of ``part``."""
    cls: Any = type(part)
    always, special = _rules(cls)
    if not special:
        return always
    return (*always, *(rule for name, by in special for rule in by.get(getattr(part, name), ())))


@cache
def _rules(cls: Any) -> tuple[Sequence[Rule], Sequence[tuple[str, Mapping[Any, Sequence[Rule]]]]]:
    """The rules of ``cls`` for all its instances, and those for single values of attributes."""
    always: list[Rule] = []
    special: dict[str, dict[Any, list[Rule]]] = defaultdict(lambda: defaultdict(list))
    for rule in rules_of(cls):
        if rule.only_of is None:
            always.append(rule)
        else:
            attribute, value = rule.only_of
            special[attribute][value].append(rule)
    return always, [(attribute, dict(rules)) for attribute, rules in special.items()]


def parts_of(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """``value`` and the objects of the model within it that are not the defaults, with paths.

    Defaults break no rule and refer to nothing, and most parts of most monitors are defaults.
    """
    yield path, value
    cls: Any = type(value)
    nested, values_of = _nested(cls)
    for (name, default), found in zip(nested, values_of(value), strict=True):
        if found is None or found is default or found == default:
            continue
        below = joined(path, name)
        kind: Any = type(found)
        if _has_parts(kind):
            yield from parts_of(found, below)
        elif isinstance(found, tuple):
            for index, item in enumerate(found):
                if attrs.has(type(item)):
                    yield from parts_of(item, f"{below}[{index}]")


@cache
def _nested(cls: Any) -> tuple[Sequence[tuple[str, Any]], Callable[[Any], Sequence[Any]]]:
    """Names and defaults of the fields of ``cls`` that may have parts, and how to get them all."""
    # Texts, numbers and enumerations have none.
    plain = (str, int, bool, str | None, int | None, bool | None)
    fields = [field for field in fields_of(cls) if field.type not in plain]
    nested = [(json_name(field), field.default) for field in fields]
    names = [field.name for field in fields]
    if len(names) > 1:
        return nested, attrgetter(*names)
    return nested, lambda value: [getattr(value, name) for name in names]


@cache
def _has_parts(cls: Any) -> bool:
    return attrs.has(cls)
