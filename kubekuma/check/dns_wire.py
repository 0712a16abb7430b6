"""DNS messages over a connection: framed (RFC 1035, RFC 7858) or as HTTP (RFC 8484)."""

import struct
from typing import Final

import dns.exception
import dns.message

from kubekuma.check.exchange import Wanted
from kubekuma.check.exchange_h2 import exchange_agreed
from kubekuma.check.finding import CheckFailed
from kubekuma.check.reader import Reader
from kubekuma.check.request import Field, Request, merged
from kubekuma.check.trace import Trace
from kubekuma.check.wire import Wire
from kubekuma.kit.url import Url
from kubekuma.model.result import Reason
from kubekuma.model.target import DnsTransport

PORTS: Final = {
    DnsTransport.UDP: 53,
    DnsTransport.TCP: 53,
    DnsTransport.TLS: 853,
    DnsTransport.HTTPS: 443,
}
PATH: Final = "/dns-query"
MOST_BYTES: Final = 65535
_TYPE: Final = b"application/dns-message"


def alpn_of(transport: DnsTransport) -> tuple[str, ...]:
    """The protocols to offer in the TLS handshake."""
    if transport is DnsTransport.HTTPS:
        return ("h2", "http/1.1")
    return ("dot",) if transport is DnsTransport.TLS else ()


async def ask_framed(wire: Wire, question: dns.message.QueryMessage) -> dns.message.QueryMessage:
    """Ask over TCP, or over TLS on top of it. Raises CheckFailed."""
    wired = question.to_wire()
    await wire.send(struct.pack(">H", len(wired)) + wired)
    reader = Reader(wire)
    (size,) = struct.unpack(">H", await reader.exactly(2))
    return _required(question, await reader.exactly(size))


async def ask_https(
    wire: Wire, host: str, port: int, question: dns.message.QueryMessage, trace: Trace
) -> dns.message.QueryMessage:
    """Ask by an HTTP request over ``wire``. Raises CheckFailed."""
    url = Url(scheme="https", host=host, port=port, target=PATH)
    headers = merged((Field(b"Accept", _TYPE), Field(b"Content-Type", _TYPE)), ())
    request = Request(method="POST", url=url, headers=headers, body=question.to_wire())
    wanted = Wanted(body=True, max_body_bytes=MOST_BYTES, redirects=False)
    answer = await exchange_agreed(wire, request, wanted, trace)
    if answer.status != 200:
        message = f"the resolver answers with status {answer.status}"
        raise CheckFailed(Reason.PROTOCOL_ERROR, message)
    return _required(question, answer.body)


def answer_in(question: dns.message.QueryMessage, data: bytes) -> dns.message.QueryMessage | None:
    """Read ``data``, if it is an answer to ``question``."""
    try:
        answer = dns.message.from_wire(data, ignore_trailing=True)
    except dns.exception.DNSException:
        return None
    if isinstance(answer, dns.message.QueryMessage) and question.is_response(answer):
        return answer
    return None


def _required(question: dns.message.QueryMessage, data: bytes) -> dns.message.QueryMessage:
    answer = answer_in(question, data)
    if answer is None:
        raise CheckFailed(Reason.PROTOCOL_ERROR, "the answer is none to our DNS question")
    return answer
