"""Judges an HTTP answer by ``successCriteria.http``, and any check by what all types share."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from http import HTTPStatus

from kubekuma.check.answer import Answer
from kubekuma.check.certificate import days_left
from kubekuma.check.context import Check
from kubekuma.check.decode import media_type
from kubekuma.check.expect import Facts, Show, judge_expectations
from kubekuma.check.finding import Finding
from kubekuma.check.trace import Trace
from kubekuma.kit.json_path import MISSING
from kubekuma.model.criteria import HeaderCriterion, HttpCriteria, SuccessCriteria
from kubekuma.model.result import Reason


def judge_answer(
    answer: Answer, criteria: HttpCriteria, latency_seconds: float, show: Show
) -> Iterator[Finding]:
    """Yield what is wrong with ``answer``, in the order of the criteria's fields."""
    if not accepted(answer.status, criteria.accepted_status_codes):
        wanted = ", ".join(criteria.accepted_status_codes)
        status = _status_text(answer.status)
        yield Finding(Reason.STATUS_MISMATCH, f"the status is {status} and should be {wanted}")
    yield from judge_latency(latency_seconds, criteria.latency_ms_under)
    yield from _judge_content_type(answer, criteria.content_type, show)
    for criterion in criteria.headers:
        yield from _judge_header(answer, criterion, show)


def judge_http(
    kind: str, answer: Answer, criteria: SuccessCriteria, check: Check, now: datetime
) -> Iterator[Finding]:
    """Yield what is wrong with ``answer`` by all criteria but the type's own."""
    trace = check.trace
    yield from judge_answer(answer, criteria.http, trace.latency, check.show)
    values = {**shared_values(trace, now), "status": answer.status} if criteria.expect else {}
    facts = Facts(kind=kind, values=values, answer=answer)
    yield from judge_shared(criteria, facts, trace.latency, check.show)


def accepted(status: int, codes: Sequence[str]) -> bool:
    """Whether ``status`` is one of ``codes``, or within one of its ranges."""
    for each in codes:
        first, _, last = each.partition("-")
        if int(first) <= status <= int(last or first):
            return True
    return False


def _status_text(status: int) -> str:
    """``status`` with the phrase that belongs to it, whatever phrase the target chose."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def judge_latency(latency_seconds: float, under_ms: int | None) -> Iterator[Finding]:
    """Yield a finding when the check took ``under_ms`` or longer."""
    took = latency_seconds * 1000
    if under_ms is not None and took >= under_ms:
        message = f"it took {took:.0f} ms and should take less than {under_ms}"
        yield Finding(Reason.LATENCY_MISMATCH, message)


def judge_shared(
    criteria: SuccessCriteria, facts: Facts, latency_seconds: float, show: Show
) -> Iterator[Finding]:
    """Yield what is wrong by the criteria that every type takes."""
    yield from judge_expectations(criteria.expect, facts, show)
    limit = criteria.degraded_above_ms
    if limit is not None and latency_seconds * 1000 > limit:
        message = f"it took {latency_seconds * 1000:.0f} ms, which is more than {limit}"
        yield Finding(Reason.SLOW, message)


def shared_values(trace: Trace, now: datetime) -> dict[str, object]:
    """The values that every connection has, for ``Facts``."""
    certificate = trace.certificate
    return {
        "connected": True,
        "latencyMs": trace.latency * 1000,
        "peer": trace.peer or MISSING,
        "certificateDays": days_left(certificate, now) if certificate else MISSING,
    }


def _judge_content_type(answer: Answer, wanted: str | None, show: Show) -> Iterator[Finding]:
    if wanted is None:
        return
    found = answer.header("content-type")
    if _type(found, whole=";" in wanted) != _type(wanted, whole=";" in wanted):
        is_ = "is missing" if found is None else f"is {show(found)}"
        message = f"the content type {is_} and should be {wanted}"
        yield Finding(Reason.CONTENT_TYPE_MISMATCH, message)


def _type(text: str | None, *, whole: bool) -> str:
    """What is compared: parameters count only if the criterion names some."""
    return "".join((text or "").lower().split()) if whole else media_type(text)


def _judge_header(answer: Answer, wanted: HeaderCriterion, show: Show) -> Iterator[Finding]:
    found = answer.header(wanted.name)
    if found is None:
        yield Finding(Reason.HEADER_MISMATCH, f"the header {wanted.name} is missing")
    elif wanted.contains is not None and wanted.contains not in found:
        message = (
            f"the header {wanted.name} is {show(found)} and should contain {show(wanted.contains)}"
        )
        yield Finding(Reason.HEADER_MISMATCH, message)
