"""Judges what a database, broker, directory or other service answered."""

import json
from collections.abc import Iterator, Sequence

from kubekuma.check.answer import Answer
from kubekuma.check.compare import as_number, number
from kubekuma.check.context import Check
from kubekuma.check.expect import Facts, Show
from kubekuma.check.finding import Finding
from kubekuma.check.judge import judge_shared, shared_values
from kubekuma.kit.json_path import MISSING
from kubekuma.kit.pattern import occurs
from kubekuma.model.criteria import ServiceCriteria, SuccessCriteria
from kubekuma.model.result import Reason


def judge_service(
    kind: str,
    output: str | None,
    criteria: SuccessCriteria,
    check: Check,
    *,
    document: object = None,
) -> Sequence[Finding]:
    """Yield what is wrong with ``output``, which is None where nothing was asked for.

    ``document``: what there is beside it, for ``json()`` in expectations. Ends the last phase:
    what comes now is our own work.
    """
    check.trace.finish()
    values = {
        **shared_values(check.trace, check.context.now()),
        "output": MISSING if output is None else output,
    }
    body = json.dumps(document).encode()
    answer = Answer(status=0, headers=(), body=body) if document is not None else None
    facts = Facts(kind=kind, values=values, answer=answer)
    found = list(judge_output(output, criteria.service, check.show)) if criteria.service else []
    return [*found, *judge_shared(criteria, facts, check.trace.latency, check.show)]


def judge_output(output: str | None, wanted: ServiceCriteria, show: Show) -> Iterator[Finding]:
    """Yield what is wrong with ``output`` by the criteria of services."""
    is_ = "there is no answer" if output is None else f"the answer is {show(output)}"
    text = output or ""
    if wanted.value is not None and output != wanted.value:
        yield _mismatch(f"{is_} and should be {show(wanted.value)}")
    if wanted.pattern is not None and (output is None or not occurs(wanted.pattern, text)):
        yield _mismatch(f"{is_} and should match {show(wanted.pattern)}")
    if wanted.min_value is None and wanted.max_value is None:
        return
    value = number(as_number(text.strip()))
    if value is None:
        yield _mismatch(f"{is_} and should be a number")
        return
    if wanted.min_value is not None and value < wanted.min_value:
        yield _mismatch(f"{is_} and should be at least {wanted.min_value}")
    if wanted.max_value is not None and value > wanted.max_value:
        yield _mismatch(f"{is_} and should be at most {wanted.max_value}")


def _mismatch(message: str) -> Finding:
    return Finding(Reason.VALUE_MISMATCH, message)
