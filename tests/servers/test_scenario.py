"""The scenario checker against a shop: a Flask application behind nginx, with TLS."""

import socket
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs
import httpx
import pytest
from fakes.targets import check_context, monitor_of, secret_ref
from servers.shop import PASSWORD
from support.daemons import free_ports, installed, running
from support.daemons_tls import server_files

from kubekuma.check.run import run_check
from kubekuma.model.criteria import (
    Expectation,
    HttpCriteria,
    JsonQueryCriteria,
    KeywordCriteria,
    Op,
    SuccessCriteria,
)
from kubekuma.model.monitor import MonitorType
from kubekuma.model.result import CheckResult, Reason
from kubekuma.model.settings import AddressPolicy
from kubekuma.model.target import (
    Body,
    Extract,
    Header,
    HttpTarget,
    ScenarioTarget,
    ScenarioValue,
    Step,
    StepRequest,
    Tls,
)

pytestmark = pytest.mark.servers

TLS = Tls(ca_bundle_secret_ref=secret_ref("bundle"))


@attrs.frozen
class Shop:
    url: str
    clear: str
    slow: str
    authority: bytes

    def noted(self) -> Sequence[str]:
        """What it was asked since it was last asked this."""
        found: list[str] = httpx.get(f"{self.clear}/log", trust_env=False).json()
        return found


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    program = installed("nginx", "nginx-light")
    folder = tmp_path_factory.mktemp("shop")
    files = server_files(folder)
    secure, clear, behind, silent = free_ports(4)
    configuration = folder / "nginx.conf"
    configuration.write_text(f"""
        daemon off;
        user root;
        pid {folder}/pid;
        error_log {folder}/error.log;
        events {{}}
        http {{
          access_log off;
          client_body_temp_path {folder}/body;
          proxy_temp_path {folder}/proxy;
          fastcgi_temp_path {folder}/fastcgi;
          uwsgi_temp_path {folder}/uwsgi;
          scgi_temp_path {folder}/scgi;
          server {{
            listen 127.0.0.1:{clear};
            listen 127.0.0.1:{secure} ssl;
            ssl_certificate {files.cert};
            ssl_certificate_key {files.key};
            location / {{
              proxy_pass http://127.0.0.1:{behind};
              proxy_set_header Host $http_host;
            }}
            location /silent {{ proxy_pass http://127.0.0.1:{silent}; }}
          }}
        }}
    """)
    app: list[str | Path] = [sys.executable, Path(__file__).parent / "shop.py", str(behind)]
    with socket.create_server(("127.0.0.1", silent)), running(app, folder, ports=(behind,)):
        command: list[str | Path] = [program, "-e", folder / "error.log", "-c", configuration]
        with running(command, folder, ports=(secure, clear)):
            yield Shop(
                f"https://localhost:{secure}",
                f"http://localhost:{clear}",
                f"https://localhost:{secure}/silent",
                files.authority.read_bytes(),
            )


def step(
    name: str,
    url: str,
    *extract: Extract,
    criteria: SuccessCriteria | None = None,
    always: bool = False,
    **fields: Any,
) -> Step:
    return Step(
        name=name,
        http=StepRequest(url=url, tls=TLS, **fields),
        extract=extract,
        success_criteria=criteria or SuccessCriteria(),
        always_run=always,
    )


async def check(
    shop: Shop, *steps: Step, criteria: SuccessCriteria | None = None, **how: Any
) -> CheckResult:
    timeout = how.pop("timeout", 5)
    secrets = {
        "password": f"{PASSWORD}\n".encode(),
        "wrong": b"wr0ng-passw0rd",
        "two lines": b"one\r\nX-Evil: two",
        "bundle": shop.authority,
    }
    values = tuple(
        ScenarioValue(name=key.replace(" ", "_"), value_from_secret_ref=secret_ref(key))
        for key in ("password", "wrong", "two lines")
    )
    target = ScenarioTarget(steps=steps, values=values)
    monitor = monitor_of(MonitorType.SCENARIO, target, criteria, timeout_seconds=timeout)
    result = await run_check(monitor, check_context(secrets=secrets, **how), transcript=True)
    for secret in ("s3cret", "wr0ng", "X-Evil"):
        assert secret not in repr(result)
    return result


