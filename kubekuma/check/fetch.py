"""Fetches what an http target names: a new connection for each request, redirects followed."""

import secrets
from typing import Final

import attrs

from kubekuma.check.answer import Answer
from kubekuma.check.authorize import (
    after_refusal,
    authorization,
    authorized,
    client_pair,
)
from kubekuma.check.context import Check
from kubekuma.check.cookies import Cookies
from kubekuma.check.decode import decompress
from kubekuma.check.dial import Destination, dial
from kubekuma.check.exchange import Wanted
from kubekuma.check.exchange_h2 import exchange_agreed
from kubekuma.check.finding import CheckFailed
from kubekuma.check.proxy import ProxyRoute, forwarded, route_of
from kubekuma.check.redirect import follow, redirects
from kubekuma.check.request import Request, make_request
from kubekuma.check.tls_context import ClientPair
from kubekuma.check.values import Values
from kubekuma.kit.url import Url, parse_url, with_parameter
from kubekuma.model.result import Reason
from kubekuma.model.target import HttpTarget, ProxyMode

ALPN: Final = ("h2", "http/1.1")


async def fetch(
    target: HttpTarget,
    check: Check,
    *,
    want_body: bool,
    cookies: Cookies | None = None,
    values: Values | None = None,
) -> Answer:
    """Fetch ``target``. The caller owns the deadline; every failure raises CheckFailed.

    The answer's body is decompressed, and empty unless ``want_body``. ``values`` take the place
    of their names in the first request.
    """
    first = values.url(target.url) if values else parse_url(target.url)
    visit = _Visit(
        target=target,
        first=first,
        wanted=Wanted(
            body=want_body,
            max_body_bytes=target.max_body_bytes,
            redirects=target.follow_redirects,
        ),
        check=check,
        cookies=cookies or Cookies(),
        client=await client_pair(target.auth, check),
        through=await route_of(target.proxy, check),
    )
    request = await make_request(
        target, _busted(first, target), check, want_body=want_body, values=values
    )
    if (who := await authorization(target.auth, check)) is not None:
        request = authorized(request, who)
    answer, last = await visit.to(request)
    if answer.status == 401 and last.url.origin == first.origin:
        who = await after_refusal(target.auth, last, answer, check)
        if who is not None:
            check.trace.say("trying again, with another authorization")
            answer, _ = await visit.to(authorized(last, who))
    check.trace.finish()
    return _decompressed(answer, target.max_body_bytes)


@attrs.frozen(kw_only=True)
class _Visit:
    """What stays the same for each of the requests of a check."""

    target: HttpTarget
    first: Url
    wanted: Wanted
    check: Check
    cookies: Cookies
    client: ClientPair | None
    through: ProxyRoute | None

    async def to(self, request: Request) -> tuple[Answer, Request]:
        """Send ``request``, and follow redirects; return the last answer, and what it answers."""
        for _ in range(self.target.max_redirects + 1):
            answer = await self._ask(self.cookies.with_cookies(request))
            self.cookies.keep(request, answer)
            if not (self.wanted.redirects and redirects(answer)):
                return answer, request
            request = follow(request, answer)
            self.check.trace.say("redirected to %s", request.url.shown)
        most, url = self.target.max_redirects, request.url.shown
        message = f"there are more than {most} redirects, the last to {url}"
        raise CheckFailed(Reason.TOO_MANY_REDIRECTS, message)

    async def _ask(self, request: Request) -> Answer:
        to = self._destination(request.url)
        if to.through is not None and not to.through.tunnel:
            request = forwarded(request, to.through)
        wire = await dial(to, self.check)
        try:
            return await exchange_agreed(wire, request, self.wanted, self.check.trace)
        finally:
            wire.close()

    def _destination(self, url: Url) -> Destination:
        target, same = self.target, url.host == self.first.host
        # Another server name is meant for the host that the target names, not for where it
        # redirects; a certificate of ours is shown to nobody else.
        tls = target.tls if same else attrs.evolve(target.tls, sni=None)
        secure = url.scheme == "https"
        through = self.through
        if through is not None and through.mode is ProxyMode.HTTP:
            through = attrs.evolve(through, tunnel=secure)
        return Destination(
            host=url.host,
            port=url.port,
            ip_family=target.ip_family,
            resolver=target.resolver,
            tls=tls if secure else None,
            alpn=ALPN if secure else (),
            client=self.client if same else None,
            through=through,
        )


def _busted(url: Url, target: HttpTarget) -> Url:
    return with_parameter(url, "kubekuma", secrets.token_hex(8)) if target.cache_bust else url


def _decompressed(answer: Answer, limit: int) -> Answer:
    if not answer.body:
        return answer
    encoding = answer.header("content-encoding")
    return attrs.evolve(answer, body=decompress(answer.body, encoding, limit))
