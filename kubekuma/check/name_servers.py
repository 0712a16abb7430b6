"""Names by DNS servers that the settings or a target name."""

import errno
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Final, TypeAlias

import dns.asyncbackend
import dns.asyncresolver
import dns.exception
import dns.message
import dns.nameserver
import dns.rdatatype
import dns.resolver
import trio

from kubekuma.check.context import Check
from kubekuma.check.errors import os_failure
from kubekuma.check.finding import CheckFailed
from kubekuma.model.result import Reason
from kubekuma.model.target import IpFamily

# How long a resolver may take to show that it is there at all.
ALIVE_SECONDS: Final = 1.0

Servers: TypeAlias = Sequence[dns.nameserver.Nameserver]

_RECORDS: Final = {
    IpFamily.AUTO: (dns.rdatatype.AAAA, dns.rdatatype.A),
    IpFamily.IPV4: (dns.rdatatype.A,),
    IpFamily.IPV6: (dns.rdatatype.AAAA,),
}


class Unanswered(Exception):  # noqa: N818 - a question, not an error
    """The resolver came back with nothing; whose fault that is remains to be seen."""


def version_of(text: str) -> int | None:
    """The version of IP if ``text`` is an address; None if it is a name."""
    try:
        return ip_address(text).version
    except ValueError:
        return None


async def ask_servers(servers: Servers, host: str, family: IpFamily, check: Check) -> Sequence[str]:
    """The addresses of ``host``; Unanswered when it is not clear whose fault it is."""
    asking = dns.asyncresolver.Resolver(configure=False)
    asking.nameservers = list(servers)
    asking.lifetime = check.context.networking.dns.timeout_seconds
    answers: dict[dns.rdatatype.RdataType, Sequence[str] | Exception] = {}

    async def ask(record: dns.rdatatype.RdataType) -> None:
        try:
            answer = await asking.resolve(host, record, search=False, raise_on_no_answer=False)
            answers[record] = [str(each.address) for each in answer.rrset or ()]
        except (dns.exception.DNSException, OSError) as error:
            answers[record] = error

    async with trio.open_nursery() as nursery:
        for record in _RECORDS[family]:
            nursery.start_soon(ask, record)
    return _combined(host, [answers[record] for record in _RECORDS[family]])


def _combined(host: str, answers: Sequence[Sequence[str] | Exception]) -> Sequence[str]:
    """All addresses; the failure of one family counts only if the other has none."""
    found = [each for answer in answers if not isinstance(answer, Exception) for each in answer]
    errors = [answer for answer in answers if isinstance(answer, Exception)]
    if found or not errors:
        return found
    raise _server_failure(host, errors[0]) from errors[0]


def _server_failure(host: str, error: Exception) -> Exception:
    match error:
        case dns.resolver.NXDOMAIN():
            return CheckFailed(Reason.DNS_NXDOMAIN, f"there is no host {host}")
        case OSError(errno=errno.EMFILE | errno.ENFILE | errno.ENOMEM | errno.ENOBUFS):
            return os_failure(error, f"resolving {host}")
        case dns.resolver.NoNameservers() | dns.exception.Timeout() | OSError():
            return Unanswered(type(error).__name__)
        case _:  # a name that cannot be asked for
            return CheckFailed(Reason.DNS_FAILURE, f"{host} cannot be resolved ({error})")


async def any_alive(servers: Servers) -> bool:
    """Whether any of ``servers`` answers anything at all."""
    alive = False
    question = dns.message.make_query(".", "NS")
    backend = dns.asyncbackend.get_backend("trio")

    async def ask(server: dns.nameserver.Nameserver, scope: trio.CancelScope) -> None:
        nonlocal alive
        try:
            await server.async_query(
                question,
                timeout=ALIVE_SECONDS,
                source=None,
                source_port=0,
                max_size=server.is_always_max_size(),
                backend=backend,
            )
        except (dns.exception.DNSException, OSError):
            return
        alive = True
        scope.cancel()

    async with trio.open_nursery() as nursery:
        for server in servers:
            nursery.start_soon(ask, server, nursery.cancel_scope)
    return alive
