"""Semantic versions, as https://semver.org/spec/v2.0.0.html has them."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import re2

from kubekuma.standalone.functions.opaque import Opaque, content, opaque

VERSION: Final = "kubernetes.Semver"

_NUMBER: Final = "0|[1-9][0-9]*"
_IDENTIFIER: Final = f"(?:{_NUMBER}|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_SHAPE: Final = re2.compile(
    rf"^({_NUMBER})\.({_NUMBER})\.({_NUMBER})"
    rf"(?:-({_IDENTIFIER}(?:\.{_IDENTIFIER})*))?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?$"
)
_LARGEST: Final = 2**64 - 1


def _version(text: str, normalize: bool = False) -> Opaque:
    match = _SHAPE.match(_normal(text) if normalize else text)
    if match is None:
        raise ValueError(f'"{text}" is no semantic version')
    numbers = [int(each) for each in match.groups()[:3]]
    if max(numbers) > _LARGEST:
        raise ValueError(f'"{text}": value out of range')
    # What was built from it says nothing of how new it is.
    return opaque(VERSION, [*map(str, numbers), match[4] or ""])


def _normal(text: str) -> str:
    # Without the v, with three numbers, none of which begins with a zero.
    parts = [_without_zeros(each) for each in text.removeprefix("v").split(".", 2)]
    if len(parts) < 3 and ("+" in parts[-1] or "-" in parts[-1]):
        raise ValueError("short version cannot contain PreRelease/Build meta data")
    return ".".join([*parts, "0", "0"][: max(3, len(parts))])


def _without_zeros(part: str) -> str:
    if len(part) < 2:
        return part
    rest = part.lstrip("0")
    return rest if rest[:1].isdigit() else f"0{rest}"


def _is_version(text: str, normalize: bool = False) -> bool:
    try:
        _version(text, normalize)
    except ValueError:
        return False
    return True


def _rank(value: Any) -> tuple[Any, ...]:
    *numbers, before = content(VERSION, value)
    # A release comes after all that comes before it; numbers come before words.
    parts = [
        (0, int(each), "") if each.isdigit() else (1, 0, each)
        for each in (before.split(".") if before else ())
    ]
    return *map(int, numbers), not before, parts


def _compared(one: Any, other: Any) -> int:
    left, right = _rank(one), _rank(other)
    return (left > right) - (left < right)


def _number(index: int) -> Callable[[Any], int]:
    return lambda value: int(content(VERSION, value)[index])


VERSIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "semver": _version,
    "isSemver": _is_version,
    "major": _number(0),
    "minor": _number(1),
    "patch": _number(2),
    "compareTo": _compared,
    "isGreaterThan": lambda one, other: _compared(one, other) > 0,
    "isLessThan": lambda one, other: _compared(one, other) < 0,
}
