"""Keyword checker: what the body says, and what it must not say."""

from collections.abc import Iterator, Sequence

from kubekuma.check.answer import Answer
from kubekuma.check.context import Check
from kubekuma.check.expect import Show
from kubekuma.check.fetch import fetch
from kubekuma.check.finding import Finding
from kubekuma.check.judge import judge_http
from kubekuma.kit.pattern import occurs
from kubekuma.model.criteria import KeywordCriteria, SuccessCriteria
from kubekuma.model.result import Reason
from kubekuma.model.target import HttpTarget


async def check_keyword(
    target: HttpTarget, criteria: SuccessCriteria, check: Check
) -> Sequence[Finding]:
    """Fetch ``target``, judge it as http does, and look for keywords in the decoded body."""
    answer = await fetch(target, check, want_body=True)
    now = check.context.now()

    def judge() -> Iterator[Finding]:
        yield from judge_http("keyword", answer, criteria, check, now)
        yield from judge_keyword(answer, criteria.keyword or KeywordCriteria(), check.show)

    return await check.work(len(answer.body), lambda: list(judge()))


def judge_keyword(answer: Answer, criteria: KeywordCriteria, show: Show) -> Iterator[Finding]:
    """Yield a finding for each keyword that is missing, or present and should not be."""
    text = answer.text()
    for each in criteria.contains or ():
        if each not in text:
            yield Finding(Reason.KEYWORD_MISSING, f"the body does not contain {show(each)}")
    for each in criteria.not_contains or ():
        if each in text:
            yield Finding(Reason.KEYWORD_PRESENT, f"the body contains {show(each)}")
    for each in criteria.regex or ():
        if not occurs(each, text):
            yield Finding(Reason.KEYWORD_MISSING, f"the body does not match {show(each)}")
