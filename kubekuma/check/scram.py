"""Proves to a server that we know a password, and has it prove the same (RFC 5802, RFC 7677).

Without channel binding: what it would add, the certificate's verification gives already.
"""

import base64
import hashlib
import hmac
import secrets
import stringprep
import unicodedata
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final, Literal, TypeAlias

import trio

from kubekuma.check.context import Check
from kubekuma.check.finding import CheckFailed
from kubekuma.check.login import Login
from kubekuma.model.result import Reason

Hash: TypeAlias = Literal["sha1", "sha256", "sha512"]
# Sends what we say and returns what the server answers.
Say: TypeAlias = Callable[[bytes], Awaitable[bytes]]

# PostgreSQL asks for 4,096 and MongoDB for 15,000; each million costs us most of a second.
MOST_ITERATIONS: Final = 1_000_000
_HEADER: Final = "n,,"


async def prove(kind: Hash, login: Login, say: Say, check: Check) -> None:
    """Log in by SCRAM; CheckFailed if the server refuses, or does not know the password itself."""
    ours = secrets.token_urlsafe(18)
    opening = f"n={_escaped(login.user)},r={ours}"
    challenge = _text(await say((_HEADER + opening).encode()))
    salt, iterations, nonce = _parse_challenge(challenge, ours)
    salted = await trio.to_thread.run_sync(
        partial(hashlib.pbkdf2_hmac, kind, login.password.encode(), salt, iterations),
        abandon_on_cancel=True,
        limiter=check.context.judge_limiter,
    )
    binding = base64.b64encode(_HEADER.encode()).decode()
    unproven = f"c={binding},r={nonce}"
    exchange = f"{opening},{challenge},{unproven}".encode()
    key = hmac.digest(salted, b"Client Key", kind)
    signature = hmac.digest(hashlib.new(kind, key).digest(), exchange, kind)
    proof = bytes(a ^ b for a, b in zip(key, signature, strict=True))
    encoded = base64.b64encode(proof).decode()
    final = _fields(_text(await say(f"{unproven},p={encoded}".encode())))
    if "e" in final:
        raise CheckFailed(Reason.AUTH_FAILED, f"the server says {final['e'][:200]}")
    theirs = hmac.digest(hmac.digest(salted, b"Server Key", kind), exchange, kind)
    if not hmac.compare_digest(base64.b64encode(theirs), final.get("v", "").encode()):
        raise CheckFailed(Reason.AUTH_FAILED, "the server does not know the password itself")


def prepared(password: str) -> str:
    """``password`` in the form that is hashed (RFC 4013), or as it is where that has no form."""
    if password.isascii():
        return password
    spaced = [" " if stringprep.in_table_c12(each) else each for each in password]
    kept = (each for each in spaced if not stringprep.in_table_b1(each))
    return unicodedata.normalize("NFKC", "".join(kept))


def _parse_challenge(challenge: str, ours: str) -> tuple[bytes, int, str]:
    fields = _fields(challenge)
    try:
        salt = base64.b64decode(fields["s"], validate=True)
        iterations, nonce = int(fields["i"]), fields["r"]
    except (KeyError, ValueError) as error:
        raise _no_scram() from error
    # A nonce of the server's own is what keeps an old exchange from being played again.
    if not nonce.startswith(ours) or nonce == ours or not 1 <= iterations <= MOST_ITERATIONS:
        raise _no_scram()
    return salt, iterations, nonce


def _fields(message: str) -> Mapping[str, str]:
    return {each[:1]: each[2:] for each in message.split(",") if each[1:2] == "="}


def _text(message: bytes) -> str:
    # The server signs these very bytes, so that none may be replaced.
    try:
        return message.decode()
    except UnicodeDecodeError as error:
        raise _no_scram() from error


def _escaped(user: str) -> str:
    return user.replace("=", "=3D").replace(",", "=2C")


def _no_scram() -> CheckFailed:
    return CheckFailed(Reason.PROTOCOL_ERROR, "the server's challenge is not SCRAM")
