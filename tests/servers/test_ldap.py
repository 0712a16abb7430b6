"""The ldap checker against OpenLDAP."""

import subprocess
from collections.abc import Iterator
from typing import Any

import attrs
import pytest
from fakes.targets import check_context, monitor_of, secret_ref
from support.daemons import free_ports, installed, running
from support.daemons_tls import server_files

from kubekuma.check.run import run_check
from kubekuma.model.criteria import ServiceCriteria, SuccessCriteria
from kubekuma.model.monitor import MonitorType
from kubekuma.model.result import CheckResult, Reason
from kubekuma.model.target import Credentials, LdapTarget, OptionalTls, StartTls

pytestmark = pytest.mark.servers

ENTRIES = """
dn: dc=example,dc=org
objectClass: dcObject
objectClass: organization
dc: example
o: Example

dn: cn=alice,dc=example,dc=org
objectClass: person
cn: alice
sn: (Li*ddell)
userPassword: s3cret

dn: cn=bob,dc=example,dc=org
objectClass: person
cn: bob
sn: Builder
"""


@attrs.frozen
class Slapd:
    port: int
    tls_port: int
    authority: bytes


@pytest.fixture(scope="session")
def slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    program = installed("slapd", "slapd")
    folder = tmp_path_factory.mktemp("slapd")
    files = server_files(folder)
    (folder / "data").mkdir()
    port, tls_port = free_ports(2)
    configuration = folder / "slapd.conf"
    configuration.write_text(f"""
include /etc/ldap/schema/core.schema
modulepath /usr/lib/ldap
moduleload back_mdb
TLSCertificateFile {files.cert}
TLSCertificateKeyFile {files.key}
database mdb
suffix "dc=example,dc=org"
directory {folder / "data"}
maxsize 10485760
access to attrs=userPassword by anonymous auth by * none
access to * by users read by anonymous auth
""")
    entries = folder / "entries.ldif"
    entries.write_text(ENTRIES)
    subprocess.run([installed("slapadd", "slapd"), "-f", configuration, "-l", entries], check=True)
    urls = f"ldap://127.0.0.1:{port} ldaps://127.0.0.1:{tls_port}"
    # Without -d 0 it would leave for the background.
    with running(
        [program, "-f", configuration, "-h", urls, "-d", "0"], folder, ports=(port, tls_port)
    ):
        yield Slapd(port, tls_port, files.authority.read_bytes())


ALICE = Credentials(
    username_secret_ref=secret_ref("user"), password_secret_ref=secret_ref("password")
)
BASE = "dc=example,dc=org"


async def check(slapd: Slapd, criteria: Any = None, **fields: Any) -> CheckResult:
    target = LdapTarget(**{"host": "localhost", "port": slapd.port, **fields})
    known = {"password": b"s3cret", "user": b"cn=alice,dc=example,dc=org", "wrong": b"wr0ng"}
    context = check_context(secrets={**known, "bundle": slapd.authority})
    return await run_check(monitor_of(MonitorType.LDAP, target, criteria), context, transcript=True)


async def test_the_root_entry_is_for_everybody(slapd: Slapd) -> None:
    wanted = SuccessCriteria(service=ServiceCriteria(pattern="(?i)objectClass: top"))
    result = await check(slapd, wanted)
    assert result.reason is Reason.PASSED, result.message


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("(cn=alice)", "cn: alice"),
        ("(&(objectClass=person)(!(cn=bob)))", "cn: alice"),
        ("(|(cn=nobody)(sn=Build*))", "cn: bob"),
        ("(sn=B*i*r)", "cn: bob"),
        (r"(sn=\28Li\2addell\29)", "cn: alice"),
        ("( cn = bob )".replace(" ", ""), "cn: bob"),
        ("(&(cn=*)(sn=builder))", "cn: bob"),
    ],
)
async def test_an_entry_is_found_by_its_filter(slapd: Slapd, text: str, found: str) -> None:
    wanted = SuccessCriteria(service=ServiceCriteria(pattern=found))
    result = await check(slapd, wanted, credentials=ALICE, base_dn=BASE, filter=text)
    assert result.reason is Reason.PASSED, result.message


@pytest.mark.parametrize("start_tls", [None, StartTls.LDAP])
async def test_tls_from_the_start_or_later(slapd: Slapd, start_tls: StartTls | None) -> None:
    tls = OptionalTls(
        enabled=start_tls is None,
        start_tls=start_tls,
        ca_bundle_secret_ref=secret_ref("bundle"),
    )
    port = slapd.port if start_tls else slapd.tls_port
    result = await check(slapd, port=port, tls=tls, credentials=ALICE, base_dn=BASE)
    assert result.reason is Reason.PASSED, result.message
    assert result.certificate
    assert result.timings.tls


@pytest.mark.parametrize(
    ("fields", "reason", "said"),
    [
        (
            {
                "credentials": Credentials(
                    username_secret_ref=secret_ref("user"),
                    password_secret_ref=secret_ref("wrong"),
                )
            },
            Reason.AUTH_FAILED,
            "invalidCredentials",
        ),
        ({"base_dn": "dc=nowhere"}, Reason.COMMAND_FAILED, "noSuchObject"),
        ({"base_dn": "no dn"}, Reason.COMMAND_FAILED, "invalidDNSyntax"),
        (
            {"credentials": ALICE, "base_dn": BASE, "filter": "(cn=nobody)"},
            Reason.VALUE_MISMATCH,
            "there is no entry (cn=nobody)",
        ),
        ({"filter": "(cn=alice"}, Reason.COMMAND_FAILED, "the filter cannot be sent"),
    ],
)
async def test_failures_say_why(slapd: Slapd, fields: Any, reason: Reason, said: str) -> None:
    result = await check(slapd, **fields)
    assert (result.reason, said in result.message) == (reason, True), result.message
