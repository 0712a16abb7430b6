"""Logs in to MySQL and MariaDB: by native password, caching SHA-2, or in the clear within TLS."""

import hashlib
import struct
from itertools import cycle
from typing import Final

import attrs
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from kubekuma.check.finding import CheckFailed
from kubekuma.check.login import Login
from kubekuma.check.mysql_wire import MORE, OK, SWITCH, Fields, MysqlWire, no_mysql
from kubekuma.check.wire import Wire
from kubekuma.model.result import Reason

# Capabilities.
_CONNECT_WITH_DB: Final = 1 << 3
_SSL: Final = 1 << 11
# LONG_PASSWORD, PROTOCOL_41, TRANSACTIONS, SECURE_CONNECTION and PLUGIN_AUTH. Not that several
# statements may stand in one query, nor that the server may ask for a file of ours.
_ALWAYS: Final = 1 << 0 | 1 << 9 | 1 << 13 | 1 << 15 | 1 << 19
_UTF8: Final = 45  # utf8mb4_general_ci
_MOST_BYTES: Final = 1 << 24

_NATIVE: Final = "mysql_native_password"
_SHA2: Final = "caching_sha2_password"
_CLEAR: Final = "mysql_clear_password"
_LET_IN_SOON, _WANTS_PASSWORD = b"\x03", b"\x04"
_ASK_FOR_KEY: Final = b"\x02"


@attrs.frozen
class Greeting:
    """What the server says first: what it can do, and a nonce to answer to."""

    capabilities: int
    nonce: bytes
    plugin: str


class Opening:
    """The beginning of a session, up to where TLS starts if it does."""

    def __init__(self) -> None:
        self.greeting: Greeting | None = None

    async def ask_for_tls(self, wire: Wire) -> Wire:
        """Hear the greeting and ask for TLS; what follows is encrypted."""
        server = MysqlWire(wire)
        self.greeting = await greeting(server)
        if not self.greeting.capabilities & _SSL:
            raise CheckFailed(Reason.TLS_FAILED, "the target does not offer TLS")
        await server.send(_head(_ALWAYS | _SSL))
        if not server.idle:
            # Whatever stands between us and the server could have put it there.
            raise CheckFailed(Reason.PROTOCOL_ERROR, "the target goes on in the clear before TLS")
        return wire


async def greeting(server: MysqlWire) -> Greeting:
    """Hear what the server says first."""
    body = await server.receive()
    if body[0] != 10:
        raise no_mysql()
    fields = Fields(body, 1)
    try:
        fields.zero_ended()  # its version
        fields.take(4)
        nonce = fields.take(8)
        fields.take(1)
        capabilities = fields.number(2)
        fields.take(3)
        capabilities |= fields.number(2) << 16
        size = fields.number(1)
        fields.take(10)
        nonce += fields.take(max(13, size - 8))[:-1]
        return Greeting(capabilities, nonce, fields.zero_ended().decode("ascii"))
    except ValueError as error:
        raise no_mysql() from error


async def log_in(
    server: MysqlWire, said: Greeting, login: Login, database: str | None, *, secure: bool
) -> None:
    """Begin a session; ``secure``: nobody else hears what is said."""
    wants = _ALWAYS | (_SSL if secure else 0) | (_CONNECT_WITH_DB if database else 0)
    plugin, nonce = said.plugin if said.plugin == _SHA2 else _NATIVE, said.nonce
    proof = _proof(plugin, login, nonce, secure=secure)
    words = [
        _text(login.user) + b"\0" + bytes([len(proof)]) + proof,
        _text(database) + b"\0" if database else b"",
        plugin.encode() + b"\0",
    ]
    await server.send(_head(wants) + b"".join(words))
    while (body := await server.receive())[0] != OK:
        if body[0] == SWITCH and len(body) > 1:
            fields = Fields(body, 1)
            plugin = fields.zero_ended().decode("ascii", "replace")
            nonce = fields.zero_ended()
            await server.send(_proof(plugin, login, nonce, secure=secure))
        elif body[0] == MORE and plugin == _SHA2:
            if body[1:] == _WANTS_PASSWORD:
                await _give_password(server, login, nonce, secure=secure)
            elif body[1:] != _LET_IN_SOON:
                raise no_mysql()
        else:
            raise no_mysql()


def _proof(plugin: str, login: Login, nonce: bytes, *, secure: bool) -> bytes:
    password = _text(login.password)
    match plugin:
        case "mysql_native_password":
            return _native(password, nonce)
        case "caching_sha2_password":
            return _sha2(password, nonce)
        case "mysql_clear_password" if secure:
            return password + b"\0"
        case _:
            why = "only in TLS" if plugin == _CLEAR else "which is not spoken here"
            message = f"the server asks for a login by {plugin[:80]}, {why}"
            raise CheckFailed(Reason.AUTH_FAILED, message)


def _native(password: bytes, nonce: bytes) -> bytes:
    # The protocol's choice, not ours.
    if not password:
        return b""
    once = hashlib.sha1(password, usedforsecurity=False).digest()
    twice = hashlib.sha1(once, usedforsecurity=False).digest()
    return _xor(once, hashlib.sha1(nonce + twice, usedforsecurity=False).digest())


def _sha2(password: bytes, nonce: bytes) -> bytes:
    if not password:
        return b""
    once = hashlib.sha256(password).digest()
    twice = hashlib.sha256(once).digest()
    return _xor(once, hashlib.sha256(twice + nonce).digest())


async def _give_password(server: MysqlWire, login: Login, nonce: bytes, *, secure: bool) -> None:
    """Send the password itself: the server has not seen it since it started."""
    password = _text(login.password) + b"\0"
    if secure:
        await server.send(password)
        return
    await server.send(_ASK_FOR_KEY)
    body = await server.receive()
    try:
        key = load_pem_public_key(body[1:])
        if body[0] != MORE or not isinstance(key, rsa.RSAPublicKey):
            raise no_mysql()
        oaep = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)  # noqa: S303
        hidden = key.encrypt(_xor(password, nonce), oaep)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise no_mysql() from error
    await server.send(hidden)


def _head(capabilities: int) -> bytes:
    return struct.pack("<IIB23x", capabilities, _MOST_BYTES, _UTF8)


def _text(value: str) -> bytes:
    if "\0" in value:
        raise CheckFailed(Reason.COMMAND_FAILED, "what is to be sent holds a NUL character")
    return value.encode("utf-8", "replace")


def _xor(data: bytes, key: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(data, cycle(key), strict=False))
