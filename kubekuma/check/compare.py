"""Comparisons: ``actual op wanted``, exact in numbers and strict in types."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from kubekuma.kit.json_path import MISSING
from kubekuma.kit.pattern import occurs
from kubekuma.model.criteria import Op

_DECIMAL: Final = re.compile(r"\s*[-+]?[0-9]{1,100}(\.[0-9]{1,100})?\s*")

# For messages: "status is 503 and should … 200".
WORDS: Final = {
    Op.EQUALS: "be",
    Op.NOT_EQUALS: "not be",
    Op.LT: "be less than",
    Op.LTE: "be at most",
    Op.GT: "be greater than",
    Op.GTE: "be at least",
    Op.CONTAINS: "contain",
    Op.NOT_CONTAINS: "not contain",
    Op.MATCHES: "match",
    Op.IN: "be one of",
    Op.EXISTS: "exist",
}


def holds(actual: object, op: Op, wanted: object, *, loose: bool = False) -> bool:
    """Whether ``actual op wanted``. Where there is nothing, only ``exists: false`` holds.

    ``loose``: a text may stand for the number that it writes, as it must in headers.
    """
    if op is Op.EXISTS:
        return (actual is not MISSING) is (wanted is not False)
    if actual is MISSING:
        return False
    equal = alike if loose else same
    match op:
        case Op.EQUALS:
            return equal(actual, wanted)
        case Op.NOT_EQUALS:
            return not equal(actual, wanted)
        case Op.LT | Op.LTE | Op.GT | Op.GTE:
            left = as_number(actual) if loose else actual
            return _ordered(number(left), op, number(as_number(wanted)))
        case Op.CONTAINS:
            return _contains(actual, wanted)
        case Op.NOT_CONTAINS:
            return not _contains(actual, wanted)
        case Op.MATCHES:
            return occurs(str(wanted), as_text(actual))
        case Op.IN:
            return isinstance(wanted, (list, tuple)) and any(equal(actual, e) for e in wanted)


def alike(left: object, right: object) -> bool:
    """``same``, after a text beside a number has become a number too."""
    if isinstance(left, str) and _is_number(right):
        return same(as_number(left), right)
    if isinstance(right, str) and _is_number(left):
        return same(left, as_number(right))
    return same(left, right)


def same(left: object, right: object) -> bool:
    """JSON equality: 1 is 1.0, true is not 1, and "1" is neither."""
    if _is_number(left) and _is_number(right):
        return number(left) == number(right)
    match left, right:
        case str(), str():
            return left == right
        case Mapping(), Mapping():
            return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
        case (list() | tuple(), list() | tuple()):
            return len(left) == len(right) and all(map(same, left, right))
        case _:
            return type(left) is type(right) and left == right


def number(value: object) -> Decimal | None:
    """``value`` as an exact number; None if it is none. 0.1 is what people mean by it."""
    if not _is_number(value):
        return None
    return value if isinstance(value, Decimal) else Decimal(repr(value))


def as_number(value: object) -> object:
    """A text that writes a number, as that number; all else as it is.

    For what can only be text: bounds in manifests, headers, bodies.
    """
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        return Decimal(value.strip())
    return value


def as_text(value: object) -> str:
    """``value`` as patterns see it."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case None:
            return "null"
        case _:
            return str(value)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)


def _ordered(actual: Decimal | None, op: Op, bound: Decimal | None) -> bool:
    if actual is None or bound is None:
        return False
    match op:
        case Op.LT:
            return actual < bound
        case Op.LTE:
            return actual <= bound
        case Op.GT:
            return actual > bound
        case _:
            return actual >= bound


def _contains(actual: object, wanted: object) -> bool:
    match actual:
        case str():
            return as_text(wanted) in actual
        case Mapping():
            return isinstance(wanted, str) and wanted in actual
        case list() | tuple():
            return any(same(each, wanted) for each in actual)
        case _:
            return False
