"""Redirects: which request follows from an answer (RFC 9110, section 15.4)."""

from typing import Final

import attrs

from kubekuma.check.answer import Answer
from kubekuma.check.finding import CheckFailed
from kubekuma.check.request import Field, Request
from kubekuma.kit.url import join_url
from kubekuma.model.result import Reason

FOLLOWED: Final = frozenset({301, 302, 303, 307, 308})

# Credentials by name, however they got into the spec; and what names the old host.
_FOR_ONE_ORIGIN: Final = frozenset({b"authorization", b"cookie", b"proxy-authorization", b"host"})
_OF_A_BODY: Final = frozenset({b"content-type", b"content-encoding", b"content-language"})


def redirects(answer: Answer) -> bool:
    """Whether ``answer`` says where to go instead."""
    return answer.status in FOLLOWED and bool(answer.header("location"))


def follow(request: Request, answer: Answer) -> Request:
    """The request to send after ``answer`` redirected ``request``.

    Raises CheckFailed (BadRedirect) if it does not lead to an http or https URL, or elsewhere with
    what is meant for one origin.
    """
    try:
        url = join_url(request.url, answer.header("location") or "")
    except ValueError as error:
        raise CheckFailed(Reason.BAD_REDIRECT, f"the redirect's location {error}") from error
    following = attrs.evolve(request, url=url)
    if url.origin != request.url.origin:
        following = attrs.evolve(following, headers=_for_anybody(request.headers))
    if _becomes_get(request.method, answer.status):
        following = attrs.evolve(
            following, method="GET", body=b"", headers=_without(following.headers, _OF_A_BODY)
        )
    if following.body and request.secret_body and url.origin != request.url.origin:
        message = f"the redirect would take a secret in the body to {url.shown}"
        raise CheckFailed(Reason.BAD_REDIRECT, message)
    return following


def _becomes_get(method: str, status: int) -> bool:
    """303 asks for GET; 301 and 302 mean it when they answer a POST, as all browsers decided."""
    if status == 303:
        return method not in {"GET", "HEAD"}
    return status in {301, 302} and method == "POST"


def _for_anybody(headers: tuple[Field, ...]) -> tuple[Field, ...]:
    public = tuple(field for field in headers if not field.secret)
    return _without(public, _FOR_ONE_ORIGIN)


def _without(headers: tuple[Field, ...], names: frozenset[bytes]) -> tuple[Field, ...]:
    return tuple(field for field in headers if field.name.lower() not in names)
