"""Asks a server for TLS in the words of its protocol, up to where the handshake begins."""

import struct
from typing import Final, assert_never

from kubekuma.check.finding import CheckFailed
from kubekuma.check.reader import Reader
from kubekuma.check.wire import Wire
from kubekuma.model.result import Reason
from kubekuma.model.target import StartTls

# RFC 4511: LDAPMessage {1, ExtendedRequest {"1.3.6.1.4.1.1466.20037"}}.
_LDAP_REQUEST: Final = bytes.fromhex("301d02010177188016") + b"1.3.6.1.4.1.1466.20037"
_LDAP_RESPONSE: Final = 0x78
_POSTGRES_REQUEST: Final = struct.pack(">ii", 8, 80877103)
# MySQL's CLIENT_PROTOCOL_41, CLIENT_SSL and CLIENT_SECURE_CONNECTION.
_MYSQL_WANTS: Final = 0x200 | 0x800 | 0x8000
_MYSQL_SSL: Final = 0x800
_XMPP_TLS: Final = "urn:ietf:params:xml:ns:xmpp-tls"
_SHOWN: Final = 120


async def ask_for_tls(protocol: StartTls, host: str, wire: Wire) -> None:
    """Have the server at the other end of ``wire`` await a TLS handshake.

    Raises CheckFailed: TlsFailed if it does not offer TLS, ProtocolError if it
    does not speak ``protocol``.
    """
    reader = Reader(wire)
    match protocol:
        case StartTls.SMTP:
            await _smtp(wire, reader)
        case StartTls.IMAP:
            await _imap(wire, reader)
        case StartTls.POP3:
            await _begins(reader, b"+OK", protocol)
            await wire.send(b"STLS\r\n")
            await _agrees(reader, b"+OK")
        case StartTls.FTP:
            await _reply(reader, b"220", protocol)
            await wire.send(b"AUTH TLS\r\n")
            await _agrees(reader, b"234")
        case StartTls.XMPP:
            await _xmpp(wire, reader, host)
        case StartTls.LDAP:
            await wire.send(_LDAP_REQUEST)
            await _ldap_agrees(reader)
        case StartTls.POSTGRES:
            await wire.send(_POSTGRES_REQUEST)
            await _postgres_agrees(reader)
        case StartTls.MYSQL:
            await _mysql(wire, reader)
        case _:
            assert_never(protocol)
    if reader.waiting:
        # Whatever stands between us and the server could have put it there (CVE-2011-0411).
        raise CheckFailed(Reason.PROTOCOL_ERROR, "the target goes on in the clear after STARTTLS")


async def _smtp(wire: Wire, reader: Reader) -> None:
    await _reply(reader, b"220", StartTls.SMTP)
    await wire.send(b"EHLO kubekuma.invalid\r\n")
    offered = await _reply(reader, b"250", StartTls.SMTP)
    if not any(line[4:].strip().upper() == b"STARTTLS" for line in offered):
        raise _not_offered("")
    await wire.send(b"STARTTLS\r\n")
    await _agrees(reader, b"220")


async def _imap(wire: Wire, reader: Reader) -> None:
    await _begins(reader, b"* OK", StartTls.IMAP)
    await wire.send(b"a STARTTLS\r\n")
    while (line := await reader.line()).startswith(b"* "):
        pass
    if not line.upper().startswith(b"A OK"):
        raise _not_offered(_shown(line))


async def _xmpp(wire: Wire, reader: Reader, host: str) -> None:
    # A host is a name or an address by now: nothing in it needs escaping.
    opening = (
        f"<?xml version='1.0'?><stream:stream to='{host}' version='1.0'"
        " xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
    )
    await wire.send(opening.encode())
    features = await reader.until(b"</stream:features>")
    if _XMPP_TLS.encode() not in features:
        raise _not_offered("")
    await wire.send(f"<starttls xmlns='{_XMPP_TLS}'/>".encode())
    said = await reader.until(b">")
    if not said.lstrip().startswith(b"<proceed"):
        raise _not_offered(_shown(said))


async def _ldap_agrees(reader: Reader) -> None:
    head = await reader.exactly(2)
    # Longer answers than 127 bytes carry words, which only refusals do.
    if head[0] != 0x30:
        raise _not_spoken(StartTls.LDAP)
    size = head[1]
    if size & 0x80:
        size = int.from_bytes(await reader.exactly(size & 0x7F), "big")
    body = await reader.exactly(size)
    # INTEGER message id, then the response, which begins with ENUMERATED result code.
    _, _, response = body.partition(bytes([_LDAP_RESPONSE]))
    at = response.find(b"\x0a\x01")
    if at < 0:
        raise _not_spoken(StartTls.LDAP)
    if response[at + 2]:
        raise _not_offered(f"result code {response[at + 2]}")


async def _postgres_agrees(reader: Reader) -> None:
    answer = await reader.exactly(1)
    if answer == b"N":
        raise _not_offered("")
    if answer != b"S":
        raise _not_spoken(StartTls.POSTGRES)


async def _mysql(wire: Wire, reader: Reader) -> None:
    head = await reader.exactly(4)
    greeting = await reader.exactly(int.from_bytes(head[:3], "little"))
    version, end, rest = greeting[1:].partition(b"\0")
    # Thread id, 8 bytes of salt and a filler come before the capabilities.
    if greeting[:1] != b"\x0a" or not version or not end or len(rest) < 15:
        raise _not_spoken(StartTls.MYSQL)
    if not int.from_bytes(rest[13:15], "little") & _MYSQL_SSL:
        raise _not_offered("")
    request = struct.pack("<IIB23x", _MYSQL_WANTS, 1 << 24, 33)
    await wire.send(len(request).to_bytes(3, "little") + b"\x01" + request)


async def _reply(reader: Reader, code: bytes, protocol: StartTls) -> list[bytes]:
    """Read a reply of one or more lines that must have ``code``."""
    lines = [await reader.line()]
    while lines[-1][:4] == code + b"-":
        lines.append(await reader.line())
    if lines[-1][:3] != code:
        raise _not_spoken(protocol, lines[-1])
    return lines


async def _begins(reader: Reader, start: bytes, protocol: StartTls) -> None:
    line = await reader.line()
    if not line.startswith(start):
        raise _not_spoken(protocol, line)


async def _agrees(reader: Reader, start: bytes) -> None:
    line = await reader.line()
    if not line.startswith(start):
        raise _not_offered(_shown(line))


def _not_offered(said: str) -> CheckFailed:
    why = f": {said}" if said else ""
    return CheckFailed(Reason.TLS_FAILED, f"the target does not offer TLS{why}")


def _not_spoken(protocol: StartTls, said: bytes = b"") -> CheckFailed:
    what = f", it says {_shown(said)}" if said else ""
    return CheckFailed(Reason.PROTOCOL_ERROR, f"the target does not speak {protocol}{what}")


def _shown(line: bytes) -> str:
    return repr(line.decode("utf-8", "replace")[:_SHOWN])
