"""Certificates in the form that results carry."""

import hashlib
from datetime import datetime
from functools import lru_cache

import attrs
from cryptography import x509

from kubekuma.model.result import Certificate

DAY_SECONDS = 86_400
MOST_NAMES = 256


def certificate_of(der: bytes, *, valid: bool) -> Certificate | None:
    """The certificate in ``der``; None when it cannot be read."""
    found = _parse(der)
    return attrs.evolve(found, valid=valid) if found and found.valid != valid else found


def days_left(certificate: Certificate, now: datetime) -> int:
    """Whole days until ``certificate`` expires; negative afterwards."""
    return int((certificate.expires_at - now).total_seconds() // DAY_SECONDS)


# Certificates change every few weeks and are looked at every minute.
@lru_cache(maxsize=2048)
def _parse(der: bytes) -> Certificate | None:
    try:
        parsed = x509.load_der_x509_certificate(der)
        return Certificate(
            subject=parsed.subject.rfc4514_string(),
            issuer=parsed.issuer.rfc4514_string(),
            names=_names(parsed),
            not_before=parsed.not_valid_before_utc,
            expires_at=parsed.not_valid_after_utc,
            fingerprint=hashlib.sha256(der).hexdigest(),
            valid=True,
        )
    except ValueError:
        return None


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    hosts = found.get_values_for_type(x509.DNSName)
    addresses = found.get_values_for_type(x509.IPAddress)
    return (*hosts, *map(str, addresses))[:MOST_NAMES]
