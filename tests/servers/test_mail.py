"""The imap checker against Dovecot, and the smtp checker against aiosmtpd."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
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
from kubekuma.model.target import Credentials, OptionalTls, ServiceTarget, StartTls

pytestmark = pytest.mark.servers

ALICE = Credentials(
    username_secret_ref=secret_ref("user"), password_secret_ref=secret_ref("password")
)
MALLORY = attrs.evolve(ALICE, password_secret_ref=secret_ref("wrong"))
PASSWORD = 's3"cr\\et'


@attrs.frozen
class Mail:
    """Where a server listens: in the clear, and with TLS from the first byte."""

    port: int
    tls_port: int
    authority: bytes


@pytest.fixture(scope="session")
def dovecot(open_folders: Callable[[], Path]) -> Iterator[Mail]:
    program = installed("dovecot", "dovecot-imapd")
    folder = open_folders()
    files = server_files(folder)
    port, tls_port = free_ports(2)
    (folder / "users").write_text(f"alice:{{PLAIN}}{PASSWORD}:::::: \n")
    configuration = folder / "dovecot.conf"
    configuration.write_text(f"""
protocols = imap
listen = 127.0.0.1
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
default_internal_user = root
default_login_user = nobody
default_internal_group = root
first_valid_uid = 0
mail_location = maildir:{folder}/mail/%u
mail_uid = 0
mail_gid = 0
ssl = yes
ssl_cert = <{files.cert}
ssl_key = <{files.key}
disable_plaintext_auth = no
passdb {{
  driver = passwd-file
  args = scheme=PLAIN {folder}/users
}}
userdb {{
  driver = static
  args = uid=0 gid=0 home={folder}/mail/%u
}}
service anvil {{
  chroot =
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
  }}
}}
""")
    with running([program, "-F", "-c", configuration], folder, ports=(port, tls_port)):
        yield Mail(port, tls_port, files.authority.read_bytes())


@pytest.fixture(scope="session")
def smtpd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mail]:
    folder = tmp_path_factory.mktemp("smtpd")
    files = server_files(folder)
    port, tls_port = free_ports(2)
    script = Path(__file__).parent / "smtpd.py"
    command: list[str | Path] = [sys.executable, script, str(port), str(tls_port)]
    command += [files.cert, files.key]
    with running(command, folder, ports=(port, tls_port), env={"PASSWORD": PASSWORD}):
        yield Mail(port, tls_port, files.authority.read_bytes())


async def check(
    kind: MonitorType, server: Mail, criteria: SuccessCriteria | None = None, **fields: Any
) -> CheckResult:
    target = ServiceTarget(**{"host": "localhost", "port": server.port, **fields})
    known = {"password": PASSWORD.encode(), "user": b"alice", "wrong": b"wr0ng"}
    context = check_context(secrets={**known, "bundle": server.authority})
    return await run_check(monitor_of(kind, target, criteria), context, transcript=True)


def tls(start_tls: StartTls | None = None) -> OptionalTls:
    return OptionalTls(
        enabled=start_tls is None,
        start_tls=start_tls,
        ca_bundle_secret_ref=secret_ref("bundle"),
    )


@pytest.fixture(params=[MonitorType.IMAP, MonitorType.SMTP])
def kind(request: pytest.FixtureRequest) -> MonitorType:
    found: MonitorType = request.param
    return found


@pytest.fixture
def server(kind: MonitorType, request: pytest.FixtureRequest) -> Mail:
    found: Mail = request.getfixturevalue("dovecot" if kind is MonitorType.IMAP else "smtpd")
    return found


async def test_a_server_says_what_it_can_do(kind: MonitorType, server: Mail) -> None:
    for words, reason in (("STARTTLS", Reason.PASSED), ("X-NONSENSE", Reason.VALUE_MISMATCH)):
        wanted = SuccessCriteria(service=ServiceCriteria(pattern=words))
        result = await check(kind, server, wanted)
        assert result.reason is reason, result.message


async def test_it_lets_in_who_knows_the_password(kind: MonitorType, server: Mail) -> None:
    result = await check(kind, server, credentials=ALICE, tls=tls(StartTls(kind.value)))
    assert result.reason is Reason.PASSED, result.message
    assert result.certificate
    assert PASSWORD not in repr(result)


async def test_tls_from_the_first_byte(kind: MonitorType, server: Mail) -> None:
    result = await check(kind, server, credentials=ALICE, tls=tls(), port=server.tls_port)
    assert result.reason is Reason.PASSED, result.message


async def test_it_does_not_let_in_who_does_not(kind: MonitorType, server: Mail) -> None:
    how = tls(StartTls(kind.value))
    result = await check(kind, server, credentials=MALLORY, tls=how)
    assert result.reason is Reason.AUTH_FAILED, result.message
    assert "the server says" in result.message


async def test_a_certificate_of_nobody_we_trust_after_starttls(
    kind: MonitorType, server: Mail
) -> None:
    start = StartTls(kind.value)
    result = await check(kind, server, tls=OptionalTls(start_tls=start))
    assert result.reason is Reason.TLS_UNTRUSTED
    assert result.certificate
    assert not result.certificate.valid
    result = await check(kind, server, tls=OptionalTls(start_tls=start, verify=False))
    assert result.reason is Reason.PASSED, result.message


async def test_smtp_without_tls_offers_no_login(smtpd: Mail) -> None:
    result = await check(MonitorType.SMTP, smtpd, credentials=ALICE)
    assert result.reason is Reason.AUTH_FAILED
    assert "after STARTTLS" in result.message
