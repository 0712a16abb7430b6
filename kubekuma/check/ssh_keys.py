"""The host key of an SSH server, proved by its signature over a key exchange (RFC 4253, 8731)."""

import hashlib
import secrets
import struct
from base64 import b64encode
from collections.abc import Sequence
from typing import Final

import attrs
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

from kubekuma.check.finding import CheckFailed
from kubekuma.check.reader import Reader
from kubekuma.check.wire import Wire
from kubekuma.model.result import Reason

# By kind of key: a server has one of each kind at most.
KINDS: Final = (
    ("ssh-ed25519",),
    ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
    ("rsa-sha2-512", "rsa-sha2-256"),
)
MOST_PACKET_BYTES: Final = 35_000
_EXCHANGES: Final = ("curve25519-sha256", "curve25519-sha256@libssh.org")
_CIPHERS: Final = ("chacha20-poly1305@openssh.com", "aes128-ctr", "aes256-gcm@openssh.com")
_DIGESTS: Final = ("hmac-sha2-256-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512")
_DISCONNECT, _IGNORE, _DEBUG, _KEXINIT, _ECDH_INIT, _ECDH_REPLY = 1, 2, 4, 20, 30, 31
_HASHES: Final[dict[str, type[HashAlgorithm]]] = {
    "rsa-sha2-256": SHA256,
    "rsa-sha2-512": SHA512,
    "ecdsa-sha2-nistp256": SHA256,
    "ecdsa-sha2-nistp384": SHA384,
    "ecdsa-sha2-nistp521": SHA512,
}


@attrs.frozen
class HostKey:
    """A public key as SSH writes it."""

    kind: str
    blob: bytes

    @property
    def fingerprint(self) -> str:
        """As ``ssh-keygen -l`` prints it."""
        digest = b64encode(hashlib.sha256(self.blob).digest()).decode()
        return f"SHA256:{digest.rstrip('=')}"


class NoSuchKeyError(Exception):
    """The server has no key of the kinds that were asked for."""


async def exchange_keys(
    wire: Wire, reader: Reader, ours: bytes, theirs: bytes, kinds: Sequence[str]
) -> HostKey:
    """Exchange keys after the banners ``ours`` and ``theirs``; return the host's, of ``kinds``.

    Raises NoSuchKeyError, or CheckFailed if the server does not prove that the key is its own.
    """
    packets = _Packets(wire, reader)
    proposal = _proposal(kinds)
    await packets.send(proposal)
    offer = await packets.read(_KEXINIT)
    exchanges, offered, *_ = _lists(offer[17:])
    if not set(kinds) & set(offered):
        raise NoSuchKeyError
    if not set(_EXCHANGES) & set(exchanges):
        why = "the server knows no key exchange that we do (curve25519-sha256)"
        raise CheckFailed(Reason.PROTOCOL_ERROR, why)
    private = X25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw()
    await packets.send(bytes([_ECDH_INIT]) + _string(public))
    blob, point, signature = _strings(await packets.read(_ECDH_REPLY), 3)
    try:
        shared = int.from_bytes(private.exchange(X25519PublicKey.from_public_bytes(point)), "big")
        hashed = [ours, theirs, proposal, offer, blob, public, point]
        signed = hashlib.sha256(b"".join(map(_string, hashed)) + _number(shared)).digest()
        kind = _verify(blob, signature, signed, kinds)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError) as error:
        why = "the server does not prove that the host key is its own"
        raise CheckFailed(Reason.HOST_KEY_MISMATCH, why) from error
    return HostKey(kind, blob)


def _verify(blob: bytes, signature: bytes, signed: bytes, kinds: Sequence[str]) -> str:
    (kind,) = _strings(b"\0" + blob, 1)
    key = load_ssh_public_key(kind + b" " + b64encode(blob))
    by, value = _strings(b"\0" + signature, 2)
    way = by.decode("ascii", "replace")
    if way not in kinds:
        raise ValueError("it signs in another way than was agreed")
    match key:
        case ed25519.Ed25519PublicKey():
            key.verify(value, signed)
        case ec.EllipticCurvePublicKey():
            r, s = (int.from_bytes(each, "big") for each in _strings(b"\0" + value, 2))
            key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(_HASHES[way]()))
        case rsa.RSAPublicKey():
            key.verify(value, signed, padding.PKCS1v15(), _HASHES[way]())
        case _:
            raise ValueError("a key of another kind")
    return kind.decode("ascii", "replace")


class _Packets:
    """Packets before there is encryption."""

    def __init__(self, wire: Wire, reader: Reader) -> None:
        self._wire = wire
        self._reader = reader

    async def send(self, payload: bytes) -> None:
        fill = 8 - (len(payload) + 5) % 8
        fill += 8 if fill < 4 else 0
        head = struct.pack(">IB", len(payload) + fill + 1, fill)
        await self._wire.send(head + payload + secrets.token_bytes(fill))

    async def read(self, wanted: int) -> bytes:
        while True:
            size, fill = struct.unpack(">IB", await self._reader.exactly(5))
            if not fill + 1 < size <= MOST_PACKET_BYTES:
                raise CheckFailed(Reason.PROTOCOL_ERROR, "the server sends no SSH packets")
            payload = (await self._reader.exactly(size - 1))[: size - 1 - fill]
            if payload[0] == wanted:
                return payload
            if payload[0] == _DISCONNECT:
                raise CheckFailed(Reason.COMMAND_FAILED, "the server ends the conversation")
            if payload[0] not in {_IGNORE, _DEBUG}:
                raise CheckFailed(Reason.PROTOCOL_ERROR, "the server goes its own ways")


def _proposal(kinds: Sequence[str]) -> bytes:
    lists = (
        _EXCHANGES,
        kinds,
        _CIPHERS,
        _CIPHERS,
        _DIGESTS,
        _DIGESTS,
        ("none",),
        ("none",),
        (),
        (),
    )
    names = b"".join(_string(",".join(each).encode()) for each in lists)
    return bytes([_KEXINIT]) + secrets.token_bytes(16) + names + bytes(5)


def _lists(data: bytes) -> Sequence[Sequence[str]]:
    return [each.decode("ascii", "replace").split(",") for each in _strings(b"\0" + data, 2)]


def _strings(payload: bytes, count: int) -> Sequence[bytes]:
    """Read strings after the first byte of ``payload``."""
    found: list[bytes] = []
    at = 1
    for _ in range(count):
        size = int.from_bytes(payload[at : at + 4], "big")
        if at + 4 + size > len(payload):
            raise CheckFailed(Reason.PROTOCOL_ERROR, "an SSH packet is shorter than it says")
        found.append(payload[at + 4 : at + 4 + size])
        at += 4 + size
    return found


def _string(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value


def _number(value: int) -> bytes:
    return _string(value.to_bytes(value.bit_length() // 8 + 1, "big"))
