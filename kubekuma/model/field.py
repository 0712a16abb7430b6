"""How a class of the model says what one of its fields means and which values it takes.

``schema`` draws structural schemas, reference pages and editor schemas from these facts; nothing
else repeats them.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Literal, TypeAlias

import attrs

ListType: TypeAlias = Literal["atomic", "set", "map"]

SPECIFICS = "kubekuma.schema"
RULES = "__rules__"


@attrs.frozen(kw_only=True)
class Specifics:
    """What the type of a field cannot say.

    ``low`` and ``high`` bound a number; ``min_length`` and ``max_length`` a string, or the strings
    in a list or map; ``min_items`` and ``max_items`` a list or map.
    """

    doc: str
    json_name: str | None = None
    low: int | None = None
    high: int | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None
    min_items: int | None = None
    max_items: int | None = None
    list_type: ListType = "atomic"
    list_keys: tuple[str, ...] = ()
    int_or_string: bool = False
    partial_of: type | None = None  # any part of an object of this class, as its JSON says it


@attrs.frozen(kw_only=True)
class Rule:
    """Something that must hold within one object, said twice.

    ``cel`` is for the API server (``x-kubernetes-validations``), ``holds`` for
    us, because objects may be older than a rule: it looks at a decoded object
    of the class that declares the rule. ``cel`` is None where the schema
    language cannot see the fields: those of any type are invisible to it.
    ``only_of``: an attribute and the value of it for which alone there is
    something to hold; with others ``holds`` is not asked.
    """

    cel: str | None
    holds: Callable[[Any], bool]
    message: str
    field_path: str = ""  # below the object, such as "timeoutSeconds"
    only_of: tuple[str, Any] | None = None


def exactly_one(*names: str, visible: bool = True) -> Rule:
    """Exactly one of the fields ``names`` (as in manifests) is there.

    ``visible=False``: one of them has any type, which CEL cannot see.
    """
    cel = f"{_count_of(names)} == 1" if len(names) > 2 else _differ(*names)
    return Rule(
        cel=cel if visible else None,
        holds=lambda it: _present(it, names) == 1,
        message=f"must have exactly one of {_listed(names)}",
    )


def at_most_one(*names: str) -> Rule:
    """Not two of the fields ``names`` are there."""
    return Rule(
        cel=f"{_count_of(names)} <= 1",
        holds=lambda it: _present(it, names) <= 1,
        message=f"must have at most one of {_listed(names)}",
    )


def at_least_one(*names: str) -> Rule:
    """One of the fields ``names`` is there, or more."""
    return Rule(
        cel=" || ".join(f"has(self.{name})" for name in names),
        holds=lambda it: _present(it, names) >= 1,
        message=f"must have at least one of {_listed(names)}",
    )


def needed_when(name: str, field: str, *values: str) -> Rule:
    """The field ``name`` is there when ``field``, which has a default, is one of ``values``."""
    among = ", ".join(f"'{value}'" for value in values)
    return Rule(
        cel=f"!has(self.{field}) || !(self.{field} in [{among}]) || has(self.{name})",
        holds=lambda it: getattr(it, snake_case(field)) not in values or _present(it, [name]) == 1,
        message=f"must have {name} when {field} is {_listed(values, 'or')}",
    )


def _present(it: Any, names: Sequence[str]) -> int:
    return sum(getattr(it, snake_case(name)) is not None for name in names)


def _count_of(names: Sequence[str]) -> str:
    return f"[{', '.join(f'has(self.{name})' for name in names)}].filter(x, x).size()"


def _differ(one: str, other: str) -> str:
    return f"has(self.{one}) != has(self.{other})"


def _listed(names: Sequence[str], word: str = "and") -> str:
    *most, last = names
    return f"{', '.join(most)} {word} {last}" if most else last


def says(doc: str, *, default: Any = attrs.NOTHING, **specifics: Any) -> Any:
    """Declare a field of a resource: its meaning, default and bounds (see ``Specifics``).

    Without ``default`` the field is required. ``default=None`` means that absence has a meaning
    of its own, such as "as the settings say"; any other default is written into the schema.
    """
    return attrs.field(
        default=default,
        metadata={SPECIFICS: Specifics(doc=doc, **specifics)},
    )


def specifics_of(field: "attrs.Attribute[Any]") -> Specifics:
    """What ``says`` recorded about ``field``."""
    found = field.metadata[SPECIFICS]
    assert isinstance(found, Specifics)  # noqa: S101 - says() is the only writer
    return found


def json_name(field: "attrs.Attribute[Any]") -> str:
    """The camelCase name by which manifests know ``field``."""
    return specifics_of(field).json_name or camel_case(field.name)


def camel_case(snake: str) -> str:
    """``interval_seconds`` -> ``intervalSeconds``."""
    head, *tail = snake.split("_")
    return head + "".join(word[:1].upper() + word[1:] for word in tail)


@cache
def snake_case(camel: str) -> str:
    """``intervalSeconds`` -> ``interval_seconds``; ``oauth2ClientCredentials`` keeps its digit."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in camel)


def rules_of(cls: type) -> Sequence[Rule]:
    """The rules that ``cls`` itself declares."""
    declared: Sequence[Rule] = vars(cls).get(RULES, ())
    return declared
