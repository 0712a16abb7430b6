"""Who may speak to the API, and how a client knows it: token, certificates, kubeconfig.

Everything lies in the data directory, readable for its owner only. kubectl
sends a token over TLS only, so there is TLS even on loopback.
"""

import ipaddress
import json
import os
import secrets
import ssl
from base64 import b64encode
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import attrs
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_AUTHORITY_DAYS: Final = 3650
_SERVER_DAYS: Final = 365
# A certificate is renewed in the last part of its life.
_RENEW_DAYS: Final = 30
_NAMES: Final = (
    x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    x509.IPAddress(ipaddress.ip_address("::1")),
    x509.DNSName("localhost"),
)
_CLUSTER: Final = "kubekuma"


@attrs.frozen(kw_only=True)
class Identity:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def pem(self) -> bytes:
        """The certificate alone, as PEM."""
        return self.certificate.public_bytes(Encoding.PEM)

    def pem_with_key(self) -> bytes:
        """Certificate and key, as PEM."""
        key = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return key + self.pem()


@attrs.frozen(kw_only=True)
class Credentials:
    """What a server needs: the token to ask for, and where its certificate lies."""

    token: str
    ca_pem: bytes
    server_pem: Path


def keep_credentials(data: Path, now: datetime) -> Credentials:
    """Read the credentials in ``data``; make what is not there, and what nears its end.

    The authority and the token stay as long as they can: they are what
    clients have been given.
    """
    token = _kept_token(data / "token")
    authority = _kept_identity(data / "ca.pem", now) or _authority(now)
    write_private(data / "ca.pem", authority.pem_with_key())
    server = _kept_identity(data / "server.pem", now)
    if server is None or not _is_issued_by(server, authority):
        server = _issued(authority, now)
    write_private(data / "server.pem", server.pem_with_key())
    return Credentials(token=token, ca_pem=authority.pem(), server_pem=data / "server.pem")


def server_context(credentials: Credentials) -> ssl.SSLContext:
    """Make the TLS settings of the server."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(credentials.server_pem)
    context.set_alpn_protocols(["http/1.1"])
    return context


def write_kubeconfig(path: Path, url: str, credentials: Credentials) -> None:
    """Write a kubeconfig with which kubectl finds the server at ``url``."""
    cluster = {"server": url, "certificate-authority-data": b64encode(credentials.ca_pem).decode()}
    context = {"cluster": _CLUSTER, "user": _CLUSTER, "namespace": "default"}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": _CLUSTER, "cluster": cluster}],
        "users": [{"name": _CLUSTER, "user": {"token": credentials.token}}],
        "contexts": [{"name": _CLUSTER, "context": context}],
        "current-context": _CLUSTER,
    }
    # JSON is YAML.
    write_private(path, json.dumps(config, indent=2).encode() + b"\n")


def write_private(path: Path, content: bytes) -> None:
    """Put ``content`` at ``path``, readable for the owner only; all of it or nothing."""
    draft = path.with_name(f".{path.name}.draft")
    draft.unlink(missing_ok=True)
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(file, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(file)
    draft.replace(path)


def _kept_token(path: Path) -> str:
    if path.exists() and (token := path.read_text("ascii").strip()):
        return token
    token = secrets.token_urlsafe(32)
    write_private(path, f"{token}\n".encode())
    return token


def _kept_identity(path: Path, now: datetime) -> Identity | None:
    # What cannot be read or is about to expire counts as absent.
    try:
        content = path.read_bytes()
        certificate = x509.load_pem_x509_certificate(content)
        key = load_pem_private_key(content, None)
    except (FileNotFoundError, ValueError):
        return None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        return None
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not begins <= now <= ends - timedelta(days=_RENEW_DAYS):
        return None
    return Identity(certificate=certificate, key=key)


def _is_issued_by(server: Identity, authority: Identity) -> bool:
    try:
        server.certificate.verify_directly_issued_by(authority.certificate)
    except Exception:  # noqa: BLE001 (whatever is wrong with it: it is not ours)
        return False
    return True


def _authority(now: datetime) -> Identity:
    key = ec.generate_private_key(ec.SECP256R1())
    # A name of its own: clients do not mistake a new authority for an old one.
    name = _name(f"KubeKuma embedded API {secrets.token_hex(4)}")
    builder = (
        _draft(name, name, key, now, _AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(sign=True), critical=True)
    )
    return Identity(certificate=builder.sign(key, SHA256()), key=key)


def _issued(authority: Identity, now: datetime) -> Identity:
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = authority.certificate
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    builder = (
        _draft(_name("KubeKuma embedded API"), issuer.subject, key, now, _SERVER_DAYS)
        .add_extension(x509.SubjectAlternativeName(_NAMES), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(sign=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(identifier, critical=False)
    )
    return Identity(certificate=builder.sign(authority.key, SHA256()), key=key)


def _draft(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    now: datetime,
    days: int,
) -> x509.CertificateBuilder:
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # Clocks differ.
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(identifier, critical=False)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _usage(*, sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign,
        key_cert_sign=sign,
        crl_sign=sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
