"""Every error of the library's becomes ours, and says whether to try again."""

import inspect
from typing import Any

import httpx
import pytest

from kubekuma.kube.errors import Refused, Unreachable, refused, refused_in_stream, unreachable


def every_transport_error() -> list[type[httpx.HTTPError]]:
    return [
        each
        for _, each in inspect.getmembers(httpx, inspect.isclass)
        if issubclass(each, httpx.HTTPError) and each is not httpx.HTTPStatusError
    ]


@pytest.mark.parametrize("kind", every_transport_error())
def test_whatever_goes_wrong_on_the_way_is_unreachable_and_says_something(
    kind: type[httpx.HTTPError],
) -> None:
    assert str(unreachable(kind(""))) == kind.__name__
    assert str(unreachable(kind("no such host"))) == "no such host"
    assert unreachable(kind("")).retryable


@pytest.mark.parametrize(
    ("code", "retryable"),
    [
        *((code, False) for code in (400, 401, 403, 404, 409, 410, 422)),
        *((code, True) for code in (429, 500, 502, 503, 504)),
    ],
)
def test_whether_the_same_may_succeed_later_follows_from_the_code(
    code: int, *, retryable: bool
) -> None:
    assert refused(httpx.Response(code)).retryable is retryable


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        (None, None),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("1.5", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", None),
        ("²", None),
    ],
)
def test_a_wish_for_patience_is_read_if_it_is_a_number(
    header: str | None, seconds: float | None
) -> None:
    headers = httpx.Headers({} if header is None else {"Retry-After": header}, encoding="utf-8")
    assert refused(httpx.Response(429, headers=headers)).retry_after_seconds == seconds


@pytest.mark.parametrize("content", [b"", b"oops", b"[]", b"null", b"\xff", b'{"message": null}'])
def test_a_refusal_without_a_status_is_one_all_the_same(content: bytes) -> None:
    found = refused(httpx.Response(503, content=content))
    assert found.code == 503
    assert str(found).startswith("503")


@pytest.mark.parametrize(
    ("status", "code", "seconds"),
    [
        ({"code": 410, "reason": "Expired", "message": "old"}, 410, None),
        ({"code": 429, "details": {"retryAfterSeconds": 3}}, 429, 3.0),
        ({"code": "410"}, 500, None),
        ({"code": 500, "details": {"retryAfterSeconds": "soon"}}, 500, None),
        ({"code": 500, "details": []}, 500, None),
        ({}, 500, None),
    ],
)
def test_an_error_event_is_read_whatever_it_holds(
    status: dict[str, Any], code: int, seconds: float | None
) -> None:
    found = refused_in_stream(status)
    assert (found.code, found.retry_after_seconds) == (code, seconds)
    assert isinstance(found, Refused)
    assert not isinstance(found, Unreachable)
