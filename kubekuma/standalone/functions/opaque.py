"""Values of Kubernetes' own CEL types.

The engine takes nothing from Python but the types of CEL. An opaque value is therefore a map with
one entry, whose key is the name of the type: what is equal must have equal contents.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

Opaque: TypeAlias = dict[str, Any]


def opaque(kind: str, content: Any) -> Opaque:
    """A value of the type ``kind``."""
    return {kind: content}


def content(kind: str, value: Any) -> Any:
    """Take the content out of ``value``. Raises TypeError if it is no ``kind``."""
    if kind_of(value) != kind:
        raise no_such_overload()
    return value[kind]


def kind_of(value: Any) -> str:
    """The type of ``value`` if it is opaque, otherwise an empty text."""
    return next(iter(value)) if isinstance(value, dict) and len(value) == 1 else ""


def by_kind(overloads: Mapping[str, Callable[..., Any]]) -> Callable[..., Any]:
    """One function of several, chosen by the type of its first argument."""

    def chosen(value: Any, *others: Any) -> Any:
        overload = overloads.get(kind_of(value))
        if overload is None:
            raise no_such_overload()
        return overload(value, *others)

    return chosen


def no_such_overload() -> TypeError:
    """What is raised if a function is not there for what it is given."""
    return TypeError("no such overload")
