"""JSON bodies and paths into them (RFC 8259, RFC 9535), bounded in time and exact in numbers."""

import json
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from enum import Enum
from functools import lru_cache
from math import prod
from typing import Any, Final, TypeAlias

import jsonpath
from jsonpath.filter import BaseExpression, FilterQuery
from jsonpath.function_extensions import ExpressionType, FilterFunction
from jsonpath.segments import JSONPathRecursiveDescentSegment
from jsonpath.selectors import Filter

from kubekuma.kit.pattern import pattern

# A document of a megabyte has some 100,000 values: what looks at all of them for each of them
# never ends. Descents (``..``) and selectors side by side (``[0, 0]``) multiply.
MOST_DESCENTS: Final = 2
MOST_BRANCHES: Final = 32
LONGEST_INTEGER: Final = 1000

JsonValue: TypeAlias = Any  # what json.loads gives, and Decimal


class Missing(Enum):
    """What a path finds where there is nothing; JSON's null is something."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING


def parse_json(body: bytes) -> JsonValue:
    """Parse ``body``; raise ValueError if it is not JSON.

    Numbers are exact: one that a float would round is a Decimal.
    """
    try:
        return json.loads(
            body, parse_float=_real, parse_int=_integer, parse_constant=_refuse_constant
        )
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def find(path: str, document: JsonValue) -> JsonValue:
    """The first value that ``path`` finds in ``document``, or MISSING.

    Raises ValueError for a bad path, and for a document too deep to descend into.
    """
    try:
        first = next(iter(compile_path(path).finditer(document)), None)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    return MISSING if first is None else first.value


@lru_cache(maxsize=1024)
def compile_path(path: str) -> jsonpath.JSONPath:
    """Compile ``path``; raise ValueError if it is no path, or one that may take for ever."""
    try:
        compiled = _environment().compile(path)
    except (jsonpath.JSONPathError, RecursionError, ValueError) as error:
        raise ValueError(f"must be an RFC 9535 JSONPath ({_first_line(error)})") from error
    assert isinstance(compiled, jsonpath.JSONPath)  # noqa: S101 - strict mode has no compounds
    queries = list(_queries(compiled))
    descents = [_descents(query) for query in queries]
    if any(descents[1:]) or descents[0] > (MOST_DESCENTS if len(queries) == 1 else 1):
        raise ValueError(
            f"must descend (..) at most {MOST_DESCENTS} times, once beside a filter,"
            " and never within one"
        )
    if prod(_branches(query) for query in queries) > MOST_BRANCHES:
        raise ValueError(f"must not have more than {MOST_BRANCHES} combinations of selectors")
    return compiled


class _Search(FilterFunction):
    """``search`` of RFC 9535 by RE2: the library's own uses ``re``, which may run for ever."""

    arg_types = [ExpressionType.VALUE, ExpressionType.VALUE]  # noqa: RUF012 - the library types it so
    return_type = ExpressionType.LOGICAL

    def __call__(self, value: object, expression: object) -> bool:
        """Whether ``expression`` matches within ``value``; what is no pattern matches nothing."""
        return _matches(value, expression, whole=False)


class _Match(FilterFunction):
    """``match`` of RFC 9535, likewise."""

    arg_types = [ExpressionType.VALUE, ExpressionType.VALUE]  # noqa: RUF012 - the library types it so
    return_type = ExpressionType.LOGICAL

    def __call__(self, value: object, expression: object) -> bool:
        """Whether ``expression`` matches all of ``value``."""
        return _matches(value, expression, whole=True)


def _matches(value: object, expression: object, *, whole: bool) -> bool:
    if not isinstance(value, str) or not isinstance(expression, str):
        return False
    text = value.encode("utf-8", "replace").decode()
    try:
        compiled = pattern(expression)
    except ValueError:
        return False
    return (compiled.fullmatch(text) if whole else compiled.search(text)) is not None


@lru_cache(maxsize=1)
def _environment() -> jsonpath.JSONPathEnvironment:
    environment = jsonpath.JSONPathEnvironment(strict=True)
    environment.function_extensions["search"] = _Search()
    environment.function_extensions["match"] = _Match()
    return environment


def _first_line(error: Exception) -> str:
    # Not str(error), which draws the place on further lines, and fails for an empty path.
    said = str(error.args[0]) if error.args else ""
    return (said or type(error).__name__).splitlines()[0][:200]


def _queries(query: jsonpath.JSONPath) -> Iterator[jsonpath.JSONPath]:
    """Yield ``query`` and every query within its filters."""
    yield query
    for segment in query.segments:
        for selector in segment.selectors:
            if isinstance(selector, Filter):
                yield from _queries_of(selector.expression)


def _queries_of(expression: BaseExpression) -> Iterator[jsonpath.JSONPath]:
    if isinstance(expression, FilterQuery):
        yield from _queries(expression.path)
    else:
        for child in expression.children():
            yield from _queries_of(child)


def _descents(query: jsonpath.JSONPath) -> int:
    return sum(isinstance(each, JSONPathRecursiveDescentSegment) for each in query.segments)


def _branches(query: jsonpath.JSONPath) -> int:
    return prod(max(1, len(segment.selectors)) for segment in query.segments)


def _real(text: str) -> float | Decimal:
    """A float if it is the number that was written, so that filters can compare it."""
    rounded = float(text)
    try:
        exact = Decimal(text)
    except InvalidOperation:  # an exponent of twenty digits
        return rounded
    return rounded if Decimal(repr(rounded)) == exact else exact


def _integer(text: str) -> int:
    if len(text) > LONGEST_INTEGER:
        raise ValueError(f"it has a number of more than {LONGEST_INTEGER} digits")
    return int(text)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
