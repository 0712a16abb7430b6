"""Texts and lists: what kube-apiserver adds to the engine's own, ``format`` of texts included."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import re2
from cel.stdlib import STDLIB_FUNCTIONS

_CLAUSE: Final = re2.compile(r"%(?:\.([0-9]{1,2}))?([sdfebxXo%])")
_DEFAULT_PLACES: Final = 6


def _index_of(where: Any, what: Any, *start: int) -> int:
    if isinstance(where, str):
        return where.find(what, *start)
    return where.index(what) if what in where else -1


def _last_index_of(where: Any, what: Any, *start: int) -> int:
    if isinstance(where, str):
        return where.rfind(what, 0, *(each + len(what) for each in start))
    return len(where) - 1 - where[::-1].index(what) if what in where else -1


def _find(text: str, pattern: str) -> str:
    match = re2.search(pattern, text)
    return match.group(0) if match else ""


def _formatted(text: str, values: list[Any]) -> str:
    left = list(values)
    parts: list[str] = []
    at = 0
    for found in _CLAUSE.finditer(text):
        parts.append(text[at : found.start()])
        at = found.end()
        places, verb = found.groups()
        if verb == "%":
            parts.append("%")
        elif not left:
            raise ValueError("index out of range: there are more clauses than values")
        else:
            parts.append(_written(left.pop(0), verb, places))
    if "%" in text[at:] or any("%" in part for part in parts[::2] if part != "%"):
        raise ValueError("unrecognized formatting clause")
    return "".join([*parts, text[at:]])


def _written(value: Any, verb: str, places: str | None) -> str:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    match verb:
        case "s":
            return _shown(value)
        case "d" | "b" | "o" if isinstance(value, int):
            return format(int(value), verb)
        case "x" | "X" if isinstance(value, int) and not isinstance(value, bool):
            return format(value, verb)
        case "x" | "X" if isinstance(value, str):
            digits = value.encode().hex()
            return digits.upper() if verb == "X" else digits
        case "f" | "e" if is_number:
            return format(float(value), f".{_DEFAULT_PLACES if places is None else places}{verb}")
    raise TypeError(f"%{verb} does not fit this value")


def _shown(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case None:
            return "null"
        case list():
            return f"[{', '.join(map(_shown, value))}]"
        case dict():
            pairs = sorted((_shown(key), _shown(each)) for key, each in value.items())
            return f"{{{', '.join(f'{key}: {each}' for key, each in pairs)}}}"
        case float() if value == int(value):
            return str(int(value))
        case _:
            return str(value)


TEXTS: Final[Mapping[str, Callable[..., Any]]] = {
    **{name: each for name, each in STDLIB_FUNCTIONS.items() if name != "contains"},
    "indexOf": _index_of,
    "lastIndexOf": _last_index_of,
    "find": _find,
    "findAll": lambda text, pattern: re2.findall(pattern, text),
    "isSorted": lambda items: items == sorted(items),
    "format": _formatted,
}
