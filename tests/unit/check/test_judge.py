from typing import Any

import pytest

from kubekuma.check.answer import Answer
from kubekuma.check.expect import Facts
from kubekuma.check.json_query import judge_json
from kubekuma.check.judge import accepted, judge_answer, judge_shared
from kubekuma.check.keyword import judge_keyword
from kubekuma.check.redact import quote
from kubekuma.model.criteria import (
    Expectation,
    HeaderCriterion,
    HttpCriteria,
    JsonQueryCriteria,
    KeywordCriteria,
    Op,
    Severity,
    SuccessCriteria,
)
from kubekuma.model.result import Reason

PAGE = Answer(
    status=200,
    headers=[
        (b"content-type", b"application/json; charset=utf-8"),
        (b"x-count", b"5"),
        (b"vary", b"a"),
        (b"vary", b"b"),
    ],
    body=b'{"ok": true, "n": 7, "price": 0.1, "list": [1, 2, 3], "name": "Gr\xc3\xbc\xc3\x9fe"}',
)


def show(value: object) -> str:
    return quote(value, (), 120)


@pytest.mark.parametrize(
    ("status", "codes", "good"),
    [
        (200, ("200-299",), True),
        (299, ("200-299",), True),
        (300, ("200-299",), False),
        (404, ("200", "404"), True),
        (401, ("200", "404"), False),
    ],
)
def test_status_codes_and_ranges(status: int, codes: tuple[str, ...], good: bool) -> None:
    assert accepted(status, codes) is good


@pytest.mark.parametrize(
    ("criteria", "reason"),
    [
        (HttpCriteria(), None),
        (HttpCriteria(accepted_status_codes=("404",)), Reason.STATUS_MISMATCH),
        (HttpCriteria(latency_ms_under=51), None),
        (HttpCriteria(latency_ms_under=50), Reason.LATENCY_MISMATCH),
        (HttpCriteria(content_type="application/json"), None),
        (HttpCriteria(content_type="Application/JSON"), None),
        (HttpCriteria(content_type="application/json;charset=UTF-8"), None),
        (HttpCriteria(content_type="application/json; charset=x"), Reason.CONTENT_TYPE_MISMATCH),
        (HttpCriteria(content_type="text/html"), Reason.CONTENT_TYPE_MISMATCH),
        (HttpCriteria(headers=(HeaderCriterion(name="X-Count"),)), None),
        (HttpCriteria(headers=(HeaderCriterion(name="Vary", contains="b"),)), None),
        (HttpCriteria(headers=(HeaderCriterion(name="X-Gone"),)), Reason.HEADER_MISMATCH),
        (
            HttpCriteria(headers=(HeaderCriterion(name="X-Count", contains="6"),)),
            Reason.HEADER_MISMATCH,
        ),
    ],
)
def test_http_criteria(criteria: HttpCriteria, reason: Reason | None) -> None:
    found = [each.reason for each in judge_answer(PAGE, criteria, 0.05, show)]
    assert found == ([reason] if reason else [])


@pytest.mark.parametrize(
    ("criteria", "reason"),
    [
        (KeywordCriteria(contains=("Grüße", "true")), None),
        (KeywordCriteria(contains=("grüße",)), Reason.KEYWORD_MISSING),
        (KeywordCriteria(not_contains=("error",)), None),
        (KeywordCriteria(not_contains=("true",)), Reason.KEYWORD_PRESENT),
        (KeywordCriteria(regex=(r'"n": \d',)), None),
        (KeywordCriteria(regex=(r'"n": \D',)), Reason.KEYWORD_MISSING),
    ],
)
def test_keywords(criteria: KeywordCriteria, reason: Reason | None) -> None:
    found = [each.reason for each in judge_keyword(PAGE, criteria, show)]
    assert found == ([reason] if reason else [])


def query(path: str, **fields: Any) -> JsonQueryCriteria:
    return JsonQueryCriteria(path=path, **fields)


@pytest.mark.parametrize(
    "criteria",
    [
        query("$.ok", equals=True),
        query("$.n", equals=7.0),
        query("$.n", not_equals=8),
        query("$.price", equals=0.1),
        query("$.price", lte="0.1"),
        query("$.n", gt=6),
        query("$.n", gte="7"),
        query("$.n", lt="7.5"),
        query("$.name", matches="^Gr"),
        query("$.list", equals=[1, 2, 3]),
        query("$.gone", exists=False),
        query("$.list[2]", exists=True),
        query("$.list[2]"),
    ],
)
def test_queries_that_find_what_they_should(criteria: JsonQueryCriteria) -> None:
    assert list(judge_json(PAGE, criteria, show)) == []


