"""Fetches what an http target names: a new connection for each request, redirects followed."""

import secrets
from typing import Final

import attrs

from kubekuma.check.answer import Answer
from kubekuma.check.context import Check
from kubekuma.check.decode import decompress
from kubekuma.check.dial import Destination, dial
from kubekuma.check.exchange import Wanted
from kubekuma.check.exchange_h2 import exchange_agreed
from kubekuma.check.finding import CheckFailed
from kubekuma.check.redirect import follow, redirects
from kubekuma.check.request import Request, make_request
from kubekuma.kit.url import Url, parse_url, with_parameter
from kubekuma.model.result import Reason
from kubekuma.model.target import HttpTarget

ALPN: Final = ("h2", "http/1.1")


async def fetch(target: HttpTarget, check: Check, *, want_body: bool) -> Answer:
    """Fetch ``target``. The caller owns the deadline; every failure raises CheckFailed.

    The answer's body is decompressed, and empty unless ``want_body``.
    """
    first = parse_url(target.url)
    wanted = Wanted(
        body=want_body,
        max_body_bytes=target.max_body_bytes,
        redirects=target.follow_redirects,
    )
    request = await make_request(target, _busted(first, target), check, want_body=want_body)
    for _ in range(target.max_redirects + 1):
        answer = await ask(request, _destination(request.url, first, target), wanted, check)
        if not (wanted.redirects and redirects(answer)):
            check.trace.finish()
            return _decompressed(answer, target.max_body_bytes)
        request = follow(request, answer)
        check.trace.say("redirected to %s", request.url.shown)
    raise CheckFailed(
        Reason.TOO_MANY_REDIRECTS,
        f"there are more than {target.max_redirects} redirects, the last to {request.url.shown}",
    )


async def ask(request: Request, to: Destination, wanted: Wanted, check: Check) -> Answer:
    """Send ``request`` over a connection of its own, in the version of HTTP that is agreed on."""
    wire = await dial(to, check)
    try:
        return await exchange_agreed(wire, request, wanted, check.trace)
    finally:
        wire.close()


def _busted(url: Url, target: HttpTarget) -> Url:
    return with_parameter(url, "kubekuma", secrets.token_hex(8)) if target.cache_bust else url


def _destination(url: Url, first: Url, target: HttpTarget) -> Destination:
    # Another server name is meant for the host that the target names, not for where it redirects.
    tls = target.tls if url.host == first.host else attrs.evolve(target.tls, sni=None)
    secure = url.scheme == "https"
    return Destination(
        host=url.host,
        port=url.port,
        ip_family=target.ip_family,
        resolver=target.resolver,
        tls=tls if secure else None,
        alpn=ALPN if secure else (),
    )


def _decompressed(answer: Answer, limit: int) -> Answer:
    if not answer.body:
        return answer
    encoding = answer.header("content-encoding")
    return attrs.evolve(answer, body=decompress(answer.body, encoding, limit))
