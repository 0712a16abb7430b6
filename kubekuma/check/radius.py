"""RADIUS checker: the server lets us in, or says that it is there (RFC 2865, RFC 5997)."""

import hashlib
import hmac
import secrets
import struct
from collections.abc import Iterator, Sequence
from typing import Final

from kubekuma.check.context import Check
from kubekuma.check.datagram import open_datagrams
from kubekuma.check.finding import CheckFailed, Finding
from kubekuma.check.judge_service import judge_service
from kubekuma.check.login import Login, login_of
from kubekuma.model.criteria import SuccessCriteria
from kubekuma.model.result import Reason
from kubekuma.model.target import RadiusTarget

_ACCESS_REQUEST, _ACCESS_ACCEPT, _ACCESS_REJECT, _CHALLENGE, _STATUS_SERVER = 1, 2, 3, 11, 12
_USER_NAME, _USER_PASSWORD, _REPLY_MESSAGE, _CALLED_STATION = 1, 2, 18, 30
_NAS_IDENTIFIER, _MESSAGE_AUTHENTICATOR = 32, 80
_NAMES: Final = {
    _ACCESS_ACCEPT: "Access-Accept",
    _ACCESS_REJECT: "Access-Reject",
    _CHALLENGE: "Access-Challenge",
}


async def check_radius(
    target: RadiusTarget, criteria: SuccessCriteria, check: Check
) -> Sequence[Finding]:
    """Ask to be let in by name and password (PAP), or without credentials for a sign of life.

    The name of the answer, and its Reply-Message if it has one, are what is judged.
    """
    secret = (await check.secret(target.shared_secret_ref)).rstrip(b"\r\n")
    login = await login_of(target.credentials, check)
    authenticator = secrets.token_bytes(16)
    question = _request(target, login, secret, authenticator)
    datagrams = await open_datagrams(target.host, target.port, check)
    forged = Finding(Reason.AUTH_FAILED, "the answers were not made with our shared secret")

    def accept(data: bytes) -> tuple[int, bytes] | None:
        if len(data) < 20 or data[1] != question[1]:
            return None
        if not _is_genuine(data, authenticator, secret):
            check.trace.at_deadline = forged
            return None
        return data[0], data[20:]

    try:
        code, attributes = await datagrams.ask(question, accept)
    finally:
        datagrams.close()
    check.trace.at_deadline = None
    said = _messages(attributes)
    output = f"{_NAMES.get(code, f'code {code}')}{f': {said}' if said else ''}"
    check.trace.say("< %s", output)
    if code == _ACCESS_REJECT and login and criteria.service is None:
        raise CheckFailed(Reason.AUTH_FAILED, f"the server says {output}")
    return judge_service("radius", output, criteria, check)


def _request(target: RadiusTarget, login: Login, secret: bytes, authenticator: bytes) -> bytes:
    code = _ACCESS_REQUEST if login else _STATUS_SERVER
    attributes = b"".join(_attributes(target, login, secret, authenticator))
    # Signed with zeros in the place of the signature, which comes first (CVE-2024-3596).
    size = 20 + 18 + len(attributes)
    head = struct.pack(">BBH", code, secrets.randbelow(256), size) + authenticator
    mark = bytes([_MESSAGE_AUTHENTICATOR, 18])
    signed = head + mark + bytes(16) + attributes
    return head + mark + hmac.digest(secret, signed, "md5") + attributes


def _attributes(
    target: RadiusTarget, login: Login, secret: bytes, authenticator: bytes
) -> Iterator[bytes]:
    if login:
        yield _attribute(_USER_NAME, login.user.encode())
        hidden = hide(login.password.encode(), secret, authenticator)
        yield _attribute(_USER_PASSWORD, hidden)
    yield _attribute(_NAS_IDENTIFIER, b"kubekuma")
    if target.called_station_id is not None:
        yield _attribute(_CALLED_STATION, target.called_station_id.encode())


def hide(password: bytes, secret: bytes, authenticator: bytes) -> bytes:
    """Hide ``password`` as RFC 2865, section 5.2 does."""
    padded = password[:128].ljust(max(16, -(-len(password[:128]) // 16) * 16), b"\0")
    hidden, last = b"", authenticator
    for at in range(0, len(padded), 16):
        pad = hashlib.md5(secret + last, usedforsecurity=False).digest()
        last = bytes(one ^ other for one, other in zip(padded[at : at + 16], pad, strict=True))
        hidden += last
    return hidden


def _attribute(kind: int, value: bytes) -> bytes:
    value = value[:253]
    return bytes([kind, len(value) + 2]) + value


def _is_genuine(data: bytes, authenticator: bytes, secret: bytes) -> bool:
    size = int.from_bytes(data[2:4], "big")
    if not 20 <= size <= len(data):
        return False
    whole = data[:4] + authenticator + data[20:size] + secret
    return hmac.compare_digest(hashlib.md5(whole, usedforsecurity=False).digest(), data[4:20])


def _messages(attributes: bytes) -> str:
    parts: list[str] = []
    while len(attributes) >= 2 and 2 <= attributes[1] <= len(attributes):
        if attributes[0] == _REPLY_MESSAGE:
            parts.append(attributes[2 : attributes[1]].decode("utf-8", "replace"))
        attributes = attributes[attributes[1] :]
    return " ".join(parts)