@pytest.mark.parametrize(
    ("criteria", "message"),
    [
        (query("$.ok", equals="true"), '$.ok finds true, which should be "true"'),
        (query("$.n", lt=7), "$.n finds 7, which should be less than 7"),
        (query("$.gone", equals=1), "$.gone finds nothing, which should be 1"),
        (query("$.gone", not_equals=1), "$.gone finds nothing, which should not be 1"),
        (query("$.gone", exists=True), "$.gone finds nothing and should find something"),
        (query("$.n", exists=False), "$.n finds 7 and should find nothing"),
        (query("$.name", lt=1), '$.name finds "Grüße", which should be less than 1'),
    ],
)
def test_queries_that_do_not(criteria: JsonQueryCriteria, message: str) -> None:
    (found,) = judge_json(PAGE, criteria, show)
    assert (found.reason, found.message) == (Reason.JSON_MISMATCH, message)


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff\xfe"])
def test_a_body_that_is_not_json_is_told_apart(body: bytes) -> None:
    page = Answer(status=200, headers=[], body=body)
    (found,) = judge_json(page, query("$.a", exists=False), show)
    assert found.reason is Reason.JSON_INVALID


# expect[] ----------------------------------------------------------------------------------------

FACTS = Facts(
    kind="http",
    values={"status": 200, "latencyMs": 50.0, "peer": "192.0.2.1:80", "connected": True},
    answer=PAGE,
)


def judged(facts: Facts, value: str, op: Op, to: object = None, **more: Any) -> list[str]:
    criteria = SuccessCriteria(expect=(Expectation(value=value, op=op, to=to, **more),))
    return [f"{each.reason}: {each.message}" for each in judge_shared(criteria, facts, 0.05, show)]


@pytest.mark.parametrize(
    ("value", "op", "to"),
    [
        ("status", Op.EQUALS, 200),
        ("status", Op.EQUALS, "200"),
        ("status", Op.IN, [200, 204]),
        ("latencyMs", Op.LT, 51),
        ("peer", Op.MATCHES, "^192"),
        ("connected", Op.EQUALS, True),
        ("body", Op.CONTAINS, "Grüße"),
        ("header.X-Count", Op.GTE, 5),
        ("header.x-count", Op.EQUALS, "5"),
        ("header.X-Gone", Op.EXISTS, False),
        ("json($.list[?@ > 1])", Op.EQUALS, 2),
        ("json($.list)", Op.CONTAINS, 3),
        ("length($.list)", Op.EQUALS, 3),
        ("length($.name)", Op.EQUALS, 5),
    ],
)
def test_expectations_that_hold(value: str, op: Op, to: object) -> None:
    assert judged(FACTS, value, op, to) == []


@pytest.mark.parametrize(
    ("value", "op", "to", "message"),
    [
        ("status", Op.EQUALS, 204, "status is 200 and should be 204"),
        ("json($.n)", Op.EQUALS, "7", 'json($.n) is 7 and should be "7"'),
        ("header.X-Gone", Op.EXISTS, None, "header.X-Gone is not there and should be"),
        ("header.X-Count", Op.EXISTS, False, 'header.X-Count is "5" and should not be there'),
        ("length($.n)", Op.GT, 1, "length($.n) is not there and should be greater than 1"),
        ("output", Op.CONTAINS, "x", "output is not known to checks of type http"),
        ("rcode", Op.EQUALS, "x", "rcode is not known to checks of type http"),
    ],
)
def test_expectations_that_do_not(value: str, op: Op, to: object, message: str) -> None:
    assert judged(FACTS, value, op, to) == [f"ExpectationFailed: {message}"]


def test_an_expectation_may_only_degrade() -> None:
    assert judged(FACTS, "status", Op.EQUALS, 204, severity=Severity.DEGRADED) == [
        "ExpectationDegraded: status is 200 and should be 204"
    ]


def test_an_expectation_about_json_says_when_the_body_is_none() -> None:
    facts = Facts(kind="http", values={}, answer=Answer(status=200, headers=[], body=b"<"))
    (message,) = judged(facts, "json($.a)", Op.EXISTS, False)
    assert "the body is not JSON" in message


def test_without_an_answer_there_is_no_body() -> None:
    facts = Facts(kind="tcp", values={})
    for value in ("body", "header.x", "json($)", "length($)", "status"):
        assert judged(facts, value, Op.EXISTS, False) == [
            f"ExpectationFailed: {value} is not known to checks of type tcp"
        ]


@pytest.mark.parametrize(("limit", "reasons"), [(50, []), (49, [Reason.SLOW])])
def test_above_its_limit_a_pass_is_slow(limit: int, reasons: list[Reason]) -> None:
    criteria = SuccessCriteria(degraded_above_ms=limit)
    assert [each.reason for each in judge_shared(criteria, FACTS, 0.05, show)] == reasons
