"""Sends requests, and tells what may succeed later from what never will."""

from collections.abc import Sequence
from typing import Final

import attrs
import httpx

from kubekuma.deliver.request import Request

TIMEOUT: Final = httpx.Timeout(10.0)
MOST_SAID: Final = 200
MOST_ANSWER: Final = 64 * 1024
# Busy, or not ready for it: the same may be taken later.
_LATER: Final = frozenset({408, 409, 423, 425, 429})


@attrs.frozen(kw_only=True)
class NotSent(Exception):  # noqa: N818 - a state of things
    """A message did not arrive. ``lasting``: the same would be refused again.

    ``said`` holds nothing of the request, which may hold credentials.
    """

    said: str
    lasting: bool = False
    retry_after_seconds: float | None = None

    def __str__(self) -> str:
        return self.said


@attrs.frozen(kw_only=True)
class Taken:
    """A message has arrived. ``said``: what was answered to it, for people.

    ``receipt``: what the service calls it.
    """

    said: str
    answer: bytes = attrs.field(default=b"", repr=False)
    receipt: str | None = None


async def send(request: Request, http: httpx.AsyncClient) -> Taken:
    """Send ``request`` once. Raises NotSent."""
    try:
        async with http.stream(
            request.method,
            request.url,
            headers=list(request.headers),
            content=request.body,
            timeout=TIMEOUT,
        ) as response:
            said = b""
            async for chunk in response.aiter_raw():
                said += chunk
                if len(said) >= MOST_ANSWER:
                    break
    except httpx.InvalidURL as error:
        raise NotSent(said="the URL makes no sense", lasting=True) from error
    except httpx.HTTPError as error:
        # Its text may quote the URL.
        raise NotSent(said=_WORDS.get(type(error), type(error).__name__)) from error
    status = response.status_code
    text = said[:MOST_SAID].decode("utf-8", "replace").strip()
    answered = f"it answers {status}{f': {text}' if text else ''}"
    if 200 <= status < 300:
        return Taken(said=answered, answer=said)
    raise NotSent(
        said=answered,
        lasting=status < 500 and status not in _LATER,
        retry_after_seconds=_seconds(response.headers.get("Retry-After")),
    )


async def send_to_any(requests: Sequence[Request], http: httpx.AsyncClient) -> Taken:
    """Send all of ``requests``; that one of them arrives is enough. Raises NotSent."""
    taken, failure = None, NotSent(said="there is nowhere to send it", lasting=True)
    for request in requests:
        try:
            taken = await send(request, http)
        except NotSent as error:
            failure = error
    if taken is None:
        raise failure
    return taken


def new_client() -> httpx.AsyncClient:
    """A client that follows nobody elsewhere, and asks nobody's environment."""
    limits = httpx.Limits(max_connections=32, max_keepalive_connections=0)
    headers = {"User-Agent": "kubekuma", "Accept-Encoding": "identity"}
    return httpx.AsyncClient(trust_env=False, limits=limits, headers=headers)


def _seconds(header: str | None) -> float | None:
    return float(header) if header and header.isascii() and header.isdigit() else None


_WORDS: Final[dict[type, str]] = {
    httpx.ConnectTimeout: "it could not be reached in time",
    httpx.ReadTimeout: "it did not answer in time",
    httpx.ConnectError: "it could not be reached",
    httpx.ReadError: "it hung up",
    httpx.RemoteProtocolError: "it hung up",
    httpx.UnsupportedProtocol: "the URL is none of http and https",
}
