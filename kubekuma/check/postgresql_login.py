"""Logs in to PostgreSQL: by password in the clear, MD5, or SCRAM-SHA-256."""

import hashlib
import struct
from functools import partial
from typing import Final

from kubekuma.check.context import Check
from kubekuma.check.finding import CheckFailed
from kubekuma.check.login import Login
from kubekuma.check.postgresql_wire import PostgresWire, message, no_postgres, text
from kubekuma.check.scram import prepared, prove
from kubekuma.model.result import Reason

_VERSION: Final = struct.pack(">HH", 3, 0)
_LET_IN, _SASL_CONTINUE, _SASL_FINAL = 0, 11, 12
_OTHERS: Final = {7: "GSSAPI", 9: "SSPI"}
_SCRAM: Final = "SCRAM-SHA-256"


async def log_in(server: PostgresWire, login: Login, database: str | None, check: Check) -> None:
    """Begin a session in ``database``, or in the one that has the user's name."""
    settings = {"user": login.user, "client_encoding": "UTF8", "application_name": "kubekuma"}
    if database is not None:
        settings["database"] = database
    words = [text(each) for pair in settings.items() for each in pair]
    await server.send(message(b"", _VERSION, *words, b"\0"))
    await _authenticate(server, login, check)
    while (await server.receive())[0] != b"Z":
        pass


async def _authenticate(server: PostgresWire, login: Login, check: Check) -> None:
    wanted, rest = await _request(server)
    if wanted == _LET_IN:
        return
    if not login.password:
        raise CheckFailed(Reason.AUTH_FAILED, "the server asks for a password, and there is none")
    match wanted:
        case 3:  # in the clear
            await server.send(message(b"p", text(login.password)))
        case 5:  # MD5
            await server.send(message(b"p", text(_md5(login, rest))))
        case 10 if _SCRAM.encode() in rest.split(b"\0"):
            # The name has been said already.
            nameless = Login("", prepared(login.password))
            await prove("sha256", nameless, partial(_say, server), check)
        case _:
            name = _OTHERS.get(wanted, f"method {wanted}")
            lacking = f"the server asks for a login by {name}, which is not spoken here"
            raise CheckFailed(Reason.AUTH_FAILED, lacking)
    if (await _request(server))[0] != _LET_IN:
        raise no_postgres()


async def _say(server: PostgresWire, said: bytes) -> bytes:
    if said.startswith(b"n,,"):  # the first message
        said = text(_SCRAM) + struct.pack(">i", len(said)) + said
    await server.send(message(b"p", said))
    kind, rest = await _request(server)
    if kind not in {_SASL_CONTINUE, _SASL_FINAL}:
        raise no_postgres()
    return rest


async def _request(server: PostgresWire) -> tuple[int, bytes]:
    kind, body = await server.receive()
    if kind != b"R" or len(body) < 4:
        raise no_postgres()
    return int.from_bytes(body[:4], "big"), body[4:]


def _md5(login: Login, salt: bytes) -> str:
    # Not ours to choose; the server may have kept no other.
    inner = _hexadecimal((login.password + login.user).encode())
    return "md5" + _hexadecimal(inner.encode() + salt)


def _hexadecimal(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
