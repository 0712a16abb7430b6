"""Names by the system's resolver: /etc/hosts, search domains and all."""

import socket
from collections.abc import Sequence
from typing import Final

import dns.nameserver
import dns.resolver
import trio

from kubekuma.check.context import Check
from kubekuma.check.errors import OS_REASONS, words
from kubekuma.check.finding import CheckFailed, Finding
from kubekuma.check.name_servers import Servers, Unanswered
from kubekuma.model.result import Reason
from kubekuma.model.target import IpFamily

_FAMILIES: Final = {
    IpFamily.AUTO: socket.AF_UNSPEC,
    IpFamily.IPV4: socket.AF_INET,
    IpFamily.IPV6: socket.AF_INET6,
}


async def ask_system(host: str, family: IpFamily, check: Check) -> Sequence[str]:
    """The addresses of ``host``; Unanswered when it is not clear whose fault it is."""
    limiter = check.context.dns_limiter
    trace = check.trace
    trace.at_deadline = Finding(
        Reason.NO_RESOLVER, f"all {limiter.total_tokens} threads that resolve names are busy"
    )

    def look_up() -> Sequence[str]:
        trace.at_deadline = None
        # As bytes: as text, Python would judge the name before the resolver does.
        found = socket.getaddrinfo(
            host.encode("ascii"), None, family=_FAMILIES[family], type=socket.SOCK_STREAM
        )
        return [str(address[0]) for *_, address in found]

    try:
        return await trio.to_thread.run_sync(look_up, abandon_on_cancel=True, limiter=limiter)
    except socket.gaierror as error:
        raise system_failure(host, error) from error
    except OSError as error:  # EAI_SYSTEM
        raise _own_failure(error) or Unanswered(words(error)) from error


def system_failure(host: str, error: socket.gaierror) -> Exception:
    """What ``error`` says: about the name, about us, or nothing yet."""
    if (ours := _lacking_descriptors()) is not None:
        # The C library reports that as almost anything, "no such name" included.
        return ours
    match error.errno:
        case socket.EAI_NONAME:
            return CheckFailed(Reason.DNS_NXDOMAIN, f"there is no host {host}")
        case socket.EAI_NODATA | socket.EAI_ADDRFAMILY:
            return CheckFailed(Reason.DNS_FAILURE, f"{host} has no such address")
        case socket.EAI_MEMORY:
            return CheckFailed(Reason.NO_MEMORY, f"no memory to resolve {host}")
        case socket.EAI_AGAIN | socket.EAI_SYSTEM:
            return Unanswered(error.strerror)
        case _:
            return CheckFailed(
                Reason.DNS_FAILURE, f"{host} could not be resolved ({error.strerror})"
            )


def _own_failure(error: OSError) -> CheckFailed | None:
    reason = OS_REASONS.get(error.errno or 0)
    if reason in {Reason.NO_DESCRIPTORS, Reason.NO_MEMORY}:
        return CheckFailed(reason, f"{words(error)} while resolving")
    return None


def _lacking_descriptors() -> CheckFailed | None:
    try:
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close()
    except OSError as error:
        return _own_failure(error)
    return None


def system_servers() -> Servers:
    """The servers that the system's resolver asks; none if it has not been told any."""
    return [dns.nameserver.Do53Nameserver(each) for each in system_addresses()]


def system_addresses() -> Sequence[str]:
    """Where the servers are that the system's resolver asks."""
    try:
        return [str(address) for address in dns.resolver.Resolver().nameservers]
    except (dns.resolver.NoResolverConfiguration, OSError):
        return ()
