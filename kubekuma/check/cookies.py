"""Cookies that are kept from one request of a check to the next, as browsers do (RFC 6265)."""

from email.message import Message
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, cast
from urllib.request import Request as UrlRequest

import attrs

from kubekuma.check.answer import Answer
from kubekuma.check.request import Field, Request


class Cookies:
    """A jar for one check, which there is once somebody sets a cookie: few do."""

    def __init__(self) -> None:
        self._jar: CookieJar | None = None

    def keep(self, request: Request, answer: Answer) -> None:
        """Take in what ``answer`` sets."""
        set_by = [value for name, value in answer.headers if name == b"set-cookie"]
        if not set_by:
            return
        message = Message()
        for value in set_by:
            message["Set-Cookie"] = value.decode("latin-1")
        if self._jar is None:
            self._jar = CookieJar(DefaultCookiePolicy(rfc2965=False, strict_ns_domain=0))
        # All that the jar asks of a response is its headers.
        self._jar.extract_cookies(cast("Any", _Headers(message)), _as_urllib(request))

    def with_cookies(self, request: Request) -> Request:
        """Return ``request`` with the cookies that belong to it, after its author's own."""
        if self._jar is None:
            return request
        asked = _as_urllib(request)
        self._jar.add_cookie_header(asked)
        found = asked.get_header("Cookie")
        if not found:
            return request
        own = [field.value for field in request.headers if field.name.lower() == b"cookie"]
        others = tuple(field for field in request.headers if field.name.lower() != b"cookie")
        value = b"; ".join([*own, found.encode("latin-1", "replace")])
        return attrs.evolve(request, headers=(*others, Field(b"Cookie", value, secret=True)))


@attrs.frozen
class _Headers:
    message: Message

    def info(self) -> Message:
        """Return the headers."""
        return self.message


def _as_urllib(request: Request) -> UrlRequest:
    url = request.url
    return UrlRequest(f"{url.scheme}://{url.authority}{url.target}")  # noqa: S310 - never opened
