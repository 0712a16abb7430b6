"""Certificates as servers want them: in files, and who trusts them."""

from pathlib import Path
from typing import NamedTuple

from support.certificates import certificates


class ServerFiles(NamedTuple):
    """A valid certificate for localhost and 127.0.0.1, and its authority."""

    cert: Path
    key: Path
    authority: Path


def server_files(folder: Path) -> ServerFiles:
    """Write them to ``folder``."""
    found = certificates()
    end = b"-----END EC PRIVATE KEY-----\n"
    key, marker, chain = found.valid.partition(end)
    files = ServerFiles(folder / "cert.pem", folder / "key.pem", folder / "ca.pem")
    files.key.write_bytes(key + marker)
    files.key.chmod(0o600)
    files.cert.write_bytes(chain)
    files.authority.write_bytes(found.bundle)
    return files
