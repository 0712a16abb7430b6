"""How a class of the model says what one of its fields means and which values it takes.

``schema`` draws structural schemas, reference pages and editor schemas from these facts; nothing
else repeats them.
"""

from collections.abc import Mapping, Sequence
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


@attrs.frozen(kw_only=True)
class Rule:
    """A CEL rule of the object that declares it (``x-kubernetes-validations``).

    Each is said a second time in ``validate``, because objects may be older than a rule.
    """

    rule: str
    message: str
    field_path: str | None = None


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


def rules_of(cls: type) -> Sequence[Rule]:
    """The CEL rules that ``cls`` itself declares."""
    declared: Sequence[Rule] = vars(cls).get(RULES, ())
    return declared


Json: TypeAlias = "None | bool | int | float | str | Sequence[Json] | Mapping[str, Json]"
