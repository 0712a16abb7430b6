"""The dns checker against BIND, by every transport."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from fakes.targets import check_context, monitor_of, start_resolver
from support.daemons import free_ports, installed, running
from support.daemons_tls import server_files

from kubekuma.check.run import run_check
from kubekuma.model.criteria import DnsCriteria, Expectation, Match, SuccessCriteria
from kubekuma.model.monitor import MonitorType
from kubekuma.model.result import CheckResult, Outcome, Reason
from kubekuma.model.settings import AddressPolicy
from kubekuma.model.target import (
    DnsTarget,
    DnsTransport,
    HttpTarget,
    IpFamily,
    RecordType,
    Resolver,
)

pytestmark = pytest.mark.servers

ZONE = """
$TTL 60
@       SOA    ns.example.org. admin.example.org. 7 3600 600 86400 60
@       NS     ns
ns      A      192.0.2.53
www     A      192.0.2.1
www     A      192.0.2.2
www     AAAA   2001:db8::1
alias   CNAME  www
@       MX     10 mail.example.org.
@       MX     20 mail2.example.org.
@       TXT    "v=spf1 -all" "second part"
@       CAA    0 issue "letsencrypt.org"
_sip._udp SRV  10 60 5060 sip.example.org.
1       PTR    www.example.org.
local   A      127.0.0.1
"""
LONG = "\n".join(f'long TXT "{number:03} {"x" * 200}"' for number in range(30))
REVERSE = """
$TTL 60
@ SOA ns.example.org. admin.example.org. 7 3600 600 86400 60
@ NS ns.example.org.
1 PTR www.example.org.
"""


@attrs.frozen
class Bind:
    port: int
    tls_port: int
    https_port: int
    authority: Path

    def by(self, transport: DnsTransport) -> Resolver:
        ports = {DnsTransport.TLS: self.tls_port, DnsTransport.HTTPS: self.https_port}
        name = "localhost" if transport.is_encrypted else "127.0.0.1"
        return Resolver(address=name, port=ports.get(transport, self.port), transport=transport)


@pytest.fixture(scope="session")
def bind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bind]:
    program = installed("named", "bind9")
    folder = tmp_path_factory.mktemp("bind")
    files = server_files(folder)
    port, tls_port, https_port = free_ports(3)
    (folder / "zone").write_text(f"{ZONE}{LONG}\n")
    (folder / "reverse").write_text(REVERSE)
    (folder / "broken").write_text("@ SOA nonsense\n")
    configuration = folder / "named.conf"
    configuration.write_text(f"""
tls ours {{ cert-file "{files.cert}"; key-file "{files.key}"; }};
options {{
  directory "{folder}";
  pid-file none;
  session-keyfile none;
  listen-on port {port} {{ 127.0.0.1; }};
  listen-on port {tls_port} tls ours {{ 127.0.0.1; }};
  listen-on port {https_port} tls ours http default {{ 127.0.0.1; }};
  listen-on-v6 {{ none; }};
  recursion no;
  dnssec-validation no;
}};
controls {{ }};
zone "example.org" {{ type primary; file "zone"; }};
zone "2.0.192.in-addr.arpa" {{ type primary; file "reverse"; }};
zone "broken.example" {{ type primary; file "broken"; }};
""")
    ports = (port, tls_port, https_port)
    with running([program, "-g", "-c", configuration], folder, ports=ports, says="running\n"):
        yield Bind(*ports, files.authority)


@pytest.fixture(autouse=True)
def trusted(bind: Bind, monkeypatch: pytest.MonkeyPatch) -> None:
    """Resolvers are believed by the system's authorities, of which ours is one here."""
    monkeypatch.setenv("SSL_CERT_FILE", str(bind.authority))


