"""A target that echoes our secrets wherever it can does not get them into a result."""

import attrs
import pytest
import trio
from fakes.targets import answer, check_context, monitor_of, secret_ref, start_target

from kubekuma.check.run import run_check
from kubekuma.model.criteria import (
    Expectation,
    HeaderCriterion,
    HttpCriteria,
    JsonQueryCriteria,
    KeywordCriteria,
    SuccessCriteria,
)
from kubekuma.model.monitor import MonitorType
from kubekuma.model.result import Reason
from kubekuma.model.target import (
    Extract,
    Header,
    HttpTarget,
    ScenarioTarget,
    Step,
    StepRequest,
)

CANARY = 'canary-"8f3a"-Ünïcode'
BODY = f'{{"said": {CANARY!r}, "auth": "Bearer {CANARY}"}}'.encode()
JSON = '{"said": "canary-\\"8f3a\\"-Ünïcode"}'.encode()
ECHOES = {
    "body": answer("200 OK", body=BODY),
    "json": answer("200 OK", body=JSON),
    "padded to be cut within": answer("200 OK", body=b"x" * 110 + CANARY.encode()),
    "header": answer("500 " + CANARY, f"X-Echo: {CANARY}", body=BODY),
    "content type": answer("200 OK", f"Content-Type: {CANARY}"),
    "status line": f"HTTP/{CANARY}\r\n\r\n".encode(),
    "header line": f"HTTP/1.1 200 OK\r\n{CANARY}\r\n\r\n".encode(),
    "chunk": f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{CANARY}\r\n".encode(),
    "bad location": answer("302 Found", f"Location: ftp://x/{CANARY}"),
    "location": answer("302 Found", f"Location: /?back={CANARY}"),
    "content coding": answer("200 OK", f"Content-Encoding: {CANARY}", body=b"x"),
}
CRITERIA = SuccessCriteria(
    http=HttpCriteria(
        content_type="text/x", headers=(HeaderCriterion(name="X-Echo", contains="other"),)
    ),
    keyword=KeywordCriteria(contains=("missing",)),
    json_query=JsonQueryCriteria(path="$.said", equals="other"),
    expect=tuple(
        Expectation(value=value, to="other")
        for value in ("body", "header.X-Echo", "json($.said)", "json($)", "json($.auth)")
    ),
)


@pytest.mark.parametrize("kind", [MonitorType.HTTP, MonitorType.KEYWORD, MonitorType.JSON_QUERY])
@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES.keys())
async def test_no_echo_of_a_secret_is_shown(
    nursery: trio.Nursery, echo: bytes, kind: MonitorType
) -> None:
    target = await start_target(nursery, echo)
    headers = (
        Header(name="Authorization", value_from_secret_ref=secret_ref("auth")),
        Header(name="X-Plain", value_from_secret_ref=secret_ref("plain")),
    )
    secrets = {"auth": f"Bearer {CANARY}\n".encode(), "plain": CANARY.encode()}
    url = f"{target.url}?token=canary-query"
    monitor = monitor_of(kind, HttpTarget(url=url, headers=headers), CRITERIA)
    result = await run_check(monitor, check_context(secrets=secrets), transcript=True)
    assert CANARY.encode() in target.requests[0]
    assert result.reason not in {Reason.PASSED, Reason.INTERNAL_ERROR}
    shown = "\n".join([result.message, *result.transcript])
    assert "canary" not in shown
    assert "8f3a" not in shown


@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES.keys())
async def test_no_echo_of_what_a_scenario_carries_on_is_shown(
    nursery: trio.Nursery, echo: bytes
) -> None:
    given = answer("200 OK", body=JSON)
    target = await start_target(nursery, given, then=[[echo]])
    said = Header(name="X-Say", value="{{ said }}")
    criteria = attrs.evolve(CRITERIA, http=HttpCriteria(content_type="text/x"))
    steps = (
        Step(
            name="one",
            http=StepRequest(url=target.url),
            extract=(Extract(name="said", json_path="$.said"),),
            success_criteria=SuccessCriteria(),
        ),
        Step(
            name="two",
            http=StepRequest(url=f"{target.url}{{{{ said }}}}", headers=(said,)),
            success_criteria=criteria,
        ),
    )
    monitor = monitor_of(MonitorType.SCENARIO, ScenarioTarget(steps=steps))
    result = await run_check(monitor, check_context(), transcript=True)
    assert CANARY.encode() in target.requests[1]
    assert result.reason not in {Reason.PASSED, Reason.INTERNAL_ERROR}
    assert result.message.startswith('step "two": ')
    shown = "\n".join([result.message, *result.transcript])
    assert "canary" not in shown
    assert "8f3a" not in shown
