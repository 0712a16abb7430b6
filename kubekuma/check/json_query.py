"""JSON checker: what a path finds in the body."""

from collections.abc import Iterator, Sequence
from typing import Final

from kubekuma.check.answer import Answer
from kubekuma.check.compare import WORDS, holds
from kubekuma.check.context import Check
from kubekuma.check.expect import Show
from kubekuma.check.fetch import fetch
from kubekuma.check.finding import Finding
from kubekuma.check.judge import judge_http
from kubekuma.kit.json_path import MISSING, find, parse_json
from kubekuma.model.criteria import JsonQueryCriteria, Op, SuccessCriteria
from kubekuma.model.result import Reason
from kubekuma.model.target import HttpTarget


async def check_json_query(
    target: HttpTarget, criteria: SuccessCriteria, check: Check
) -> Sequence[Finding]:
    """Fetch ``target``, judge it as http does, and query the body."""
    answer = await fetch(target, check, want_body=True)
    now = check.context.now()

    def judge() -> Iterator[Finding]:
        yield from judge_http("jsonQuery", answer, criteria, check, now)
        if criteria.json_query:
            yield from judge_json(answer, criteria.json_query, check.show)

    return await check.work(len(answer.body), lambda: list(judge()))


def judge_json(answer: Answer, criteria: JsonQueryCriteria, show: Show) -> Iterator[Finding]:
    """Yield a finding if the body is not JSON, or the path does not find what it should."""
    try:
        actual = find(criteria.path, parse_json(answer.body))
    except ValueError as error:
        yield Finding(Reason.JSON_INVALID, f"the body cannot be queried: {error}")
        return
    op, wanted = comparison(criteria)
    if holds(actual, op, wanted):
        return
    found = "finds nothing" if actual is MISSING else f"finds {show(actual)}"
    if op is Op.EXISTS:
        should = "something" if wanted else "nothing"
        message = f"{criteria.path} {found} and should find {should}"
    else:
        message = f"{criteria.path} {found}, which should {WORDS[op]} {show(wanted)}"
    yield Finding(Reason.JSON_MISMATCH, message)


_FIELDS: Final = {
    "equals": Op.EQUALS,
    "not_equals": Op.NOT_EQUALS,
    "matches": Op.MATCHES,
    "lt": Op.LT,
    "lte": Op.LTE,
    "gt": Op.GT,
    "gte": Op.GTE,
    "exists": Op.EXISTS,
}


def comparison(criteria: JsonQueryCriteria) -> tuple[Op, object]:
    """The one comparison that ``criteria`` asks for; the path must find something if none."""
    for name, op in _FIELDS.items():
        wanted = getattr(criteria, name)
        if wanted is not None:
            return op, wanted
    return Op.EXISTS, True
