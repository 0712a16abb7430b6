"""Sends requests, and tells what may succeed later from what never will."""

import ssl
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from typing import Final

import attrs
import httpx
import trio

from kubekuma.deliver.redact import redacted
from kubekuma.deliver.request import Request

TIMEOUT: Final = httpx.Timeout(10.0)
# For all of it, as one byte now and then is an answer too.
SECONDS: Final = 30.0
# Who asks for more has made a mistake, and would have messages given up.
LONGEST_PAUSE: Final = 3600.0
MOST_SAID: Final = 200
MOST_ANSWER: Final = 64 * 1024
# X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH.
_NAMES: Final = dict.fromkeys((62, 64), "it is for another name")
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
    response: httpx.Response | None = None
    answer = b""
    try:
        with trio.move_on_after(SECONDS):
            async with http.stream(
                request.method,
                request.url,
                headers=list(request.headers),
                content=request.body,
                timeout=TIMEOUT,
            ) as response:
                async for chunk in response.aiter_raw():
                    answer += chunk
                    if len(answer) >= MOST_ANSWER:
                        break
    except httpx.InvalidURL as error:
        raise NotSent(said="the URL makes no sense", lasting=True) from error
    except httpx.HTTPError as error:
        # What was taken is taken, even if the answer breaks off.
        if response is None:
            raise NotSent(said=_said(error)) from error
    if response is None:
        raise NotSent(said="it did not answer in time")
    answered = _answered(response.status_code, answer, request)
    if response.is_success:
        return Taken(said=answered, answer=answer)
    raise NotSent(
        said=answered,
        lasting=response.status_code < 500 and response.status_code not in _LATER,
        retry_after_seconds=_retry_after(response.headers),
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
    # Who sends has bounds. Here, receivers that hang would keep all others waiting.
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    headers = {"User-Agent": "kubekuma", "Accept-Encoding": "identity"}
    return httpx.AsyncClient(trust_env=False, limits=limits, headers=headers)


def _answered(status: int, answer: bytes, request: Request) -> str:
    headers = (value for name, value in request.headers if name == "Authorization")
    secrets = (*request.secrets, *headers)
    text = redacted(answer.decode("utf-8", "replace").strip(), secrets)[:MOST_SAID]
    return f"it answers {status}{f': {text}' if text else ''}"


def _retry_after(headers: httpx.Headers) -> float | None:
    """When to come again, in seconds or as a time (RFC 9110, section 10.2.3)."""
    said = headers.get("Retry-After", "")
    # Some say it with a fraction, which the RFC does not know.
    if said.isascii() and said.replace(".", "", 1).isdigit():
        return min(float(said), LONGEST_PAUSE)
    try:
        # By the service's clock: ours may go otherwise.
        wait = parsedate_to_datetime(said) - parsedate_to_datetime(headers.get("Date", ""))
    except (TypeError, ValueError):
        return None
    return min(max(0.0, wait.total_seconds()), LONGEST_PAUSE)


def _said(error: httpx.HTTPError) -> str:
    """Why there was no answer; its own text may quote the URL."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate: {untrusted(cause)}"
        cause = cause.__cause__ or cause.__context__
    return _WORDS.get(type(error), type(error).__name__)


def untrusted(error: ssl.SSLCertVerificationError) -> str:
    """What is wrong with a certificate, without the name that it should have."""
    return _NAMES.get(error.verify_code) or error.verify_message


_WORDS: Final[dict[type, str]] = {
    httpx.ConnectTimeout: "it could not be reached in time",
    httpx.ReadTimeout: "it did not answer in time",
    httpx.ConnectError: "it could not be reached",
    httpx.ReadError: "it hung up",
    httpx.RemoteProtocolError: "it hung up",
    httpx.UnsupportedProtocol: "the URL is none of http and https",
}
