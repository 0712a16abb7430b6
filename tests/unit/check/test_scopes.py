"""Where an address lies, and whose fault a failure may be."""

import pytest

from kubekuma.check.scopes import Scope, doubted, scope_of, scope_of_peer
from kubekuma.model.result import CheckResult, Reason

INTERNET, LOCAL = Scope.INTERNET, Scope.LOCAL


@pytest.mark.parametrize(
    ("address", "scope"),
    [
        ("9.9.9.9", INTERNET),
        ("2620:fe::fe", INTERNET),
        ("64:ff9b::909:909", INTERNET),  # NAT64: what it carries counts
        ("::ffff:9.9.9.9", INTERNET),
        ("10.96.0.1", LOCAL),
        ("192.168.1.1", LOCAL),
        ("100.64.0.7", LOCAL),  # shared by a provider's customers, or a cluster's pods
        ("169.254.1.1", LOCAL),
        ("fe80::1%eth0", LOCAL),
        ("fd00::1", LOCAL),
        ("64:ff9b::a00:1", LOCAL),
        ("::ffff:10.0.0.1", LOCAL),
        ("127.0.0.53", None),
        ("::1", None),
        ("0.0.0.0", None),  # noqa: S104 - nothing is bound
    ],
)
def test_scope_of_an_address(address: str, scope: Scope | None) -> None:
    assert scope_of(address) is scope


@pytest.mark.parametrize(
    ("peer", "scope"),
    [
        ("9.9.9.9:443", INTERNET),
        ("10.0.0.1", LOCAL),
        ("fd00::1", LOCAL),
        ("[2620:fe::fe]:443", INTERNET),
        ("/var/run/docker.sock", None),
        (None, None),
    ],
)
def test_scope_of_a_peer(peer: str | None, scope: Scope | None) -> None:
    assert scope_of_peer(peer) is scope


@pytest.mark.parametrize(
    ("reason", "peer", "scopes"),
    [
        (Reason.TIMEOUT, "10.0.0.1:80", (LOCAL,)),
        (Reason.TIMEOUT, "9.9.9.9:80", (INTERNET,)),
        (Reason.TIMEOUT, None, (INTERNET,)),
        (Reason.TIMEOUT, "127.0.0.1:80", ()),  # no network leads there
        (Reason.HOST_UNREACHABLE, "10.0.0.1:80", (LOCAL,)),
        (Reason.CONNECTION_FAILED, "10.0.0.1:80", (LOCAL,)),
        (Reason.PACKET_LOSS, "9.9.9.9", (INTERNET,)),
        (Reason.NO_ROUTE, "9.9.9.9:443", (INTERNET,)),
        # A resolver nearby, or those that it asks.
        (Reason.DNS_FAILURE, None, (INTERNET, LOCAL)),
        (Reason.DNS_SERVFAIL, "10.0.0.1:53", (INTERNET, LOCAL)),
        (Reason.NO_RESOLVER, None, (INTERNET, LOCAL)),
        # Somebody has said so.
        (Reason.DNS_NXDOMAIN, None, ()),
        (Reason.CONNECTION_REFUSED, "10.0.0.1:80", ()),
        (Reason.STATUS_MISMATCH, "9.9.9.9:443", ()),
        (Reason.PASSED, "9.9.9.9:443", ()),
        (Reason.SECRET_MISSING, None, ()),
    ],
)
def test_what_may_have_failed(reason: Reason, peer: str | None, scopes: tuple[Scope, ...]) -> None:
    assert doubted(CheckResult(reason=reason, peer=peer)) == scopes
