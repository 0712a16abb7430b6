"""Quantities: numbers with a suffix, ``1500m`` or ``2Gi``.

What counts as one, and what as a whole number, is that of k8s.io/apimachinery's ``resource``
package, whose small numbers are integers with a decimal exponent: ``1000m`` equals ``1``, and is
no whole number.
"""

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, Final

import attrs
import re2

from kubekuma.standalone.functions.opaque import Opaque, content, no_such_overload, opaque

QUANTITY: Final = "kubernetes.Quantity"

_SHAPE: Final = re2.compile(
    r"^(?P<sign>[+-]?)(?P<whole>[0-9]*)(?:\.(?P<part>[0-9]*))?(?P<suffix>[eEinumkKMGTP]*[+-]?[0-9]*)$"
)
_DOCUMENTED: Final = "^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$"
_EXPONENT: Final = re2.compile(r"^[eE]([+-]?[0-9]+)$")
_DECIMAL: Final = {
    "n": -9,
    "u": -6,
    "m": -3,
    "": 0,
    "k": 3,
    "M": 6,
    "G": 9,
    "T": 12,
    "P": 15,
    "E": 18,
}
_BINARY: Final = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_SMALLEST: Final = Fraction(1, 10**9)
_LARGEST: Final = 2**63 - 1
# Digits that surely fit into 64 bits, and those of them that are left to a binary suffix.
_DIGITS: Final = 18
_BINARY_DIGITS: Final = 15
# Nobody shall have us write down all the digits of 1e999999999.
_LARGEST_EXPONENT: Final = 4000


@attrs.frozen(kw_only=True)
class _Quantity:
    number: Fraction
    # Whether it is kept as a 64-bit number without places after the point.
    is_whole: bool


def _parsed(text: str) -> _Quantity:
    match = _SHAPE.match(text)
    if match is None or not text:
        raise ValueError(f"quantities must match the regular expression '{_DOCUMENTED}'")
    # Digits may be missing altogether: "Ki" is nothing at all, and a quantity.
    whole, part = match["whole"].lstrip("0") or "0", match["part"] or ""
    factor, places, is_small = _scaled(match["suffix"], whole, part)
    number = Fraction(int(whole + part), 10 ** len(part)) * factor
    if not is_small:
        number = _rounded(number, is_binary=match["suffix"] in _BINARY)
    signed = -number if match["sign"] == "-" else number
    return _Quantity(number=signed, is_whole=is_small and places >= 0 and number <= _LARGEST)


def _scaled(suffix: str, whole: str, part: str) -> tuple[Fraction, int, bool]:
    # The factor, the decimal exponent, and whether all of it surely fits into 64 bits.
    digits = len(whole) + len(part)
    if suffix in _BINARY:
        bits = _BINARY[suffix]
        is_small = not part and _BINARY_DIGITS - len(whole) - bits * 3 // 10 - 1 >= 0
        return Fraction(2**bits), 0, is_small
    if suffix in _DECIMAL:
        exponent = _DECIMAL[suffix]
    elif (match := _EXPONENT.match(suffix)) is not None:
        exponent = int(match[1])
        if abs(exponent) > _LARGEST_EXPONENT:
            raise _bad_suffix()
    else:
        raise _bad_suffix()
    places = exponent - len(part)
    return Fraction(10) ** exponent, places, digits <= _DIGITS and places >= -9


def _bad_suffix() -> ValueError:
    return ValueError("unable to parse quantity's suffix")


def _rounded(number: Fraction, *, is_binary: bool) -> Fraction:
    # Up to the smallest there is: who asks for very little gets some.
    up = math.ceil(number / _SMALLEST) * _SMALLEST
    return min(up, Fraction(_LARGEST)) if is_binary else up


def _quantity(value: _Quantity) -> Opaque:
    # Zero with and without a sign are equal, and so are quantities that differ in this alone.
    flag = 0.0 if value.is_whole else -0.0
    return opaque(QUANTITY, [str(value.number), flag])


def _read(value: Any) -> _Quantity:
    number, flag = content(QUANTITY, value)
    return _Quantity(number=Fraction(number), is_whole=math.copysign(1, flag) > 0)


def _operand(value: Any) -> _Quantity:
    if isinstance(value, int) and not isinstance(value, bool):
        return _Quantity(number=Fraction(value), is_whole=True)
    return _read(value)


def _added(one: _Quantity, other: _Quantity) -> Opaque:
    if not other.number:
        return _quantity(one)
    number = one.number + other.number
    is_whole = other.is_whole and (one.is_whole or not one.number)
    return _quantity(
        _Quantity(number=number, is_whole=is_whole and -_LARGEST <= number <= _LARGEST)
    )


def _sum(one: Any, other: Any) -> Opaque:
    return _added(_read(one), _operand(other))


def _difference(one: Any, other: Any) -> Opaque:
    taken = _operand(other)
    return _added(_read(one), attrs.evolve(taken, number=-taken.number))


def _compared(one: Any, other: Any) -> int:
    left, right = _read(one).number, _read(other).number
    return (left > right) - (left < right)


def _integer(value: Any) -> int:
    quantity = _read(value)
    if not quantity.is_whole:
        raise ValueError("cannot convert value to integer")
    return int(quantity.number)


def _sign(value: Any) -> int:
    number = _read(value).number
    return (number > 0) - (number < 0)


def _is_quantity(text: Any) -> bool:
    if not isinstance(text, str):
        raise no_such_overload()
    try:
        _parsed(text)
    except ValueError:
        return False
    return True


def _from_text(text: Any) -> Opaque:
    if not isinstance(text, str):
        raise no_such_overload()
    return _quantity(_parsed(text))


QUANTITIES: Final[Mapping[str, Callable[..., Any]]] = {
    "quantity": _from_text,
    "isQuantity": _is_quantity,
    "sign": _sign,
    "isInteger": lambda value: _read(value).is_whole,
    "asInteger": _integer,
    "asApproximateFloat": lambda value: float(_read(value).number),
    "add": _sum,
    "sub": _difference,
    "compareTo": _compared,
    "isGreaterThan": lambda one, other: _compared(one, other) > 0,
    "isLessThan": lambda one, other: _compared(one, other) < 0,
}
