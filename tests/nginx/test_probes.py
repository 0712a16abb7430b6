"""The probes against a real web server."""

from collections.abc import Sequence
from typing import Any

import pytest
from fakes.targets import check_context, monitor_of, secret_ref
from support.nginx import Nginx

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
from kubekuma.model.target import Header, HttpTarget, IpFamily, OptionalTls, TcpTarget, Tls

pytestmark = pytest.mark.nginx

OUR_AUTHORITY = Tls(ca_bundle_secret_ref=secret_ref("bundle"))


async def check(
    nginx: Nginx,
    url: str,
    kind: MonitorType = MonitorType.HTTP,
    criteria: SuccessCriteria | None = None,
    **fields: Any,
) -> CheckResult:
    secrets = {"bundle": nginx.certificates.bundle, "token": b"canary-token"}
    target = HttpTarget(url=url, ip_family=IpFamily.IPV4, **fields)
    context = check_context(secrets=secrets)
    return await run_check(monitor_of(kind, target, criteria), context, transcript=True)


async def test_a_page_over_http(nginx: Nginx) -> None:
    result = await check(nginx, f"http://localhost:{nginx.http}/index.html")
    assert result.reason is Reason.PASSED, result.message
    assert result.peer == f"127.0.0.1:{nginx.http}"
    assert result.timings.dns


async def test_a_page_over_https_with_its_certificate(nginx: Nginx) -> None:
    result = await check(nginx, f"https://localhost:{nginx.valid}/index.html", tls=OUR_AUTHORITY)
    assert result.reason is Reason.PASSED, result.message
    assert result.timings.tls
    assert result.certificate
    assert result.certificate.valid
    assert set(result.certificate.names) == {"localhost", "127.0.0.1"}
    assert len(result.certificate.fingerprint) == 64


async def test_an_address_is_verified_as_an_address(nginx: Nginx) -> None:
    result = await check(nginx, f"https://127.0.0.1:{nginx.valid}/index.html", tls=OUR_AUTHORITY)
    assert result.reason is Reason.PASSED, result.message


UNFIT = [
    ("expired", Reason.TLS_EXPIRED, "the certificate expired at 20"),
    ("wrong_name", Reason.TLS_HOSTNAME, "is for elsewhere.example and not for localhost"),
    ("unknown_issuer", Reason.TLS_UNTRUSTED, "does not verify (unable to get local issuer"),
]


@pytest.mark.parametrize(("port", "reason", "message"), UNFIT)
async def test_what_is_wrong_with_a_certificate_is_told_apart_and_it_is_shown(
    nginx: Nginx, port: str, reason: Reason, message: str
) -> None:
    url = f"https://localhost:{getattr(nginx, port)}/"
    result = await check(nginx, url, tls=OUR_AUTHORITY)
    assert result.reason is reason
    assert message in result.message
    assert result.certificate
    assert not result.certificate.valid
    assert result.status_code is None


@pytest.mark.parametrize("port", [port for port, *_ in UNFIT])
async def test_an_unfit_certificate_may_be_accepted_and_is_still_not_valid(
    nginx: Nginx, port: str
) -> None:
    url = f"https://localhost:{getattr(nginx, port)}/index.html"
    tls = Tls(ca_bundle_secret_ref=secret_ref("bundle"), verify=False)
    result = await check(nginx, url, tls=tls)
    assert result.reason is Reason.PASSED, result.message
    assert result.certificate
    assert not result.certificate.valid


async def test_a_fit_certificate_is_valid_although_nobody_asked(nginx: Nginx) -> None:
    tls = Tls(ca_bundle_secret_ref=secret_ref("bundle"), verify=False)
    result = await check(nginx, f"https://localhost:{nginx.valid}/index.html", tls=tls)
    assert result.certificate
    assert result.certificate.valid


async def test_another_server_name_is_asked_for_and_verified(nginx: Nginx) -> None:
    tls = Tls(ca_bundle_secret_ref=secret_ref("bundle"), sni="elsewhere.example")
    result = await check(nginx, f"https://localhost:{nginx.wrong_name}/index.html", tls=tls)
    assert result.reason is Reason.PASSED, result.message


async def test_another_server_name_is_not_meant_for_where_a_redirect_leads(nginx: Nginx) -> None:
    tls = Tls(ca_bundle_secret_ref=secret_ref("bundle"), sni="elsewhere.example")
    result = await check(nginx, f"https://127.0.0.1:{nginx.wrong_name}/valid", tls=tls)
    assert result.reason is Reason.PASSED, result.message
    assert result.peer == f"127.0.0.1:{nginx.valid}"


async def test_a_bundle_that_is_none_is_ours(nginx: Nginx) -> None:
    tls = Tls(ca_bundle_secret_ref=secret_ref("token"))
    result = await check(nginx, f"https://localhost:{nginx.valid}/", tls=tls)
    assert result.reason is Reason.SECRET_MISSING


async def test_speaking_tls_to_a_port_in_the_clear_fails(nginx: Nginx) -> None:
    result = await check(nginx, f"https://localhost:{nginx.http}/")
    assert result.reason is Reason.TLS_FAILED
    assert "wrong version number" in result.message


async def test_speaking_in_the_clear_to_a_tls_port_is_a_bad_request(nginx: Nginx) -> None:
    result = await check(nginx, f"http://localhost:{nginx.valid}/")
    assert result.reason is Reason.STATUS_MISMATCH
    assert result.status_code == 400


