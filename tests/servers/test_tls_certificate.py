"""The tlsCertificate checker against nginx."""

from datetime import timedelta
from typing import Any

import pytest
from fakes.targets import check_context, monitor_of, secret_ref
from support.nginx import Nginx, nginx

from kubekuma.check.run import run_check
from kubekuma.model.criteria import (
    Expectation,
    Op,
    Severity,
    SuccessCriteria,
    TlsCertificateCriteria,
)
from kubekuma.model.monitor import MonitorType
from kubekuma.model.result import CheckResult, Reason
from kubekuma.model.target import TlsCertificateTarget

__all__ = ["nginx"]

pytestmark = pytest.mark.nginx


async def check(
    nginx: Nginx,
    where: str = "valid",
    *,
    expect: tuple[Expectation, ...] = (),
    now: Any = None,
    trusted: bool = True,
    **wanted: Any,
) -> CheckResult:
    target = TlsCertificateTarget(
        host="localhost",
        port=getattr(nginx, where),
        ca_bundle_secret_ref=secret_ref("bundle") if trusted else None,
    )
    criteria = SuccessCriteria(tls_certificate=TlsCertificateCriteria(**wanted), expect=expect)
    context = check_context(secrets={"bundle": nginx.certificates.bundle}, now=now)
    return await run_check(monitor_of(MonitorType.TLS_CERTIFICATE, target, criteria), context)


async def test_a_certificate_that_is_as_it_should_be(nginx: Nginx) -> None:
    result = await check(
        nginx, names=("localhost", "127.0.0.1"), issuer="trustme", min_days_remaining=1
    )
    assert result.reason is Reason.PASSED, result.message
    assert result.timings.tls
    assert result.certificate


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        ("expired", Reason.TLS_EXPIRED),
        ("wrong_name", Reason.TLS_HOSTNAME),
        ("unknown_issuer", Reason.TLS_UNTRUSTED),
        ("http", Reason.TLS_FAILED),
    ],
)
async def test_what_is_wrong_with_a_certificate(nginx: Nginx, where: str, reason: Reason) -> None:
    result = await check(nginx, where)
    assert result.reason is reason, result.message
    assert (result.certificate is not None) is (where != "http")


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"names": ("localhost", "example.org")}, "not for example.org"),
        ({"issuer": "Let's Encrypt"}, 'without "Let\'s Encrypt"'),
        ({"fingerprint": "ab" * 32}, "and should be abab"),
    ],
)
async def test_what_else_it_should_be(nginx: Nginx, wanted: Any, said: str) -> None:
    result = await check(nginx, **wanted)
    assert result.reason is Reason.CERTIFICATE_MISMATCH
    assert said in result.message, result.message


async def test_a_pinned_certificate_needs_no_authority(nginx: Nginx) -> None:
    seen = (await check(nginx)).certificate
    assert seen
    pairs = [seen.fingerprint[at : at + 2].upper() for at in range(0, 64, 2)]
    result = await check(nginx, trusted=False, fingerprint=":".join(pairs))
    assert result.reason is Reason.PASSED, result.message


async def test_days_are_counted_from_now(nginx: Nginx) -> None:
    seen = (await check(nginx)).certificate
    assert seen

    def later() -> Any:
        return seen.expires_at - timedelta(days=20, hours=1)

    result = await check(nginx, now=later, min_days_remaining=21)
    assert result.reason is Reason.EXPIRES_SOON
    assert "in 20 days" in result.message
    assert (await check(nginx, now=later, min_days_remaining=20)).reason is Reason.PASSED
    warned = Expectation(value="certificateDays", op=Op.GTE, to=30, severity=Severity.DEGRADED)
    result = await check(nginx, now=later, expect=(warned,))
    assert result.reason is Reason.EXPECTATION_DEGRADED
