"""Scenario checker: HTTP requests one after the other, with cookies kept and values carried on."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime

import attrs

from kubekuma.check.answer import Answer
from kubekuma.check.context import Check
from kubekuma.check.cookies import Cookies
from kubekuma.check.expect import Facts, wants_body
from kubekuma.check.extract import extracted
from kubekuma.check.fetch import fetch
from kubekuma.check.finding import CheckFailed, Finding, conclude
from kubekuma.check.json_query import judge_json
from kubekuma.check.judge import judge_http, judge_shared, shared_values
from kubekuma.check.keyword import judge_keyword
from kubekuma.check.trace import Trace
from kubekuma.check.values import Values
from kubekuma.model.criteria import SuccessCriteria
from kubekuma.model.result import Outcome, outcome_of
from kubekuma.model.target import ScenarioTarget, Step


async def check_scenario(
    target: ScenarioTarget, criteria: SuccessCriteria, check: Check
) -> Sequence[Finding]:
    """Take the steps in order; after one that fails, only those that always run.

    A step is judged by its own criteria and its own latency; the whole, by what all types share.
    """
    run = _Run(check=check)
    for value in target.values:
        await run.values.fetch(value, check)
    for step in target.steps:
        if not run.failed or step.always_run:
            await run.take(step)
    facts = Facts(kind="scenario", values=shared_values(check.trace, check.context.now()))
    shared = judge_shared(criteria, facts, check.trace.latency, check.show)
    return [*run.found, *shared]


@attrs.define(kw_only=True)
class _Run:
    """What one step leaves to the next."""

    check: Check
    values: Values = attrs.field(factory=Values)
    cookies: Cookies = attrs.field(factory=Cookies)
    found: list[Finding] = attrs.field(factory=list)

    @property
    def failed(self) -> bool:
        return outcome_of(conclude(self.found).reason) in {Outcome.FAILED, Outcome.UNKNOWN}

    async def take(self, step: Step) -> None:
        """Take one step, and note what is wrong with it."""
        whole, failed_before = self.check.trace, self.failed
        label = f"step {json.dumps(step.name, ensure_ascii=False)}"
        check = attrs.evolve(self.check, trace=Trace(transcript=whole.wanted))
        check.trace.secrets = whole.secrets
        check.trace.say("%s", label)
        try:
            wrong = await _wrong(step, self, check)
            self.found += [Finding(each.reason, f"{label}: {each.message}") for each in wrong]
        finally:
            # Also when the deadline strikes: it is the whole that is asked then.
            whole.add(check.trace, only_time=failed_before)
            whole.doing = f"{check.trace.doing}, in {label}"
            if failed_before:
                whole.at_deadline = conclude(self.found)


async def _wrong(step: Step, run: _Run, check: Check) -> Sequence[Finding]:
    if (name := run.values.missing(step.http)) is not None:
        # Only of a step that always runs: validation has seen that an earlier one gives it.
        check.trace.say("left out: there is no %s", name)
        return []
    try:
        return await _answered(step, run, check)
    except CheckFailed as failed:
        check.trace.give_up(failed.finding.message)
        return [failed.finding]


async def _answered(step: Step, run: _Run, check: Check) -> Sequence[Finding]:
    answer = await fetch(
        step.http, check, want_body=_wants_body(step), cookies=run.cookies, values=run.values
    )
    size, now = len(answer.body), check.context.now()
    # Before the judges, who must not show what is carried on.
    given = await check.work(
        size, lambda: [(each.name, extracted(each, answer)) for each in step.extract]
    )
    for name, value in given:
        if isinstance(value, str):
            run.values.keep(name, value, check)
    wrong = await check.work(size, lambda: list(_judged(step, answer, check, now)))
    # What there is not to carry on says nothing new of an answer that is wrong.
    return wrong or [value for _, value in given if isinstance(value, Finding)]


def _wants_body(step: Step) -> bool:
    criteria = step.success_criteria
    wanted = criteria.keyword is not None or criteria.json_query is not None
    carried = any(each.header is None for each in step.extract)
    return wanted or carried or wants_body(criteria.expect)


def _judged(step: Step, answer: Answer, check: Check, now: datetime) -> Iterator[Finding]:
    criteria = step.success_criteria
    yield from judge_http("scenario", answer, criteria, check, now)
    if criteria.keyword is not None:
        yield from judge_keyword(answer, criteria.keyword, check.show)
    if criteria.json_query is not None:
        yield from judge_json(answer, criteria.json_query, check.show)