async def check(
    name: str,
    *resolvers: Resolver,
    kind: RecordType = RecordType.A,
    expect: Any = (),
    agree: bool = False,
    policy: Any = None,
    timeout_seconds: int = 5,
    **wanted: Any,
) -> CheckResult:
    target = DnsTarget(name=name, record_type=kind, resolvers=resolvers, all_must_agree=agree)
    criteria = SuccessCriteria(dns=DnsCriteria(**wanted), expect=expect)
    monitor = monitor_of(MonitorType.DNS, target, criteria, timeout_seconds=timeout_seconds)
    context = check_context(**({"targets": policy} if policy else {}))
    return await run_check(monitor, context, transcript=True)


@pytest.mark.parametrize("transport", DnsTransport)
async def test_records_by_each_transport(bind: Bind, transport: DnsTransport) -> None:
    values = ("192.0.2.1", "192.0.2.2")
    result = await check("www.example.org", bind.by(transport), values=values)
    assert result.reason is Reason.PASSED, result.message
    assert result.peer
    assert result.latency_seconds > 0


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (RecordType.AAAA, "www", "2001:DB8::1"),
        (RecordType.CNAME, "alias", "www.example.org"),
        (RecordType.MX, "", "10 mail.example.org"),
        (RecordType.NS, "", "ns.example.org."),
        (RecordType.TXT, "", "v=spf1 -allsecond part"),
        (RecordType.CAA, "", '0 issue "letsencrypt.org"'),
        (RecordType.SRV, "_sip._udp", "10 60 5060 sip.example.org"),
        (RecordType.PTR, "1", "www.example.org"),
        (RecordType.SOA, "", "ns.example.org admin.example.org 7 3600 600 86400 60"),
    ],
)
async def test_records_of_each_type(bind: Bind, kind: RecordType, name: str, value: str) -> None:
    full = f"{name}.example.org".removeprefix(".")
    server = bind.by(DnsTransport.UDP)
    result = await check(full, server, kind=kind, values=(value,))
    assert result.reason is Reason.PASSED, result.message
    result = await check(full, server, kind=kind, values=("nonsense",))
    assert result.reason is Reason.RECORD_MISMATCH


async def test_an_address_is_looked_up_backwards(bind: Bind) -> None:
    server = bind.by(DnsTransport.UDP)
    value = ("www.example.org",)
    result = await check("192.0.2.1", server, kind=RecordType.PTR, values=value)
    assert result.reason is Reason.PASSED, result.message


async def test_an_alias_leads_to_addresses(bind: Bind) -> None:
    result = await check("alias.example.org", bind.by(DnsTransport.UDP), values=("192.0.2.2",))
    assert result.reason is Reason.PASSED, result.message


async def test_an_answer_that_is_too_long_for_udp_is_asked_for_by_tcp(bind: Bind) -> None:
    value = (f"029 {'x' * 200}",)
    server = bind.by(DnsTransport.UDP)
    result = await check("long.example.org", server, kind=RecordType.TXT, values=value)
    assert result.reason is Reason.PASSED, result.message


@pytest.mark.parametrize(
    ("name", "kind", "reason"),
    [
        ("none.example.org", RecordType.A, Reason.DNS_NXDOMAIN),
        ("www.example.org", RecordType.MX, Reason.DNS_NO_RECORDS),
        ("www.broken.example", RecordType.A, Reason.DNS_SERVFAIL),
        ("www.elsewhere.example", RecordType.A, Reason.DNS_REFUSED),
    ],
)
async def test_failures_are_told_apart(
    bind: Bind, name: str, kind: RecordType, reason: Reason
) -> None:
    result = await check(name, bind.by(DnsTransport.UDP), kind=kind)
    assert result.reason is reason, result.message


