from typing import Any

import pytest
import trio
from fakes.targets import answer, check_context, monitor_of, secret_ref, start_target

from kubekuma.check.answer import Answer
from kubekuma.check.finding import CheckFailed
from kubekuma.check.redirect import follow, redirects
from kubekuma.check.request import Field, Request
from kubekuma.check.run import run_check
from kubekuma.kit.url import parse_url
from kubekuma.model.criteria import HttpCriteria, SuccessCriteria
from kubekuma.model.monitor import MonitorType
from kubekuma.model.result import CheckResult, Reason
from kubekuma.model.settings import AddressPolicy
from kubekuma.model.target import Header, HttpTarget

HERE = "http://example.org/a"
HEADERS = (
    Field(b"User-Agent", b"x"),
    Field(b"Content-Type", b"text/plain"),
    Field(b"X-Token", b"s3cret", secret=True),
    Field(b"authorization", b"Basic plain"),
    Field(b"COOKIE", b"a=b"),
    Field(b"Host", b"virtual.example"),
)


def request(method: str = "GET") -> Request:
    body = b"body" if method == "POST" else b""
    return Request(method=method, url=parse_url(HERE), headers=HEADERS, body=body)


def moved(status: int, location: str) -> Answer:
    return Answer(status=status, headers=[(b"location", location.encode())])


@pytest.mark.parametrize(
    ("method", "status", "next_method"),
    [
        ("GET", 301, "GET"),
        ("POST", 301, "GET"),
        ("POST", 302, "GET"),
        ("PUT", 302, "PUT"),
        ("POST", 303, "GET"),
        ("PUT", 303, "GET"),
        ("HEAD", 303, "HEAD"),
        ("POST", 307, "POST"),
        ("POST", 308, "POST"),
        ("HEAD", 301, "HEAD"),
    ],
)
def test_which_method_follows(method: str, status: int, next_method: str) -> None:
    following = follow(request(method), moved(status, "/b"))
    assert following.method == next_method
    kept = method == next_method
    assert following.body == (request(method).body if kept else b"")
    assert any(each.name == b"Content-Type" for each in following.headers) is kept


@pytest.mark.parametrize(
    "location",
    ["https://example.org/", "http://example.org:8080/", "http://www.example.org/", "//evil.test"],
)
def test_what_is_meant_for_one_origin_is_not_told_another(location: str) -> None:
    following = follow(request(), moved(302, location))
    assert [each.name for each in following.headers] == [b"User-Agent", b"Content-Type"]
    back = follow(following, moved(302, HERE))
    assert [each.name for each in back.headers] == [b"User-Agent", b"Content-Type"]


@pytest.mark.parametrize("location", ["/b", "http://EXAMPLE.org:80/b"])
def test_within_the_origin_all_headers_stay(location: str) -> None:
    assert follow(request(), moved(302, location)).headers == HEADERS


@pytest.mark.parametrize("location", ["ftp://example.org/", "http://u:p@x/", "http://[", "a:b"])
def test_locations_that_lead_nowhere(location: str) -> None:
    with pytest.raises(CheckFailed) as caught:
        follow(request(), moved(302, location))
    assert caught.value.finding.reason is Reason.BAD_REDIRECT


def test_which_answers_redirect() -> None:
    assert redirects(moved(301, "/"))
    assert not redirects(moved(300, "/"))
    assert not redirects(moved(304, "/"))
    assert not redirects(Answer(status=302, headers=[]))


# Over the wire -----------------------------------------------------------------------------------


async def result_of(
    nursery: trio.Nursery, *answers: bytes, criteria: HttpCriteria | None = None, **fields: Any
) -> CheckResult:
    first, *then = answers
    target = await start_target(nursery, first, then=[[each] for each in then])
    monitor = monitor_of(
        MonitorType.HTTP,
        HttpTarget(url=target.url, **fields),
        SuccessCriteria(http=criteria or HttpCriteria()),
    )
    return await run_check(monitor, check_context(), transcript=True)


def to(location: str, status: str = "302 Found") -> bytes:
    # Without its body: what redirects is left after its head.
    return f"HTTP/1.1 {status}\r\nLocation: {location}\r\nContent-Length: 9\r\n\r\n".encode()


async def test_redirects_are_followed_and_their_phases_summed(nursery: trio.Nursery) -> None:
    result = await result_of(nursery, to("/b"), to("/c"), answer("200 OK"))
    assert result.reason is Reason.PASSED, result.message
    assert [line for line in result.transcript if line.startswith("> GET")] == [
        "> GET / HTTP/1.1",
        "> GET /b HTTP/1.1",
        "> GET /c HTTP/1.1",
    ]


async def test_a_redirect_that_is_not_followed_is_the_answer(nursery: trio.Nursery) -> None:
    result = await result_of(nursery, answer("302 Found", "Location: /b"), follow_redirects=False)
    assert result.reason is Reason.STATUS_MISMATCH
    assert result.status_code == 302


async def test_a_loop_ends(nursery: trio.Nursery) -> None:
    result = await result_of(nursery, to("/?token=canary"), max_redirects=3)
    assert result.reason is Reason.TOO_MANY_REDIRECTS
    assert "more than 3 redirects" in result.message
    assert "canary" not in result.message


async def test_as_many_redirects_as_allowed_are_followed(nursery: trio.Nursery) -> None:
    result = await result_of(nursery, to("/b"), to("/c"), answer("200 OK"), max_redirects=2)
    assert result.reason is Reason.PASSED


async def test_a_redirect_into_the_machine_is_denied(nursery: trio.Nursery) -> None:
    target = await start_target(nursery, to("http://169.254.169.254/latest/meta-data"))
    monitor = monitor_of(MonitorType.HTTP, HttpTarget(url=target.url))
    result = await run_check(monitor, check_context())
    assert result.reason is Reason.ADDRESS_DENIED
    assert "169.254.169.254" in result.message


async def test_every_hop_is_judged_by_the_policy(nursery: trio.Nursery) -> None:
    inner = await start_target(nursery, answer("200 OK"))
    outer = await start_target(nursery, to(inner.url.replace("127.0.0.1", "127.0.0.2")))
    monitor = monitor_of(MonitorType.HTTP, HttpTarget(url=outer.url))
    policy = AddressPolicy(allow_cidrs=("127.0.0.1/32",))
    result = await run_check(monitor, check_context(targets=policy))
    assert result.reason is Reason.ADDRESS_DENIED
    assert inner.connections == 0


async def test_a_secret_header_is_not_sent_to_another_origin(nursery: trio.Nursery) -> None:
    other = await start_target(nursery, answer("200 OK"))
    target = await start_target(nursery, to("/again"), then=[[to(other.url)]])
    headers = (Header(name="X-Token", value_from_secret_ref=secret_ref("token")),)
    monitor = monitor_of(MonitorType.HTTP, HttpTarget(url=target.url, headers=headers))
    result = await run_check(monitor, check_context(secrets={"token": b"s3cret"}))
    assert result.reason is Reason.PASSED, result.message
    assert [b"s3cret" in each for each in target.requests] == [True, True]
    assert [b"s3cret" in each for each in other.requests] == [False]
