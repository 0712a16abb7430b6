"""tlsCertificate checker: the certificate of a TLS port, its names, issuer and days left."""

from collections.abc import Iterator, Sequence

from kubekuma.check.certificate import days_left
from kubekuma.check.context import Check
from kubekuma.check.dial import Destination, dial
from kubekuma.check.expect import Facts
from kubekuma.check.finding import Finding
from kubekuma.check.judge import judge_shared, shared_values
from kubekuma.kit.url import parse_host
from kubekuma.model.criteria import SuccessCriteria, TlsCertificateCriteria
from kubekuma.model.result import Certificate, Reason
from kubekuma.model.target import IpFamily, Tls, TlsCertificateTarget


async def check_tls_certificate(
    target: TlsCertificateTarget, criteria: SuccessCriteria, check: Check
) -> Sequence[Finding]:
    """Shake hands and look. A certificate that is pinned by its fingerprint needs no authority."""
    wanted = criteria.tls_certificate or TlsCertificateCriteria()
    tls = Tls(
        verify=wanted.fingerprint is None,
        sni=target.sni,
        ca_bundle_secret_ref=target.ca_bundle_secret_ref,
    )
    to = Destination(
        host=parse_host(target.host),
        port=target.port,
        ip_family=IpFamily.AUTO,
        tls=tls,
        start_tls=target.start_tls,
    )
    wire = await dial(to, check)
    try:
        # With TLS 1.3 our last message may still wait: without it the server's log complains.
        await wire.flush()
    finally:
        wire.close()
    check.trace.finish()
    now = check.context.now()
    found: list[Finding] = []
    if (certificate := check.trace.certificate) is not None:
        found += _judge(certificate, wanted, days_left(certificate, now))
    facts = Facts(kind="tlsCertificate", values=shared_values(check.trace, now))
    return [*found, *judge_shared(criteria, facts, check.trace.latency, check.show)]


def _judge(
    certificate: Certificate, wanted: TlsCertificateCriteria, days: int
) -> Iterator[Finding]:
    if wanted.fingerprint is not None:
        pinned = wanted.fingerprint.replace(":", "").lower()
        if certificate.fingerprint != pinned:
            yield _mismatch(f"the fingerprint is {certificate.fingerprint} and should be {pinned}")
    if wanted.min_days_remaining is not None and days < wanted.min_days_remaining:
        until = f"{certificate.expires_at:%Y-%m-%d}"
        message = f"the certificate expires at {until}, in {days} days"
        yield Finding(Reason.EXPIRES_SOON, f"{message}, not {wanted.min_days_remaining} or more")
    missing = [name for name in wanted.names if name.lower() not in _names(certificate)]
    if missing:
        yield _mismatch(f"the certificate is not for {', '.join(missing)}")
    if wanted.issuer is not None and wanted.issuer not in certificate.issuer:
        yield _mismatch(f"the issuer is {certificate.issuer}, without {wanted.issuer!r}")


def _names(certificate: Certificate) -> frozenset[str]:
    return frozenset(name.lower() for name in certificate.names)


def _mismatch(message: str) -> Finding:
    return Finding(Reason.CERTIFICATE_MISMATCH, message)