@pytest.mark.parametrize(
    ("name", "wanted", "reason"),
    [
        ("none.example.org", {"rcode": "nxdomain"}, Reason.PASSED),
        ("www.example.org", {"rcode": "NXDOMAIN"}, Reason.RECORD_MISMATCH),
        ("none.example.org", {"rcode": "NOERROR"}, Reason.DNS_NXDOMAIN),
        ("none.example.org", {"must_resolve": False}, Reason.PASSED),
        ("www.example.org", {"must_resolve": False}, Reason.RECORD_MISMATCH),
        ("www.example.org", {"values": ("192.0.2.1", "192.0.2.9")}, Reason.RECORD_MISMATCH),
        (
            "www.example.org",
            {"values": ("192.0.2.1", "192.0.2.9"), "match": Match.ANY},
            Reason.PASSED,
        ),
    ],
)
async def test_what_is_wanted(bind: Bind, name: str, wanted: Any, reason: Reason) -> None:
    result = await check(name, bind.by(DnsTransport.UDP), **wanted)
    assert result.reason is reason, result.message


async def test_code_and_records_can_be_expected(bind: Bind) -> None:
    expect = (
        Expectation(value="rcode", to="NOERROR"),
        Expectation(value="output", to="192.0.2.1\n192.0.2.2"),
    )
    result = await check("www.example.org", bind.by(DnsTransport.TCP), expect=expect)
    assert result.reason is Reason.PASSED, result.message


async def test_of_several_servers_the_first_that_knows_counts(
    bind: Bind, nursery: trio.Nursery
) -> None:
    silent = await start_resolver(nursery, {"www.example.org": None})
    result = await check("www.example.org", silent, bind.by(DnsTransport.UDP))
    assert result.reason is Reason.PASSED, result.message
    assert result.peer == f"127.0.0.1:{bind.port}"
    result = await check("www.example.org", silent, timeout_seconds=1)
    assert result.reason is Reason.TIMEOUT


async def test_all_must_agree_if_asked(bind: Bind, nursery: trio.Nursery) -> None:
    ours = bind.by(DnsTransport.UDP)
    same = await start_resolver(nursery, {"www.example.org": ["192.0.2.2", "192.0.2.1"]})
    other = await start_resolver(nursery, {"www.example.org": ["192.0.2.1"]})
    assert (await check("www.example.org", ours, same, agree=True)).reason is Reason.PASSED
    result = await check("www.example.org", ours, other, agree=True)
    assert result.reason is Reason.RECORD_MISMATCH
    assert f"{other.address} (udp) says 192.0.2.1" in result.message


async def test_whoever_may_not_be_asked_is_not(bind: Bind) -> None:
    result = await check("www.example.org", bind.by(DnsTransport.TLS), policy=AddressPolicy())
    assert result.reason is Reason.ADDRESS_DENIED


async def test_a_resolver_whose_certificate_is_of_nobody_we_trust(
    bind: Bind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    result = await check("www.example.org", bind.by(DnsTransport.TLS))
    assert result.reason is Reason.TLS_UNTRUSTED, result.message


async def test_our_own_resolvers_are_not_bound_to_rules_and_never_the_target_s_fault(
    bind: Bind, nursery: trio.Nursery
) -> None:
    silent = await start_resolver(nursery, {".": None, "www.example.org": None})
    target = DnsTarget(name="www.example.org")
    for resolver, reason in (
        (bind.by(DnsTransport.UDP), Reason.PASSED),
        (silent, Reason.NO_RESOLVER),
    ):
        context = check_context(
            targets=AddressPolicy(), resolvers=(resolver,), dns_timeout_seconds=1
        )
        result = await run_check(monitor_of(MonitorType.DNS, target), context)
        assert result.reason is reason, result.message
        assert (result.outcome is Outcome.UNKNOWN) is (resolver is silent)


@pytest.mark.parametrize("transport", DnsTransport)
async def test_an_http_target_s_own_resolver_by_each_transport(
    bind: Bind, transport: DnsTransport
) -> None:
    """The name leads to loopback, where nobody listens: that it was found is what is shown."""
    (port,) = free_ports(1)
    target = HttpTarget(
        url=f"http://local.example.org:{port}/",
        resolver=bind.by(transport),
        ip_family=IpFamily.IPV4,
    )
    result = await run_check(monitor_of(MonitorType.HTTP, target), check_context())
    assert result.reason is Reason.CONNECTION_REFUSED, result.message