def form(shop: Shop, *, value: str = "password") -> Sequence[Step]:
    return (
        step(
            "form",
            f"{shop.url}/web/login",
            Extract(name="csrf", regex=r'name=csrf value="([^"]+)"'),
        ),
        step(
            "login",
            f"{shop.url}/web/login",
            method="POST",
            body=Body(form={"csrf": "{{csrf}}", "user": "probe", "password": f"{{{{ {value} }}}}"}),
            criteria=SuccessCriteria(keyword=KeywordCriteria(contains=("basket of probe",))),
        ),
        step("basket", f"{shop.url}/web/basket"),
        step("logout", f"{shop.url}/web/logout", method="POST", always=True),
    )


async def test_a_form_with_cookie_and_csrf_token(shop: Shop) -> None:
    shop.noted()
    result = await check(shop, *form(shop))
    assert result.reason is Reason.PASSED, result.message
    assert shop.noted() == [
        "GET /web/login",
        "POST /web/login",
        "GET /web/basket",
        "GET /web/basket",
        "POST /web/logout",
    ]
    assert result.status_code == 204
    assert result.certificate
    # What came first has made room.
    assert 'step "logout"' in result.transcript
    assert result.transcript[-1].startswith("< ")
    timings = result.timings
    phases = (timings.dns, timings.connect, timings.tls, timings.first_byte, timings.transfer)
    assert sum(filter(None, phases)) == pytest.approx(result.latency_seconds)


async def test_a_step_that_fails_ends_all_but_the_cleaning_up(shop: Shop) -> None:
    shop.noted()
    result = await check(shop, *form(shop, value="wrong"))
    assert result.reason is Reason.STATUS_MISMATCH
    assert result.message.startswith('step "login": the status is 403 Forbidden and should be')
    assert result.status_code == 403
    assert shop.noted() == ["GET /web/login", "POST /web/login", "POST /web/logout"]


async def test_a_cookie_that_is_for_tls_alone_does_not_leave_in_the_clear(shop: Shop) -> None:
    steps = [*form(shop)[:2], step("basket", f"{shop.clear}/web/basket")]
    result = await check(shop, *steps)
    assert result.message.startswith('step "basket": the status is 401')


def api(shop: Shop, *more: Step) -> Sequence[Step]:
    return (
        step(
            "login",
            f"{shop.url}/api/login",
            Extract(name="token", json_path="$.token"),
            Extract(name="id", json_path="$.items[0].id"),
            Extract(name="count", json_path="$.items[0].count"),
            Extract(name="shop", header="X-Shop"),
            method="POST",
            body=Body(json={"user": "probe", "password": "{{ password }}"}),
        ),
        *more,
    )


BEARER = (Header(name="Authorization", value="Bearer {{ token }}"),)


async def test_an_api_with_a_token_from_its_first_answer(shop: Shop) -> None:
    same = SuccessCriteria(json_query=JsonQueryCriteria(path="$.id", equals="a/b ?ü"))
    item = f"{shop.url}/api/{{{{ shop }}}}/item?id={{{{ id }}}}&count={{{{ count }}}}"
    shop.noted()
    result = await check(shop, *api(shop, step("item", item, headers=BEARER, criteria=same)))
    assert result.reason is Reason.PASSED, result.message
    assert shop.noted()[-1] == "GET /api/north/item?id=a%2Fb%20%3F%C3%BC&count=3"
    assert "> Authorization: ***" in result.transcript


async def test_a_secret_in_a_path_is_not_shown(shop: Shop) -> None:
    shop.noted()
    result = await check(shop, step("item", f"{shop.url}/api/{{{{ password }}}}/item?id=1"))
    assert result.reason is Reason.STATUS_MISMATCH
    assert shop.noted() == ["GET /api/s3cret: &ü/item?id=1"]
    assert "> GET /api/***/item?id=*** HTTP/1.1" in result.transcript


