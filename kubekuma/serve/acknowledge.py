"""/acknowledge/{token}: the link in a message. GET shows the outage, POST says who sees to it."""

import math
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final, Protocol

from quart import Blueprint, Response, render_template, request

from kubekuma.kit.allowance import Allowance
from kubekuma.record.incidents import Incident
from kubekuma.serve.history import read
from kubekuma.serve.problem import Problem
from kubekuma.validate.rule import Refused

PER_SECOND: Final = 0.5
BURST: Final = 20
LENGTHS: Final = {
    "": None,
    "1": timedelta(hours=1),
    "4": timedelta(hours=4),
    "24": timedelta(hours=24),
}
STYLE: Final = (
    ":root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}"
    "body{max-width:34rem;margin:2rem auto;padding:0 1rem}"
    "h1{font-size:1.4rem;margin:0 0 .5rem}"
    "label{display:block;margin:1rem 0 .25rem}"
    "input,select,textarea,button{font:inherit;padding:.5rem;width:100%;box-sizing:border-box}"
    "button{margin-top:1.25rem;font-weight:600;cursor:pointer}"
    ".said{border-left:.25rem solid;padding-left:.75rem}"
    ".wrong{color:light-dark(#b42318,#fda29b)}"
)
_STYLE_HASH: Final = b64encode(sha256(STYLE.encode()).digest()).decode()
_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self';"
    " frame-ancestors 'none'; base-uri 'none'"
)


class Acknowledged(Protocol):
    """Finds outages by their links, and notes who sees to them."""

    async def find(self, token: str) -> Incident | None:
        """The outage that a link is about."""

    async def acknowledge(
        self, found: Incident, by: str, note: str, length: timedelta | None, source: str
    ) -> Incident | Refused | None:
        """Note that somebody sees to it."""


def acknowledge_routes(
    outages: Callable[[], Acknowledged],
    standby: Callable[[], str | None],
    now: Callable[[], float],
) -> Blueprint:
    """Build the routes. ``standby``: why another process must be asked; None: we are it."""
    routes = Blueprint("acknowledge", __name__)
    unknown = Allowance(PER_SECOND, BURST)

    async def find(token: str) -> Incident:
        why = standby()
        if why is not None:
            raise Problem(503, f"outages are kept by another process: {why}", retry_after=5)
        found = await read(outages().find(token))
        if found is None:
            wait = unknown.take(request.remote_addr, now())
            if wait:
                raise Problem(429, "too many links that are none", retry_after=math.ceil(wait))
            raise Problem(404, "there is no outage with this link")
        return found

    @routes.get("/acknowledge/<token>")
    async def show(token: str) -> Response:
        # Whoever looks at links beforehand, as mail servers do, changes nothing.
        return await _page(await find(token))

    @routes.post("/acknowledge/<token>")
    async def act(token: str) -> Response:
        found = await find(token)
        form = await request.form
        hours = form.get("hours", "")
        if hours not in LENGTHS:
            raise Problem(400, f"hours must be one of {', '.join(filter(None, LENGTHS))}, or none")
        by, note = form.get("by", "").strip(), form.get("note", "").strip()
        done = await read(
            outages().acknowledge(found, by, note, LENGTHS[hours], request.remote_addr or "")
        )
        if done is None:
            raise Problem(404, "there is no outage with this link")
        if isinstance(done, Refused):
            wrong = [f"{each.path or 'the outage'} {each.message}" for each in done.errors]
            return await _page(found, wrong=wrong, by=by, note=note, status=422)
        return await _page(done, done=True)

    return routes


async def _page(found: Incident, *, status: int = 200, **more: object) -> Response:
    at = datetime.now(UTC)
    holds = found.acknowledgement is not None and found.acknowledgement.holds(at)
    text = await render_template(
        "acknowledge.html", outage=found, is_seen_to=holds, style=STYLE, **more
    )
    return Response(
        text,
        status,
        content_type="text/html; charset=utf-8",
        headers={"Content-Security-Policy": _POLICY},
    )
