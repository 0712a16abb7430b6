"""Certificates of every quality, all but one from one authority of our own."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path

import attrs
import trustme


@attrs.frozen(kw_only=True)
class Certificates:
    """PEM texts: ``bundle`` is the authority; the rest are keys with their chains."""

    bundle: bytes
    valid: bytes
    expired: bytes
    wrong_name: bytes
    unknown_issuer: bytes


@lru_cache(maxsize=1)
def certificates() -> Certificates:
    """Issue them, once a process."""
    authority, stranger = _authority(), _authority()
    yesterday = datetime.now(UTC) - timedelta(days=1)
    return Certificates(
        bundle=authority.cert_pem.bytes(),
        valid=_pem(authority.issue_cert("localhost", "127.0.0.1")),
        expired=_pem(authority.issue_cert("localhost", "127.0.0.1", not_after=yesterday)),
        wrong_name=_pem(authority.issue_cert("elsewhere.example")),
        unknown_issuer=_pem(stranger.issue_cert("localhost", "127.0.0.1")),
    )


def write_pem(pem: bytes, path: Path) -> Path:
    """Write ``pem`` to ``path`` and return that."""
    path.write_bytes(pem)
    return path


def _authority() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


def _pem(leaf: trustme.LeafCert) -> bytes:
    pem: bytes = leaf.private_key_and_cert_chain_pem.bytes()
    return pem
