"""One question to one DNS server, by whichever transport it is asked."""

import attrs
import dns.flags
import dns.message

from kubekuma.check.context import Check
from kubekuma.check.datagram import open_datagrams
from kubekuma.check.dial import Destination, dial
from kubekuma.check.dns_wire import PORTS, alpn_of, answer_in, ask_framed, ask_https
from kubekuma.check.trace import Phase
from kubekuma.kit.url import parse_host
from kubekuma.model.target import DnsTransport, IpFamily, Resolver, Tls


@attrs.frozen
class Server:
    """A server to ask. ``trusted``: it is of our own settings, not of a monitor's author."""

    resolver: Resolver
    trusted: bool

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.resolver.port or PORTS[self.resolver.transport]

    def __str__(self) -> str:
        return f"{self.resolver.address} ({self.resolver.transport})"


async def ask_dns(
    server: Server, question: dns.message.QueryMessage, check: Check
) -> dns.message.QueryMessage:
    """Ask ``server``; what does not fit into a datagram is asked for again by TCP.

    Raises CheckFailed: for whoever is not there, or does not speak DNS.
    """
    if server.resolver.transport is not DnsTransport.UDP:
        return await _by_connection(server, question, check)
    answer = await _by_datagrams(server, question, check)
    if not answer.flags & dns.flags.TC:
        return answer
    check.trace.say("the answer is cut short: asking again by TCP")
    return await _by_connection(server, question, check)


async def _by_datagrams(
    server: Server, question: dns.message.QueryMessage, check: Check
) -> dns.message.QueryMessage:
    to = server.resolver.address
    datagrams = await open_datagrams(to, server.port, check, trusted=server.trusted)
    try:
        return await datagrams.ask(question.to_wire(), lambda data: answer_in(question, data))
    finally:
        datagrams.close()


async def _by_connection(
    server: Server, question: dns.message.QueryMessage, check: Check
) -> dns.message.QueryMessage:
    transport = server.resolver.transport
    to = Destination(
        host=parse_host(server.resolver.address),
        port=server.port,
        ip_family=IpFamily.AUTO,
        tls=Tls() if transport.is_encrypted else None,
        alpn=alpn_of(transport),
        trusted=server.trusted,
    )
    wire = await dial(to, check)
    try:
        check.trace.enter(Phase.FIRST_BYTE, f"waiting for an answer of {check.trace.peer}")
        if transport is DnsTransport.HTTPS:
            return await ask_https(wire, to.host, to.port, question, check.trace)
        return await ask_framed(wire, question)
    finally:
        wire.close()
