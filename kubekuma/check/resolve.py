"""The DNS step: from a host to addresses, by the system's resolver or by servers of our choice."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from itertools import chain, zip_longest
from typing import Final

import trio

from kubekuma.check.choose_servers import servers_for
from kubekuma.check.context import Check
from kubekuma.check.finding import CheckFailed
from kubekuma.check.name_servers import (
    ALIVE_SECONDS,
    Servers,
    Unanswered,
    any_alive,
    ask_servers,
    version_of,
)
from kubekuma.check.system_resolver import ask_system, system_servers
from kubekuma.check.trace import Phase
from kubekuma.model.result import Reason
from kubekuma.model.target import IpFamily, Resolver

MOST_ADDRESSES: Final = 8

_KINDS: Final = {IpFamily.AUTO: "", IpFamily.IPV4: "IPv4 ", IpFamily.IPV6: "IPv6 "}
_VERSIONS: Final = {IpFamily.AUTO: (4, 6), IpFamily.IPV4: (4,), IpFamily.IPV6: (6,)}


async def resolve(
    host: str, family: IpFamily, check: Check, *, resolver: Resolver | None = None
) -> Sequence[str]:
    """Find the addresses of ``host``, those to try first first.

    ``resolver`` comes before the settings', and those before the system's. Raises CheckFailed
    when there are none.
    """
    if (version := version_of(host)) is not None:
        if version not in _VERSIONS[family]:
            raise CheckFailed(Reason.DNS_FAILURE, f"{host} is not an {_KINDS[family]}address")
        return (host,)
    check.trace.enter(Phase.DNS, f"resolving {host}")
    servers = await servers_for(check, resolver)
    if check.trace.wanted:
        by = ", ".join(each.answer_nameserver() for each in servers) or "the system's resolver"
        check.trace.say("resolving %s by %s", host, by)
    ask = partial(ask_servers, servers) if servers else ask_system
    found = interleaved(await _bounded(ask, host, family, check, servers))
    if not found:
        raise CheckFailed(Reason.DNS_FAILURE, f"{host} has no {_KINDS[family]}address")
    if check.trace.wanted:
        took = check.trace.lap() * 1000
        check.trace.say("resolved %s to %s in %.1f ms", host, ", ".join(found), took)
    return found[:MOST_ADDRESSES]


def interleaved(addresses: Iterable[str]) -> Sequence[str]:
    """Order ``addresses`` so that the families take turns (RFC 8305, section 4)."""
    unique = tuple(dict.fromkeys(addresses))
    first_is_v6 = ":" in unique[0] if unique else False
    same = [each for each in unique if (":" in each) is first_is_v6]
    other = [each for each in unique if (":" in each) is not first_is_v6]
    return tuple(filter(None, chain.from_iterable(zip_longest(same, other))))


async def _bounded(
    ask: Callable[[str, IpFamily, Check], Awaitable[Sequence[str]]],
    host: str,
    family: IpFamily,
    check: Check,
    servers: Servers,
) -> Sequence[str]:
    seconds = limit_for_asking(check)
    unanswered = f"no answer about {host} within {seconds:g} s"
    try:
        # Not the check's deadline but the settings' limit for this one step.
        with trio.fail_after(seconds):
            return await ask(host, family, check)
    except trio.TooSlowError:
        if (ours := check.trace.at_deadline) is not None:
            raise CheckFailed(ours.reason, ours.message) from None
    except Unanswered as error:
        unanswered = f"{host} could not be resolved ({error})"
    # Whose fault? A resolver that knows the root is well, and the name's own servers are not.
    if await any_alive(servers or system_servers()):
        raise CheckFailed(Reason.DNS_FAILURE, unanswered)
    raise CheckFailed(Reason.NO_RESOLVER, f"{unanswered}, and no resolver answers at all")


def limit_for_asking(check: Check) -> float:
    """How long to ask: as the settings say, but time must remain to see whose fault silence is."""
    configured = check.context.networking.dns.timeout_seconds
    left = trio.current_effective_deadline() - trio.current_time()
    return min(configured, max(left - 1.5 * ALIVE_SECONDS, left / 2))