async def test_what_is_carried_on_is_not_shown(shop: Shop) -> None:
    said = SuccessCriteria(
        expect=(Expectation(value="body", to="x"),), http=HttpCriteria(content_type="text/x")
    )
    echo = step(
        "echo",
        f"{shop.url}/api/echo",
        headers=(Header(name="X-Say", value="{{ token }} {{ password }}"),),
        criteria=said,
    )
    result = await check(shop, *api(shop, echo))
    assert result.reason is Reason.CONTENT_TYPE_MISMATCH
    assert 'body is "you said *** ' in result.message


@pytest.mark.parametrize(
    ("extract", "reason", "said"),
    [
        (Extract(name="x", json_path="$.none"), Reason.JSON_MISMATCH, "$.none finds nothing"),
        (Extract(name="x", header="X-None"), Reason.HEADER_MISMATCH, "X-None is missing"),
        (Extract(name="x", regex="none: (.*)"), Reason.KEYWORD_MISSING, "matches its pattern"),
    ],
)
async def test_what_cannot_be_carried_on_is_told(
    shop: Shop, extract: Extract, reason: Reason, said: str
) -> None:
    login = api(shop)[0]
    use = step("use", f"{shop.url}/log?{{{{ x }}}}", always=True)
    result = await check(shop, attrs.evolve(login, extract=(extract,)), use)
    assert result.reason is reason, result.message
    assert result.message.startswith('step "login": there is no x: ')
    assert said in result.message
    assert result.transcript[-2:] == ('step "use"', "left out: there is no x")


async def test_a_body_that_is_no_json_carries_nothing(shop: Shop) -> None:
    page = step("page", f"{shop.url}/api/echo", Extract(name="x", json_path="$.x"))
    result = await check(shop, page)
    assert result.reason is Reason.JSON_INVALID


async def test_values_do_not_make_headers_of_their_own(shop: Shop) -> None:
    headers = (Header(name="X-Say", value="{{ two_lines }}"),)
    result = await check(shop, step("echo", f"{shop.url}/api/echo", headers=headers))
    assert result.reason is Reason.SECRET_MISSING
    assert result.message == 'step "echo": two_lines cannot stand in a header'


async def test_a_secret_in_a_body_does_not_follow_to_another_origin(shop: Shop) -> None:
    to = step(
        "send",
        f"{shop.url}/web/elsewhere?to={shop.clear}/api/login",
        method="POST",
        body=Body(text="{{ password }}"),
    )
    result = await check(shop, to)
    assert result.reason is Reason.BAD_REDIRECT
    assert "would take a secret" in result.message


async def test_each_step_is_under_the_address_policy(shop: Shop) -> None:
    result = await check(shop, *form(shop), targets=AddressPolicy())
    assert result.reason is Reason.ADDRESS_DENIED
    assert result.message.startswith('step "form": ')


async def test_a_deadline_names_the_step(shop: Shop) -> None:
    steps = [step("one", f"{shop.url}/api/echo"), step("two", shop.slow)]
    result = await check(shop, *steps, timeout=1)
    assert result.reason is Reason.TIMEOUT
    assert result.message.endswith('to answer, in step "two"')


async def test_a_failure_outlasts_a_cleaning_up_that_hangs(shop: Shop) -> None:
    steps = [step("one", f"{shop.url}/api/broken"), step("two", shop.slow, always=True)]
    result = await check(shop, *steps, timeout=1)
    assert result.reason is Reason.STATUS_MISMATCH
    assert result.status_code == 500


async def test_the_whole_is_judged_by_what_all_types_share(shop: Shop) -> None:
    slow = SuccessCriteria(expect=(Expectation(value="latencyMs", op=Op.GT, to=600_000),))
    result = await check(shop, *form(shop), criteria=slow)
    assert result.reason is Reason.EXPECTATION_FAILED


async def test_a_plain_monitor_sends_braces_as_they_are(shop: Shop) -> None:
    target = HttpTarget(url=f"{shop.clear}/api/echo?{{{{x}}}}")
    shop.noted()
    result = await run_check(monitor_of(MonitorType.HTTP, target), check_context())
    assert result.reason is Reason.PASSED
    assert "x" in shop.noted()[-1]
