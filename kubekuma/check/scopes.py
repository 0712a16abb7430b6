"""Which ways lead to a target, and which failures may come from the way. Pure."""

from enum import StrEnum
from ipaddress import ip_address
from typing import Final

from kubekuma.check.policy import unwrapped
from kubekuma.model.result import CheckResult, Reason


class Scope(StrEnum):
    """A part of the world that is lost as a whole when our own network fails."""

    INTERNET = "internet"
    LOCAL = "local"


# What a target that is well looks like from a machine whose network is not. A name that does not
# exist and a port that is closed were said by somebody.
_OF_THE_WAY: Final = frozenset(
    {
        Reason.TIMEOUT,
        Reason.CONNECTION_FAILED,
        Reason.CONNECTION_RESET,
        Reason.HOST_UNREACHABLE,
        Reason.PACKET_LOSS,
        # Ours anyway: who is blind says so, and looks again as soon as it is over.
        Reason.NO_ROUTE,
    }
)
# Resolvers that have lost the internet answer in any of these ways.
_OF_NAMES: Final = frozenset(
    {
        Reason.DNS_FAILURE,
        Reason.DNS_SERVFAIL,
        Reason.DNS_REFUSED,
        Reason.NO_RESOLVER,
    }
)


def scope_of(address: str) -> Scope | None:
    """Where ``address`` lies; None: on this machine, to which no network leads."""
    *_, stands_for = unwrapped(ip_address(address))
    if stands_for.is_loopback or stands_for.is_unspecified:
        return None
    return Scope.INTERNET if stands_for.is_global else Scope.LOCAL


def doubted(result: CheckResult) -> tuple[Scope, ...]:
    """The scopes of which any may be what failed; none: it was the target, or a lack of ours."""
    if result.reason in _OF_NAMES:
        return (Scope.INTERNET, Scope.LOCAL)
    if result.reason not in _OF_THE_WAY:
        return ()
    if result.peer is None:  # its name was not resolved
        return (Scope.INTERNET,)
    scope = scope_of_peer(result.peer)
    return () if scope is None else (scope,)


def scope_of_peer(peer: str | None) -> Scope | None:
    """Where ``peer`` lies: an address, with a port or without; None: on this machine."""
    for address in (peer, peer.rpartition(":")[0].strip("[]")) if peer else ():
        try:
            return scope_of(address)
        except ValueError:
            continue
    return None  # a path, to a socket of this machine
