"""SNMP's user-based security: keys, signatures and encryption (RFC 3414, 3826, 7860). Pure."""

import hashlib
import hmac
import struct
from typing import Final, NamedTuple

import attrs
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from kubekuma.check import ber
from kubekuma.model.target import SnmpAuth, SnmpPrivacy

_SECURITY_MODEL: Final = 3
_VERSION: Final = 3
_MOST_BYTES: Final = 65507
_AUTHENTICATED, _ENCRYPTED, _REPORTABLE = 1, 2, 4
_EXPANDED_BYTES: Final = 1024 * 1024  # RFC 3414, appendix A.2
_BLOCK: Final = 16


class _Hash(NamedTuple):
    name: str
    bytes_sent: int  # of its output


_HASHES: Final = {
    SnmpAuth.MD5: _Hash("md5", 12),
    SnmpAuth.SHA: _Hash("sha1", 12),
    SnmpAuth.SHA_224: _Hash("sha224", 16),
    SnmpAuth.SHA_256: _Hash("sha256", 24),
    SnmpAuth.SHA_384: _Hash("sha384", 32),
    SnmpAuth.SHA_512: _Hash("sha512", 48),
}
_KEY_BYTES: Final = {
    SnmpPrivacy.AES_128: 16,
    SnmpPrivacy.AES_192: 24,
    SnmpPrivacy.AES_256: 32,
    SnmpPrivacy.AES_192_C: 24,
    SnmpPrivacy.AES_256_C: 32,
}
_OF_CISCO: Final = frozenset({SnmpPrivacy.AES_192_C, SnmpPrivacy.AES_256_C})


@attrs.frozen(kw_only=True)
class Engine:
    """An agent's engine: who it is, how often it has started, and how many seconds ago."""

    identity: bytes = b""
    boots: int = 0
    seconds: int = 0


@attrs.frozen(kw_only=True)
class User:
    """A user of one engine. Keys are empty where nothing is authenticated or encrypted."""

    name: bytes = b""
    auth: SnmpAuth | None = None
    auth_key: bytes = attrs.field(default=b"", repr=False)
    priv_key: bytes = attrs.field(default=b"", repr=False)

    @property
    def flags(self) -> int:
        """The security level, as messages say it."""
        return (_AUTHENTICATED if self.auth else 0) | (_ENCRYPTED if self.priv_key else 0)


@attrs.frozen(kw_only=True)
class Message:
    """A message of an agent: whose it is, and its content, decrypted."""

    number: int
    flags: int
    engine: Engine
    content: ber.Element


def auth_key(auth: SnmpAuth, passphrase: bytes, engine: bytes) -> bytes:
    """The key by which a user's messages to ``engine`` are authenticated."""
    hashed = _HASHES[auth].name
    times = _EXPANDED_BYTES // len(passphrase) + 1
    key = hashlib.new(hashed, (passphrase * times)[:_EXPANDED_BYTES]).digest()
    return hashlib.new(hashed, key + engine + key).digest()


def priv_key(auth: SnmpAuth, privacy: SnmpPrivacy, passphrase: bytes, engine: bytes) -> bytes:
    """The key by which they are encrypted: stretched, as most hashes are too short for most."""
    size = _KEY_BYTES[privacy]
    key = last = auth_key(auth, passphrase, engine)
    while len(key) < size:
        if privacy in _OF_CISCO:
            last = auth_key(auth, last, engine)
            key += last
        else:
            key += hashlib.new(_HASHES[auth].name, key).digest()
    return key[:size]


