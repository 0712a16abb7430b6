"""Requests: what an http target says, in the form in which it is sent."""

import json
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple
from urllib.parse import urlencode

import attrs

from kubekuma import __version__
from kubekuma.check.context import Check
from kubekuma.check.finding import CheckFailed
from kubekuma.check.redact import HIDDEN
from kubekuma.check.values import Values
from kubekuma.kit.http_headers import OF_THE_CLIENT, is_header_value
from kubekuma.kit.url import Url
from kubekuma.model.result import Reason
from kubekuma.model.target import Body, Header, HttpTarget

USER_AGENT: Final = f"KubeKuma/{__version__}"

# Validation refuses them; a spec may be older than that.
_OURS: Final = frozenset(name.encode("ascii") for name in OF_THE_CLIENT)


class Field(NamedTuple):
    """A header as it is sent. ``secret``: meant for one origin and for no eyes."""

    name: bytes
    value: bytes
    secret: bool = False

    @property
    def shown(self) -> str:
        """The header for people."""
        value = HIDDEN if self.secret else self.value.decode("utf-8", "replace")
        return f"{self.name.decode('ascii')}: {value}"


@attrs.frozen(kw_only=True)
class Request:
    """One request."""

    method: str
    url: Url
    headers: tuple[Field, ...]  # without Host and Content-Length, which follow from the rest
    body: bytes = b""
    secret_body: bool = False  # meant for one origin

    @property
    def fields(self) -> Sequence[Field]:
        """All headers, in the order in which they are sent."""
        # A Host header of the user's wins: it is how a virtual host is reached by address.
        named = any(field.name.lower() == b"host" for field in self.headers)
        host = () if named else (Field(b"Host", self.url.authority.encode("ascii")),)
        length = (
            (Field(b"Content-Length", str(len(self.body)).encode("ascii")),)
            if self.body or self.method in {"POST", "PUT", "PATCH"}
            else ()
        )
        return (*host, *self.headers, *length)


async def make_request(
    target: HttpTarget, url: Url, check: Check, *, want_body: bool, values: Values | None = None
) -> Request:
    """Make the first request of a check; raise CheckFailed if a secret is missing."""
    given = [await header_field(each, check, values) for each in target.headers]
    filled = values.body(target.body) if values else target.body
    kind, body = encode_body(filled)
    defaults = (
        Field(b"User-Agent", (check.context.networking.user_agent or USER_AGENT).encode("ascii")),
        Field(b"Accept", b"*/*"),
        Field(b"Accept-Encoding", b"gzip, deflate" if want_body else b"identity"),
        *([Field(b"Content-Type", kind)] if kind else []),
    )
    return Request(
        method=target.method,
        url=url,
        headers=merged(defaults, given),
        body=body,
        secret_body=filled != target.body,
    )


def encode_body(body: Body | None) -> tuple[bytes | None, bytes]:
    """The media type and the bytes of ``body``."""
    match body:
        case None:
            return None, b""
        case Body(text=str() as text):
            return b"text/plain; charset=utf-8", text.encode("utf-8", "replace")
        case Body(form=form) if form is not None:
            return b"application/x-www-form-urlencoded", urlencode(form, errors="replace").encode(
                "ascii"
            )
        case Body(json=value):
            text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
            return b"application/json", text.encode("utf-8", "replace")


def merged(defaults: Iterable[Field], given: Iterable[Field]) -> tuple[Field, ...]:
    """Put together our headers and the user's, whose own come in place of ours."""
    kept = [field for field in given if field.name.lower() not in _OURS]
    named = {field.name.lower() for field in kept}
    ours = [field for field in defaults if field.name.lower() not in named]
    return (*ours, *kept, Field(b"Connection", b"close"))


async def header_field(header: Header, check: Check, values: Values | None = None) -> Field:
    """Make the field for ``header``, whose value may be in a Secret. Raises CheckFailed."""
    name = header.name.encode("ascii")
    ref = header.value_from_secret_ref
    if ref is None:
        given = header.value or ""
        filled = values.header(given) if values else given
        value = filled.strip().encode("utf-8", "replace")
        return Field(name, value, secret=filled != given)
    # Secrets made from files end in a newline that nobody meant.
    value = (await check.secret(ref)).strip()
    if not is_header_value(value):
        raise CheckFailed(
            Reason.SECRET_MISSING, f"the value of {ref.key} in Secret {ref.name} is no header"
        )
    return Field(name, value, secret=True)
