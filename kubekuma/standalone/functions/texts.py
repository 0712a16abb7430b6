"""Texts and lists: cel-go's extensions, and conversions to texts.

The conversions are Go's: ``string(1e6)`` is ``1e+06``.
"""

import math
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import re2
from cel.stdlib import STDLIB_FUNCTIONS

from kubekuma.standalone.functions.addresses import address_text
from kubekuma.standalone.functions.opaque import no_such_overload

# ``string``, under a name that is not the engine's: its own function of that name goes first.
STRING: Final = "kubernetes_string"

_CLAUSE: Final = re2.compile(r"%(?:%|(?:\.([0-9]+))?([sdfebxXo]))|%")
_SUPERSCRIPT: Final = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
_TIMES: Final = "\N{MULTIPLICATION SIGN}"
_DEFAULT_PRECISION: Final = 6
# The exponent from which on Go writes numbers with it.
_EXPONENTIAL: Final = 6


def text_of(value: Any) -> str:
    """Convert ``value`` as ``string`` does. Raises TypeError if there is no text for it."""
    match value:
        case str():
            return value
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case float():
            return _float_text(value)
        case bytes():
            return value.decode()
        case timedelta():
            return f"{_plain(value.total_seconds())}s"
        case datetime():
            return _timestamp_text(value)
    if (text := address_text(value)) is not None:
        return text
    raise no_such_overload()


def _float_text(number: float) -> str:
    if not math.isfinite(number):
        return "NaN" if math.isnan(number) else f"{'+' if number > 0 else '-'}Inf"
    digits, _, exponent = _shortest(number).partition("e")
    if -5 < int(exponent) < _EXPONENTIAL:
        return _plain(number)
    return f"{digits}e{int(exponent):+03d}"


def _shortest(number: float) -> str:
    # With no more digits than it takes to mean this number and no other.
    return next(text for places in range(18) if float(text := f"{number:.{places}e}") == number)


def _plain(number: float) -> str:
    digits, _, exponent = _shortest(number).partition("e")
    places = len(digits.partition(".")[2]) - int(exponent)
    return f"{number:.{max(0, places)}f}"


def _timestamp_text(moment: datetime) -> str:
    text = moment.isoformat()
    if moment.microsecond:
        text = text.replace(f".{moment.microsecond:06d}", f".{moment.microsecond:06d}".rstrip("0"))
    return text.replace("+00:00", "Z")


def _formatted(template: str, values: list[Any]) -> str:
    given = iter(values)

    def clause(match: Any) -> str:
        if match[0] == "%%":
            return "%"
        precision, verb = match[1], match[2]
        if verb is None:
            raise ValueError("could not parse formatting clause")
        value = next(given, None) if values else None
        return _VERBS[verb](value, int(precision) if precision else _DEFAULT_PRECISION)

    if sum(match[0] != "%%" for match in _CLAUSE.finditer(template)) > len(values):
        raise ValueError(f"index {len(values)} out of range")
    return str(_CLAUSE.sub(clause, template))


def _shown(value: Any, _: int = 0) -> str:
    match value:
        case None:
            return "null"
        case list():
            return f"[{', '.join(map(_literal, value))}]"
        case dict() if address_text(value) is None:
            pairs = sorted((_literal(key), _literal(part)) for key, part in value.items())
            return "{" + ", ".join(f"{key}:{part}" for key, part in pairs) + "}"
        case _:
            return text_of(value)


def _literal(value: Any) -> str:
    # Within lists and maps, values stand as CEL writes them.
    match value:
        case str():
            return _quoted(value)
        case bytes():
            return f"b{_quoted(value.decode())}"
        case timedelta() | datetime():
            kind = "duration" if isinstance(value, timedelta) else "timestamp"
            return f"{kind}({_quoted(text_of(value))})"
        case float():
            return f"{value:.6f}" if math.isfinite(value) else _quoted(text_of(value))
        case _:
            return _shown(value)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _decimal(value: Any, _: int) -> str:
    return str(_integer(value))


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise no_such_overload()
    return value


def _number(value: Any) -> float:
    if not isinstance(value, float):
        raise no_such_overload()
    return value


def _scientific(value: Any, width: int) -> str:
    # What should be the precision is the width in cel-go, and here.
    digits, _, exponent = f"{_number(value):.{_DEFAULT_PRECISION}e}".partition("e")
    sign = "-" if exponent.startswith("-") else ""
    power = f"{sign}{abs(int(exponent)):02d}".translate(_SUPERSCRIPT)
    return f"{digits}{_TIMES}10{power}".rjust(width)


def _hexadecimal(value: Any, _: int) -> str:
    match value:
        case str():
            return value.encode().hex()
        case bytes():
            return value.hex()
        case _:
            return f"{_integer(value):x}"


_VERBS: Final[Mapping[str, Callable[[Any, int], str]]] = {
    "s": _shown,
    "d": _decimal,
    "f": lambda value, precision: f"{_number(value):,.{precision}f}",
    "e": _scientific,
    "b": lambda value, _: f"{int(value) if isinstance(value, bool) else _integer(value):b}",
    "o": lambda value, _: f"{_integer(value):o}",
    "x": _hexadecimal,
    "X": lambda value, _: _hexadecimal(value, 0).upper(),
}


def _index_of(where: Any, what: Any, *start: int) -> int:
    if isinstance(where, str):
        return where.find(what, *start)
    return where.index(what) if what in where else -1


def _last_index_of(where: Any, what: Any, *start: int) -> int:
    if isinstance(where, str):
        return int(STDLIB_FUNCTIONS["lastIndexOf"](where, what, *start))
    return len(where) - 1 - where[::-1].index(what) if what in where else -1


def _find(text: str, pattern: str) -> str:
    match = re2.search(pattern, text)
    return match.group(0) if match else ""


def _find_all(text: str, pattern: str, most: int = -1) -> list[str]:
    found = [match.group(0) for match in re2.finditer(pattern, text)]
    return found if most < 0 else found[:most]


TEXTS: Final[Mapping[str, Callable[..., Any]]] = {
    **{name: each for name, each in STDLIB_FUNCTIONS.items() if name != "contains"},
    STRING: text_of,
    "format": _formatted,
    "indexOf": _index_of,
    "lastIndexOf": _last_index_of,
    "find": _find,
    "findAll": _find_all,
    "isSorted": lambda items: items == sorted(items),
}
