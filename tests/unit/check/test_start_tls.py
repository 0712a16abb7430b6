"""What servers say instead of agreeing to TLS. That they agree, real ones show in tests/servers."""

from collections.abc import Sequence

import pytest
import trio
from fakes.targets import Step, check_context, monitor_of, start_target

from kubekuma.check.run import run_check
from kubekuma.model.monitor import MonitorType
from kubekuma.model.result import CheckResult, Reason
from kubekuma.model.target import OptionalTls, StartTls, TcpTarget

SMTP_OFFER = [b"220 hi\r\n", b"250-hello\r\n250 STARTTLS\r\n"]
XMPP = b"<stream:stream xmlns:stream='http://etherx.jabber.org/streams'><stream:features>"
XMPP_OFFER = XMPP + (
    b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls></stream:features>"
)
LDAP_REFUSAL = bytes.fromhex("300c02010178070a010204000400")
MYSQL_WITHOUT_TLS = b"\x0a8.0\x00" + bytes(4 + 8 + 1) + (0xF7FF).to_bytes(2, "little") + bytes(20)


def packet(body: bytes) -> bytes:
    return len(body).to_bytes(3, "little") + b"\x00" + body


async def ask(nursery: trio.Nursery, protocol: StartTls, *said: bytes) -> CheckResult:
    """The result where the server says these parts, one after each thing it hears."""
    heard_first = protocol in {StartTls.XMPP, StartTls.LDAP, StartTls.POSTGRES}
    steps: list[Step] = [hear] if heard_first else []
    for part in said:
        steps += [part, hear]
    target = await start_target(nursery, *steps, read=False)
    tls = OptionalTls(start_tls=protocol)
    tcp = TcpTarget(host="127.0.0.1", port=target.port, tls=tls)
    return await run_check(monitor_of(MonitorType.TCP, tcp), check_context())


async def hear(stream: trio.abc.Stream) -> None:
    await stream.receive_some()


@pytest.mark.parametrize(
    ("protocol", "said", "message"),
    [
        (StartTls.SMTP, [b"220 hi\r\n", b"250-hello\r\n250 SIZE\r\n"], ""),
        (StartTls.SMTP, [*SMTP_OFFER, b"454 not now\r\n"], ": '454 not now'"),
        (StartTls.IMAP, [b"* OK hi\r\n", b"* X\r\na BAD what?\r\n"], ": 'a BAD what?'"),
        (StartTls.POP3, [b"+OK hi\r\n", b"-ERR what?\r\n"], ": '-ERR what?'"),
        (StartTls.FTP, [b"220-a\r\n220 b\r\n", b"502 what?\r\n"], ": '502 what?'"),
        (StartTls.XMPP, [XMPP + b"</stream:features>"], ""),
        (StartTls.XMPP, [XMPP_OFFER, b"<failure xmlns='x'/>"], ": \"<failure xmlns='x'/>\""),
        (StartTls.LDAP, [LDAP_REFUSAL], ": result code 2"),
        (StartTls.POSTGRES, [b"N"], ""),
        (StartTls.MYSQL, [packet(MYSQL_WITHOUT_TLS)], ""),
    ],
)
async def test_who_does_not_offer_tls_is_told_from_who_does_it_badly(
    nursery: trio.Nursery, protocol: StartTls, said: Sequence[bytes], message: str
) -> None:
    result = await ask(nursery, protocol, *said)
    assert result.reason is Reason.TLS_FAILED
    assert result.message == f"the target does not offer TLS{message}"


@pytest.mark.parametrize(
    ("protocol", "said"),
    [
        (StartTls.SMTP, [b"554 go away\r\n"]),
        (StartTls.SMTP, [b"SSH-2.0-OpenSSH_9.2\r\n"]),
        (StartTls.SMTP, [b"220 hi\r\n", b"502 no EHLO\r\n"]),
        (StartTls.IMAP, [b"220 hi\r\n"]),
        (StartTls.POP3, [b"* OK hi\r\n"]),
        (StartTls.FTP, [b"421 full\r\n"]),
        (StartTls.LDAP, [b"HTTP/1.1 400 Bad Request\r\n\r\n"]),
        (StartTls.LDAP, [b"\x30\x05\x02\x01\x01\x65\x00"]),
        (StartTls.POSTGRES, [b"HTTP/1.1 400 Bad Request\r\n\r\n"]),
        (StartTls.MYSQL, [packet(b"\xffToo many connections")]),
        (StartTls.MYSQL, [packet(b"\x0a8.0\x00short")]),
    ],
)
async def test_who_speaks_another_protocol_is_named(
    nursery: trio.Nursery, protocol: StartTls, said: Sequence[bytes]
) -> None:
    result = await ask(nursery, protocol, *said)
    assert result.reason is Reason.PROTOCOL_ERROR
    assert f"the target does not speak {protocol}" in result.message


@pytest.mark.parametrize("protocol", StartTls)
async def test_who_hangs_up_is_said_to(nursery: trio.Nursery, protocol: StartTls) -> None:
    result = await ask(nursery, protocol)
    assert result.reason is Reason.CONNECTION_CLOSED


@pytest.mark.parametrize("protocol", [StartTls.SMTP, StartTls.IMAP, StartTls.FTP, StartTls.XMPP])
async def test_an_answer_without_end_is_not_collected(
    nursery: trio.Nursery, protocol: StartTls
) -> None:
    result = await ask(nursery, protocol, b"2" * 200_000)
    assert result.reason is Reason.PROTOCOL_ERROR
    assert "more than 65536 bytes" in result.message


@pytest.mark.parametrize(
    ("protocol", "said"),
    [
        (StartTls.SMTP, [*SMTP_OFFER, b"220 go\r\n250 injected\r\n"]),
        (StartTls.IMAP, [b"* OK hi\r\n", b"a OK go\r\n* injected\r\n"]),
        (StartTls.POSTGRES, [b"Sinjected"]),
    ],
)
async def test_what_comes_in_the_clear_after_the_agreement_is_not_believed(
    nursery: trio.Nursery, protocol: StartTls, said: Sequence[bytes]
) -> None:
    result = await ask(nursery, protocol, *said)
    assert result.reason is Reason.PROTOCOL_ERROR
    assert "in the clear after STARTTLS" in result.message
