"""Who we are for HTTP: what goes with a request, and what a 401 calls for."""

import hashlib
import json
import secrets
from base64 import b64encode
from typing import Final
from urllib.parse import quote, urlencode

import attrs
import trio

from kubekuma.check import digest
from kubekuma.check.answer import Answer
from kubekuma.check.context import Check
from kubekuma.check.dial import Destination, dial
from kubekuma.check.exchange import Wanted
from kubekuma.check.exchange_h2 import exchange_agreed
from kubekuma.check.finding import CheckFailed
from kubekuma.check.redact import forms
from kubekuma.check.request import Field, Request, merged
from kubekuma.check.tls_context import ClientPair
from kubekuma.check.tokens import Grant
from kubekuma.kit.http_headers import is_header_value
from kubekuma.kit.url import parse_url
from kubekuma.model.meta import SecretKeyRef
from kubekuma.model.result import Reason
from kubekuma.model.target import (
    Auth,
    BasicAuth,
    IpFamily,
    OAuth2ClientCredentials,
    Tls,
)

MOST_TOKEN_BYTES: Final = 64 * 1024


async def authorization(auth: Auth | None, check: Check) -> Field | None:
    """Make the Authorization that goes with the first request. Raises CheckFailed."""
    match auth:
        case Auth(basic=BasicAuth() as basic):
            user, password = await _login(basic, check)
            encoded = b64encode(f"{user}:{password}".encode())
            check.trace.secrets.append(encoded.decode("ascii"))
            return _field(b"Basic " + encoded)
        case Auth(bearer=bearer) if bearer is not None:
            token = await _text(bearer.token_secret_ref, check)
            return _field(b"Bearer " + token.encode())
        case Auth(oauth2_client_credentials=OAuth2ClientCredentials() as client):
            return _field(b"Bearer " + (await _token(client, check)).encode())
        case _:
            return None


async def after_refusal(
    auth: Auth | None, request: Request, answer: Answer, check: Check
) -> Field | None:
    """Make the Authorization to try once more with after a 401; None if that is of no use."""
    match auth:
        case Auth(digest=BasicAuth() as basic):
            challenge = digest.parse_challenge(answer.header("www-authenticate") or "")
            if challenge is None:
                return None
            user, password = await _login(basic, check)
            cnonce = secrets.token_hex(8)
            value = digest.authorization(
                challenge, user, password, request.method, request.url.target, cnonce
            )
            return _field(value.encode("utf-8", "replace"))
        case Auth(oauth2_client_credentials=OAuth2ClientCredentials() as client):
            check.context.tokens.drop(await _grant(client, check))
            return _field(b"Bearer " + (await _token(client, check)).encode())
        case _:
            return None


async def client_pair(auth: Auth | None, check: Check) -> ClientPair | None:
    """The certificate to show, if there is one."""
    if auth is None or auth.mtls is None:
        return None
    cert = await check.value(auth.mtls.cert_secret_ref)
    return ClientPair(cert, await check.secret(auth.mtls.key_secret_ref))


async def _login(basic: BasicAuth, check: Check) -> tuple[str, str]:
    user = (await check.value(basic.username_secret_ref)).decode("utf-8", "replace").strip("\r\n")
    return user, await _text(basic.password_secret_ref, check)


async def _text(ref: SecretKeyRef, check: Check) -> str:
    value = (await check.secret(ref)).strip(b"\r\n")
    if not is_header_value(value):
        message = f"the value of {ref.key} in Secret {ref.name} cannot stand in a header"
        raise CheckFailed(Reason.SECRET_MISSING, message)
    return value.decode("utf-8", "replace")


async def _grant(client: OAuth2ClientCredentials, check: Check) -> Grant:
    identity = await _text(client.client_id_secret_ref, check)
    secret = await _text(client.client_secret_secret_ref, check)
    asked = [client.token_url, identity, secret, *client.scopes, client.audience or ""]
    return Grant(hashlib.sha256("\0".join(asked).encode()).hexdigest())


async def _token(client: OAuth2ClientCredentials, check: Check) -> str:
    grant = await _grant(client, check)
    kept = check.context.tokens.get(grant, trio.current_time())
    if kept is not None:
        check.trace.secrets.extend(forms(kept))
        return kept
    late = f"no token from {parse_url(client.token_url).shown} in time"
    check.trace.say("asking for a token: %s", parse_url(client.token_url).shown)
    # How long that takes is not what the target is measured by.
    with check.preparing(Reason.AUTH_FAILED, late) as aside:
        answer = await _ask_token(client, aside, in_header=True)
        if answer.status in {400, 401}:
            # Some servers want to be told in the body instead (RFC 6749, section 2.3.1).
            answer = await _ask_token(client, aside, in_header=False)
    token, seconds = _read_token(answer)
    check.trace.secrets.extend(forms(token))
    check.context.tokens.keep(grant, token, trio.current_time(), seconds)
    return token


async def _ask_token(client: OAuth2ClientCredentials, check: Check, *, in_header: bool) -> Answer:
    identity = await _text(client.client_id_secret_ref, check)
    secret = await _text(client.client_secret_secret_ref, check)
    url = parse_url(client.token_url)
    form = {"grant_type": "client_credentials"}
    if client.scopes:
        form["scope"] = " ".join(client.scopes)
    if client.audience is not None:
        form["audience"] = client.audience
    headers = [
        Field(b"Accept", b"application/json"),
        Field(b"Content-Type", b"application/x-www-form-urlencoded"),
    ]
    if in_header:
        pair = f"{quote(identity, safe='')}:{quote(secret, safe='')}"
        headers.append(Field(b"Authorization", b"Basic " + b64encode(pair.encode()), secret=True))
    else:
        form |= {"client_id": identity, "client_secret": secret}
    body = urlencode(form).encode("ascii")
    request = Request(method="POST", url=url, headers=merged(headers, ()), body=body)
    secure = url.scheme == "https"
    to = Destination(
        host=url.host,
        port=url.port,
        ip_family=IpFamily.AUTO,
        tls=Tls() if secure else None,
        alpn=("h2", "http/1.1") if secure else (),
    )
    try:
        wire = await dial(to, check)
        try:
            wanted = Wanted(body=True, max_body_bytes=MOST_TOKEN_BYTES, redirects=False)
            return await exchange_agreed(wire, request, wanted, check.trace)
        finally:
            wire.close()
    except CheckFailed as failed:
        if failed.finding.reason.ours:
            raise
        raise _no_token(failed.finding.message) from failed


def _read_token(answer: Answer) -> tuple[str, float | None]:
    try:
        found = json.loads(answer.body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise _no_token(f"the answer (status {answer.status}) is no JSON object")
    token, lasts = found.get("access_token"), found.get("expires_in")
    if answer.status != 200 or not isinstance(token, str) or not is_header_value(token.encode()):
        said = found.get("error_description") or found.get("error") or f"status {answer.status}"
        raise _no_token(str(said)[:200])
    # A number, or by mistake its text; true is neither.
    usable = isinstance(lasts, (int, float, str)) and not isinstance(lasts, bool)
    try:
        return token, float(lasts) if usable and lasts else None
    except ValueError:
        return token, None


def _no_token(why: str) -> CheckFailed:
    return CheckFailed(Reason.AUTH_FAILED, f"the server of tokens gives none: {why}")


def _field(value: bytes) -> Field:
    return Field(b"Authorization", value, secret=True)


def authorized(request: Request, field: Field) -> Request:
    """Return ``request`` with ``field``, unless its author has written one of their own."""
    others = tuple(each for each in request.headers if each.name.lower() != b"authorization")
    return attrs.evolve(request, headers=(*others, field))
