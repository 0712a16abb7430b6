"""Messages by mail, to aiosmtpd: every security, logins, and refusals that pass or last."""

import sys
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from build import at
from fakes.targets import secret_ref
from support.daemons import free_ports, running
from support.daemons_tls import server_files

from kubekuma.deliver.mail import mail_of, send_mail
from kubekuma.deliver.send import NotSent
from kubekuma.model.alert import Message
from kubekuma.model.meta import Key, SecretKeyRef
from kubekuma.model.monitor import AlertSeverity
from kubekuma.model.policy import Happening
from kubekuma.model.provider import SmtpConfig, SmtpSecurity

pytestmark = pytest.mark.servers

SECRETS = {"user": "alice", "password": 's3"cr\\et', "wrong": "wr0ng"}
LOGIN: dict[str, Any] = {
    "username_secret_ref": secret_ref("user"),
    "password_secret_ref": secret_ref("password"),
}
MESSAGE = Message(
    id="m1",
    key="i1",
    happening=Happening.DOWN,
    monitor=Key("shop", "web"),
    name="Café",
    severity=AlertSeverity.CRITICAL,
    title="Café\r\nBcc: everybody@example.org is down",
    text="Timeout: <b>slow</b>",
    since=at(0),
    links={"Runbook": "https://wiki.example.org/?a=1&b=2"},
)


@attrs.frozen
class Server:
    port: int
    tls_port: int
    mails: Path

    def taken(self) -> list[tuple[str, EmailMessage]]:
        """Every mail since the last look, and to whom it went."""
        found = []
        for file in sorted(each for each in self.mails.iterdir() if each.name[0] != "."):
            to, _, content = file.read_bytes().partition(b"\n")
            found.append((to.decode(), message_from_bytes(content, policy=policy.default)))
            file.unlink()
        return found


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("smtpd")
    mails = folder / "mails"
    mails.mkdir()
    files = server_files(folder)
    port, tls_port = free_ports(2)
    command: list[str | Path] = [sys.executable, Path(__file__).with_name("smtpd.py")]
    command += [str(port), str(tls_port), files.cert, files.key]
    env = {"PASSWORD": SECRETS["password"], "MAILS": str(mails)}
    with running(command, folder, ports=(port, tls_port), env=env):
        yield Server(port, tls_port, mails)


def config(server: Server, security: SmtpSecurity, **more: Any) -> SmtpConfig:
    fields: dict[str, Any] = {
        "host": "localhost",
        "port": server.tls_port if security is SmtpSecurity.TLS else server.port,
        "security": security,
        "verify": False,
        "sender": "kuma@example.org",
        "to": ("ops@example.org", "dev@example.org"),
    }
    return SmtpConfig(**{**fields, **more})


async def send(it: SmtpConfig) -> None:
    def secret(ref: SecretKeyRef) -> str:
        return SECRETS[ref.key]

    await send_mail(it, MESSAGE, secret, at(60), trio.CapacityLimiter(1))


async def refusal(it: SmtpConfig) -> NotSent:
    with pytest.raises(NotSent) as failed:
        await send(it)
    return failed.value


@pytest.mark.parametrize("security", SmtpSecurity)
async def test_a_mail_arrives_over_every_security(server: Server, security: SmtpSecurity) -> None:
    login = {} if security is SmtpSecurity.NONE else LOGIN
    await send(config(server, security, cc=("boss@example.org",), **login))
    ((to, mail),) = server.taken()
    assert to == "ops@example.org,dev@example.org,boss@example.org"
    assert mail["Subject"] == "🔴 Café Bcc: everybody@example.org is down"
    assert mail["Bcc"] is None
    assert (mail["Message-ID"], mail["References"]) == ("<m1@kubekuma>", "<i1@kubekuma>")
    plain, html = mail.iter_parts()
    assert plain.get_content().splitlines() == [
        "Timeout: <b>slow</b>",
        "Runbook: https://wiki.example.org/?a=1&b=2",
    ]
    assert "&lt;b&gt;slow&lt;/b&gt;" in html.get_content()
    assert 'href="https://wiki.example.org/?a=1&amp;b=2"' in html.get_content()


async def test_an_end_is_in_the_thread_of_its_beginning(server: Server) -> None:
    it = config(server, SmtpSecurity.NONE)
    over = attrs.evolve(MESSAGE, id="m2", happening=Happening.UP)
    assert mail_of(it, over, at(0))["References"] == mail_of(it, MESSAGE, at(0))["References"]


async def test_who_is_not_let_in_may_be_later(server: Server) -> None:
    wrong = {**LOGIN, "password_secret_ref": secret_ref("wrong")}
    error = await refusal(config(server, SmtpSecurity.STARTTLS, **wrong))
    assert (error.said, error.lasting) == ("it does not let us in", False)
    assert "wr0ng" not in repr(error)


@pytest.mark.parametrize(("code", "lasting"), [("450", False), ("550", True)])
async def test_addresses_that_are_refused(server: Server, code: str, lasting: bool) -> None:
    it = config(server, SmtpSecurity.NONE, to=(f"{code}@example.org",))
    error = await refusal(it)
    assert (error.said, error.lasting) == ("it takes none of the addresses", lasting)
    some = config(server, SmtpSecurity.NONE, to=("ops@example.org", f"{code}@example.org"))
    partly = await refusal(some)
    assert partly.said == f"it does not take {code}@example.org"
    # Who could be reached was.
    ((to, _),) = server.taken()
    assert to == "ops@example.org"


async def test_a_certificate_that_nobody_vouches_for(server: Server) -> None:
    error = await refusal(config(server, SmtpSecurity.TLS, verify=True))
    assert error.said.startswith("its certificate: ")
    assert not error.lasting


async def test_nobody_there() -> None:
    (port,) = free_ports(1)
    nowhere = Server(port, port, Path())
    error = await refusal(config(nowhere, SmtpSecurity.NONE))
    assert error.said == "it could not be reached (ConnectionRefusedError)"
    assert not error.lasting
