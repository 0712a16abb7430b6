from typing import Any

import pytest
import trio
from fakes.targets import answer, check_context, monitor_of, secret_ref, start_target

from kubekuma.check.request import encode_body
from kubekuma.check.run import run_check
from kubekuma.model.criteria import Expectation, SuccessCriteria
from kubekuma.model.monitor import Monitor, MonitorType
from kubekuma.model.result import Reason
from kubekuma.model.target import Body, Header, HttpTarget

OK = answer("200 OK")


def http(url: str, **fields: Any) -> Monitor:
    return monitor_of(MonitorType.HTTP, HttpTarget(url=url, **fields))


@pytest.mark.parametrize(
    ("body", "kind", "sent"),
    [
        (None, None, b""),
        (Body(text="Grüße"), b"text/plain; charset=utf-8", "Grüße".encode()),
        (Body(text=""), b"text/plain; charset=utf-8", b""),
        (Body(json={"a": [1, None, "ü"]}), b"application/json", '{"a":[1,null,"ü"]}'.encode()),
        (Body(json=False), b"application/json", b"false"),
        (
            Body(form={"a": "1 2", "b": "ü&"}),
            b"application/x-www-form-urlencoded",
            b"a=1+2&b=%C3%BC%26",
        ),
    ],
)
def test_bodies_and_their_types(body: Body | None, kind: bytes | None, sent: bytes) -> None:
    assert encode_body(body) == (kind, sent)


async def test_a_request_says_who_we_are_and_that_it_is_the_only_one(
    nursery: trio.Nursery,
) -> None:
    target = await start_target(nursery, OK)
    await run_check(http(target.url + "path?q=1"), check_context(user_agent="probe/1"))
    assert target.requests == [
        b"GET /path?q=1 HTTP/1.1\r\n"
        + f"Host: 127.0.0.1:{target.port}\r\n".encode()
        + b"User-Agent: probe/1\r\nAccept: */*\r\nAccept-Encoding: identity\r\n"
        b"Connection: close\r\n\r\n"
    ]


async def test_compression_is_offered_only_when_the_body_is_wanted(nursery: trio.Nursery) -> None:
    target = await start_target(nursery, OK)
    criteria = SuccessCriteria(expect=(Expectation(value="body", to=""),))
    monitor = monitor_of(MonitorType.HTTP, HttpTarget(url=target.url), criteria)
    result = await run_check(monitor, check_context())
    assert result.reason is Reason.PASSED
    assert b"Accept-Encoding: gzip, deflate\r\n" in target.requests[0]


async def test_headers_of_the_spec_come_in_place_of_ours(nursery: trio.Nursery) -> None:
    target = await start_target(nursery, OK)
    headers = (
        Header(name="host", value="virtual.example"),
        Header(name="ACCEPT", value="text/html"),
        Header(name="X-Token", value_from_secret_ref=secret_ref("token")),
        Header(name="Connection", value="keep-alive"),
        Header(name="Transfer-Encoding", value="chunked"),
    )
    context = check_context(secrets={"token": b"s3cret\n"})
    monitor = http(target.url, method="POST", headers=headers, body=Body(json=[1]))
    result = await run_check(monitor, context)
    assert result.reason is Reason.PASSED, result.message
    head, _, body = target.requests[0].partition(b"\r\n\r\n")
    assert body == b"[1]"
    assert set(head.split(b"\r\n")[1:]) == {
        b"host: virtual.example",
        b"ACCEPT: text/html",
        b"X-Token: s3cret",
        b"User-Agent: KubeKuma/0.1.0",
        b"Accept-Encoding: identity",
        b"Content-Type: application/json",
        b"Content-Length: 3",
        b"Connection: close",
    }


async def test_a_post_without_a_body_says_that_it_has_none(nursery: trio.Nursery) -> None:
    target = await start_target(nursery, OK)
    await run_check(http(target.url, method="POST"), check_context())
    assert b"Content-Length: 0\r\n" in target.requests[0]


async def test_cache_busting_changes_with_each_check(nursery: trio.Nursery) -> None:
    target = await start_target(nursery, OK)
    monitor = http(target.url, cache_bust=True)
    await run_check(monitor, check_context())
    await run_check(monitor, check_context())
    first, second = (each.split(b" ")[1] for each in target.requests)
    assert first.startswith(b"/?kubekuma=")
    assert first != second


async def test_an_answer_before_the_request_was_read_counts(nursery: trio.Nursery) -> None:
    target = await start_target(nursery, answer("413 Content Too Large"), read=False)
    monitor = http(target.url, method="POST", body=Body(text="x" * 60_000))
    result = await run_check(monitor, check_context())
    # The kernel may throw the answer away with the connection: then there is only the reset.
    assert result.reason in {Reason.STATUS_MISMATCH, Reason.CONNECTION_RESET}


@pytest.mark.parametrize("value", [b"a\nb", b"a\x0bb", b"a\x00", b"\x7fa"])
async def test_a_secret_that_cannot_stand_in_a_header_is_ours(
    nursery: trio.Nursery, value: bytes
) -> None:
    target = await start_target(nursery, OK)
    headers = (Header(name="X-Token", value_from_secret_ref=secret_ref("token")),)
    result = await run_check(
        http(target.url, headers=headers), check_context(secrets={"token": value})
    )
    assert result.reason is Reason.SECRET_MISSING, result.message
    assert target.requests == []
