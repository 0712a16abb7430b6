"""Paths into objects: dotted fields, and the JSONPath subset of printer columns."""

import json
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Final, TypeAlias

import re2

Step: TypeAlias = Callable[[Any], Iterator[Any]]

# One step: .name, ['name'], [0], [*] or [?(@.path=="text")].
_STEP: Final = re2.compile(
    r"^(?:\.?\[\?\(\s*@\.([^=!\s]+)\s*==\s*(\"[^\"]*\"|'[^']*'|[^\s)]+)\s*\)\]"
    r"|\.?\[(-?\d+)\]"
    r"|\.?\[(\*)\]"
    r"|\.?\['([^']*)'\]"
    r"|\.((?:\\.|[^.\[\\])+))"
)


def dig(value: Any, path: str) -> Any:
    """The value at the dotted ``path``, or None."""
    for name in path.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def find_all(value: Any, path: str) -> list[Any]:
    """Every value at the JSONPath ``path``; none if the path cannot be understood."""
    found = [value]
    for step in _steps(path):
        found = [inner for each in found for inner in step(each)]
    return found


@lru_cache(maxsize=1024)
def _steps(path: str) -> tuple[Step, ...]:
    rest = path.strip().removeprefix("{").removesuffix("}").removeprefix("$")
    rest = rest if rest.startswith((".", "[")) else f".{rest}"
    steps: list[Step] = []
    while rest:
        match = _STEP.match(rest)
        if match is None:
            return (lambda _: iter(()),)
        steps.append(_step(match.groups()))
        rest = rest[match.end() :]
    return tuple(steps)


def _step(groups: tuple[str | None, ...]) -> Step:
    match groups:
        case (str(field), str(wanted), *_):
            return _filter(field, _literal(wanted))
        case (_, _, str(index), *_):
            return _index(int(index))
        case (_, _, _, str(), *_):
            return _every
        case (*_, str(quoted), None):
            return _member(quoted)
        case (*_, plain):
            return _member((plain or "").replace("\\", ""))
        case _:
            raise AssertionError("the pattern has six groups")


def _member(name: str) -> Step:
    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, dict) and name in value:
            yield value[name]

    return step


def _index(position: int) -> Step:
    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, list) and -len(value) <= position < len(value):
            yield value[position]

    return step


def _filter(field: str, wanted: Any) -> Step:
    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, list):
            yield from (item for item in value if dig(item, field) == wanted)

    return step


def _every(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        yield from value
    elif isinstance(value, dict):
        yield from value.values()


def _literal(text: str) -> Any:
    if text[0] in "\"'":
        return text[1:-1]
    try:
        return json.loads(text)
    except ValueError:
        return text