def seal(number: int, scoped: bytes, engine: Engine, user: User, salt: bytes) -> bytes:
    """Encode message ``number``; ``salt``: eight bytes that no other message of ours has."""
    data = scoped
    if user.priv_key:
        data = ber.encode(ber.OCTETS, _crypt(scoped, user, engine, salt, encrypt=True))
    head = ber.encode(
        ber.SEQUENCE,
        ber.integer(number),
        ber.integer(_MOST_BYTES),
        ber.encode(ber.OCTETS, bytes([user.flags | _REPORTABLE])),
        ber.integer(_SECURITY_MODEL),
    )

    def whole(signature: bytes) -> bytes:
        security = ber.encode(
            ber.SEQUENCE,
            ber.encode(ber.OCTETS, engine.identity),
            ber.integer(engine.boots),
            ber.integer(engine.seconds),
            ber.encode(ber.OCTETS, user.name),
            ber.encode(ber.OCTETS, signature),
            ber.encode(ber.OCTETS, salt if user.priv_key else b""),
        )
        version = ber.integer(_VERSION)
        return ber.encode(ber.SEQUENCE, version, head, ber.encode(ber.OCTETS, security), data)

    if user.auth is None:
        return whole(b"")
    return whole(_signature(whole(bytes(_HASHES[user.auth].bytes_sent)), user))


def unseal(data: bytes, user: User) -> Message | None:
    """Read a message to ``user``; None for what is none, or has a signature of somebody else.

    A message that is not authenticated is read as well: its flags say so.
    """
    try:
        (message,) = ber.elements(data)
        version, head, sealed, content = ber.elements(message.body)
        number, _, flags, model = ber.elements(head.body)
        (security,) = ber.elements(sealed.body)
        identity, boots, seconds, name, signature, salt = ber.elements(security.body)
        if ber.as_integer(version.body) != _VERSION or len(flags.body) != 1:
            return None
        if ber.as_integer(model.body) != _SECURITY_MODEL:
            return None
        engine = Engine(
            identity=identity.body,
            boots=ber.as_integer(boots.body),
            seconds=ber.as_integer(seconds.body),
        )
        level = flags.body[0] & (_AUTHENTICATED | _ENCRYPTED)
        if level & _AUTHENTICATED and not _is_genuine(data, name.body, signature.body, user):
            return None
        if level & _ENCRYPTED:
            content = _decrypted(content, engine, user, salt.body)
    except ValueError:
        return None
    return Message(number=ber.as_integer(number.body), flags=level, engine=engine, content=content)


def _decrypted(content: ber.Element, engine: Engine, user: User, salt: bytes) -> ber.Element:
    if not user.priv_key or len(salt) != 8:
        raise ValueError("a message is encrypted that should not be")
    plain = _crypt(content.body, user, engine, salt, encrypt=False)
    return next(ber.elements(plain), ber.Element(0, b""))


def _is_genuine(data: bytes, name: bytes, signature: bytes, user: User) -> bool:
    if user.auth is None or name != user.name or len(signature) != _HASHES[user.auth].bytes_sent:
        return False
    # Signed with zeros in its place. That such bytes stand before it too is as good as impossible,
    # and would only make a message look forged.
    blank = data.replace(signature, bytes(len(signature)), 1)
    return hmac.compare_digest(signature, _signature(blank, user))


def _signature(message: bytes, user: User) -> bytes:
    assert user.auth is not None  # noqa: S101 - only messages of such users are signed
    name, size = _HASHES[user.auth]
    return hmac.digest(user.auth_key, message, name)[:size]


def _crypt(data: bytes, user: User, engine: Engine, salt: bytes, *, encrypt: bool) -> bytes:
    """AES in CFB mode (RFC 3826, section 3.1), of which libraries are about to take leave."""
    block = struct.pack(">II", engine.boots & 0xFFFFFFFF, engine.seconds & 0xFFFFFFFF) + salt
    # One block at a time, each of them other than all before it.
    cipher = Cipher(algorithms.AES(user.priv_key), modes.ECB())  # noqa: S305 - see above
    encryptor = cipher.encryptor()
    done = bytearray()
    for at in range(0, len(data), _BLOCK):
        piece = data[at : at + _BLOCK]
        stream = encryptor.update(block)
        changed = bytes(a ^ b for a, b in zip(piece, stream, strict=False))
        done += changed
        block = changed if encrypt else piece
    return bytes(done)
