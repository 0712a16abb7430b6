"""``successCriteria.expect``: comparisons over what is known of an answer, for every type."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Final, TypeAlias

import attrs

from kubekuma.check.answer import Answer
from kubekuma.check.compare import WORDS, holds
from kubekuma.check.finding import Finding
from kubekuma.kit.json_path import MISSING, JsonValue, find, parse_json
from kubekuma.model.criteria import Expectation, Op, Severity
from kubekuma.model.result import Reason

Show: TypeAlias = Callable[[object], str]

_REASONS: Final = {
    Severity.DOWN: Reason.EXPECTATION_FAILED,
    Severity.DEGRADED: Reason.EXPECTATION_DEGRADED,
}


@attrs.frozen(kw_only=True)
class Facts:
    """What a check knows: plain values by name, and for http an answer to look further into."""

    kind: str  # the monitor's type, for messages
    values: Mapping[str, object]
    answer: Answer | None = None


def wants_body(expectations: Iterable[Expectation]) -> bool:
    """Whether any of ``expectations`` is about the body."""
    return any(each.value.startswith(("body", "json(", "length(")) for each in expectations)


def judge_expectations(
    expectations: Iterable[Expectation], facts: Facts, show: Show
) -> Iterator[Finding]:
    """Yield a finding for each of ``expectations`` that does not hold."""
    document = lru_cache(maxsize=1)(lambda: parse_json(facts.answer.body if facts.answer else b""))
    for each in expectations:
        complaint = _complaint(each, facts, document, show)
        if complaint:
            yield Finding(_REASONS[each.severity], complaint)


def _complaint(
    expected: Expectation, facts: Facts, document: Callable[[], JsonValue], show: Show
) -> str | None:
    try:
        actual = _actual(expected.value, facts, document)
    except _Unknown:
        return f"{expected.value} is not known to checks of type {facts.kind}"
    except ValueError as error:
        return f"{expected.value} cannot be had: {error}"
    if holds(actual, expected.op, expected.to, loose=not _of_json(expected.value)):
        return None
    is_ = "is not there" if actual is MISSING else f"is {show(actual)}"
    if expected.op is Op.EXISTS:
        should = "should not be there" if expected.to is False else "should be"
        return f"{expected.value} {is_} and {should}"
    return f"{expected.value} {is_} and should {WORDS[expected.op]} {show(expected.to)}"


def _of_json(name: str) -> bool:
    """Whether the value has a type of its own; all others are texts or plain numbers."""
    return name.startswith("json(")


class _Unknown(Exception):  # noqa: N818 - an answer, not an error
    """This type of check has no such value."""


def _actual(name: str, facts: Facts, document: Callable[[], JsonValue]) -> object:
    if name in facts.values:
        return facts.values[name]
    if facts.answer is None:
        raise _Unknown
    if name == "body":
        return facts.answer.text()
    kind, _, rest = name.partition(".")
    if kind == "header" and rest:
        found = facts.answer.header(rest)
        return MISSING if found is None else found
    kind, _, rest = name.partition("(")
    if kind == "json":
        return find(rest.removesuffix(")"), _valid(document))
    if kind == "length":
        return _length(find(rest.removesuffix(")"), _valid(document)))
    raise _Unknown


def _valid(document: Callable[[], JsonValue]) -> JsonValue:
    try:
        return document()
    except ValueError as error:
        raise ValueError(f"the body is not JSON ({error})") from error


def _length(value: object) -> object:
    return len(value) if isinstance(value, (str, list, dict)) else MISSING