@pytest.mark.parametrize(
    ("path", "codes", "reason"),
    [
        ("status", ("200-299",), Reason.STATUS_MISMATCH),
        ("status", ("503",), Reason.PASSED),
        ("empty", ("204",), Reason.PASSED),
        ("none", ("404",), Reason.PASSED),
        ("hop", ("200",), Reason.PASSED),
        ("moved", ("200",), Reason.PASSED),
        ("loop", ("200",), Reason.TOO_MANY_REDIRECTS),
    ],
)
async def test_status_codes_and_redirects(
    nginx: Nginx, path: str, codes: Sequence[str], reason: Reason
) -> None:
    criteria = SuccessCriteria(http=HttpCriteria(accepted_status_codes=tuple(codes)))
    result = await check(nginx, f"http://127.0.0.1:{nginx.http}/{path}", criteria=criteria)
    assert result.reason is reason, result.message


async def test_a_redirect_may_lead_to_https(nginx: Nginx) -> None:
    result = await check(nginx, f"http://127.0.0.1:{nginx.http}/secure", tls=OUR_AUTHORITY)
    assert result.reason is Reason.PASSED, result.message
    assert result.peer == f"127.0.0.1:{nginx.valid}"
    assert result.certificate


async def test_a_redirect_from_https_does_not_take_the_secret_along(nginx: Nginx) -> None:
    headers = (Header(name="X-Token", value_from_secret_ref=secret_ref("token")),)
    criteria = SuccessCriteria(keyword=KeywordCriteria(not_contains=("canary-token",)))
    url = f"https://localhost:{nginx.valid}/plain"
    kind = MonitorType.KEYWORD
    result = await check(nginx, url, kind, criteria, tls=OUR_AUTHORITY, headers=headers)
    assert result.reason is Reason.PASSED, result.message


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_methods(nginx: Nginx, method: str) -> None:
    result = await check(nginx, f"http://127.0.0.1:{nginx.http}/index.html", method=method)
    assert result.reason is Reason.PASSED, result.message


async def test_keywords_in_a_compressed_page(nginx: Nginx) -> None:
    criteria = SuccessCriteria(
        keyword=KeywordCriteria(contains=("Grüße",), not_contains=("error",), regex=("w[oa]rks",)),
        expect=(Expectation(value="header.Content-Encoding", to="gzip"),),
    )
    url = f"http://127.0.0.1:{nginx.http}/index.html"
    result = await check(nginx, url, MonitorType.KEYWORD, criteria)
    assert result.reason is Reason.PASSED, result.message


async def test_queries_in_a_compressed_document(nginx: Nginx) -> None:
    criteria = SuccessCriteria(
        json_query=JsonQueryCriteria(path="$.queue.depth", lt=10),
        expect=(Expectation(value="json($.queue.load)", op=Op.LTE, to="0.1"),),
    )
    url = f"http://127.0.0.1:{nginx.http}/data.json"
    result = await check(nginx, url, MonitorType.JSON_QUERY, criteria)
    assert result.reason is Reason.PASSED, result.message


async def test_a_large_document_is_judged_in_a_thread(nginx: Nginx) -> None:
    criteria = SuccessCriteria(json_query=JsonQueryCriteria(path="$[500000]", equals=0))
    url = f"http://127.0.0.1:{nginx.http}/big.json"
    result = await check(nginx, url, MonitorType.JSON_QUERY, criteria)
    assert result.reason is Reason.PASSED, result.message


async def test_a_document_may_be_small_on_the_wire_and_too_large_unpacked(nginx: Nginx) -> None:
    criteria = SuccessCriteria(json_query=JsonQueryCriteria(path="$[0]", equals=0))
    url = f"http://127.0.0.1:{nginx.http}/big.json"
    result = await check(nginx, url, MonitorType.JSON_QUERY, criteria, max_body_bytes=500_000)
    assert result.reason is Reason.BODY_TOO_LARGE
    assert "when decompressed" in result.message


async def test_a_tcp_port_with_tls(nginx: Nginx) -> None:
    tls = OptionalTls(enabled=True, ca_bundle_secret_ref=secret_ref("bundle"))
    target = TcpTarget(
        host="localhost",
        port=nginx.valid,
        tls=tls,
        send="HEAD / HTTP/1.0\r\n\r\n",
        expect=r"^HTTP/1\.\d \d\d\d ",
        ip_family=IpFamily.IPV4,
    )
    context = check_context(secrets={"bundle": nginx.certificates.bundle})
    result = await run_check(monitor_of(MonitorType.TCP, target), context)
    assert result.reason is Reason.PASSED, result.message
    assert result.certificate
    assert result.certificate.valid


async def test_the_transcript_tells_the_story(nginx: Nginx) -> None:
    headers = (Header(name="X-Token", value_from_secret_ref=secret_ref("token")),)
    url = f"https://localhost:{nginx.valid}/plain?key=canary-query"
    result = await check(nginx, url, tls=OUR_AUTHORITY, headers=headers)
    story = "\n".join(result.transcript)
    for told in (
        "resolved localhost to 127.0.0.1",
        f"connected to 127.0.0.1:{nginx.valid}",
        "TLSv1.",
        "> GET /plain?key=*** HTTP/2",
        "> X-Token: ***",
        "< HTTP/2 302",
        f"redirected to http://127.0.0.1:{nginx.http}/agent",
        "< HTTP/1.1 200 OK",
    ):
        assert told in story
    assert "canary" not in story
    assert len(result.transcript) <= 64
    assert len(story) <= 4096 + 64
