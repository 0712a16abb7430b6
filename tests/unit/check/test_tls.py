import ssl
from datetime import UTC, datetime, timedelta

import attrs
import pytest
from support.certificates import certificates

from kubekuma.check.certificate import certificate_of, days_left
from kubekuma.check.tls_context import SslContexts


def der(pem: bytes) -> bytes:
    text = pem.decode()
    start = text.index("-----BEGIN CERTIFICATE-----")
    end = text.index("-----END CERTIFICATE-----") + len("-----END CERTIFICATE-----")
    return ssl.PEM_cert_to_DER_cert(text[start:end])


def test_contexts_are_made_once_for_the_same_settings() -> None:
    contexts = SslContexts()
    bundle = certificates().bundle
    first = contexts.get(verify=True, bundle=bundle, alpn=("http/1.1",))
    assert contexts.get(verify=True, bundle=bundle, alpn=("http/1.1",)) is first
    assert contexts.get(verify=True, bundle=bundle, alpn=()) is not first
    assert contexts.get(verify=False, bundle=bundle, alpn=("http/1.1",)) is not first
    assert first.verify_mode is ssl.CERT_REQUIRED
    assert first.check_hostname


def test_a_bundle_replaces_the_systems_authorities() -> None:
    context = SslContexts().get(verify=True, bundle=certificates().bundle, alpn=())
    assert context.cert_store_stats()["x509_ca"] == 1


def test_the_cache_is_bounded_and_drops_what_was_not_used_longest() -> None:
    contexts = SslContexts(most_kept=2)
    kept = contexts.get(verify=False, bundle=None, alpn=("a",))
    dropped = contexts.get(verify=False, bundle=None, alpn=("b",))
    assert contexts.get(verify=False, bundle=None, alpn=("a",)) is kept
    contexts.get(verify=False, bundle=None, alpn=("c",))
    assert contexts.get(verify=False, bundle=None, alpn=("a",)) is kept
    assert contexts.get(verify=False, bundle=None, alpn=("b",)) is not dropped


@pytest.mark.parametrize("bundle", [b"no PEM", b"\xff", b"-----BEGIN CERTIFICATE-----\nx\n"])
def test_what_is_no_bundle(bundle: bytes) -> None:
    contexts = SslContexts()
    with pytest.raises(ValueError, match="must hold certificates in PEM form"):
        contexts.get(verify=True, bundle=bundle, alpn=())


@pytest.mark.parametrize("valid", [True, False])
def test_a_certificate_says_whose_it_is_and_until_when(valid: bool) -> None:
    found = certificate_of(der(certificates().valid), valid=valid)
    assert found
    assert found.names == ("localhost", "127.0.0.1")
    assert "trustme" in found.subject
    assert "Testing CA" in found.issuer
    assert found.expires_at.tzinfo is UTC
    assert found.valid is valid


def test_what_cannot_be_read_is_no_certificate() -> None:
    assert certificate_of(b"nonsense", valid=True) is None


def test_days_left_are_whole_days() -> None:
    found = certificate_of(der(certificates().valid), valid=True)
    assert found
    now = datetime(2026, 1, 1, tzinfo=UTC)
    for left, days in (
        (timedelta(days=7, hours=23), 7),
        (timedelta(hours=1), 0),
        (timedelta(hours=-1), -1),
    ):
        assert days_left(attrs.evolve(found, expires_at=now + left), now) == days
