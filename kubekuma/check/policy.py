"""Which addresses may be connected to.

What an address stands for counts, not how it is written: forms of IPv6 that carry an IPv4 address
are judged by both. ``allowCidrs`` opens what is denied by default; ``denyCidrs`` always wins.
"""

from collections.abc import Iterable, Iterator
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final, TypeAlias

import attrs

from kubekuma.model.settings import AddressPolicy

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

DENIED_BY_DEFAULT: Final[tuple[tuple[Network, str], ...]] = tuple(
    (ip_network(cidr), what)
    for cidr, what in (
        # Metadata services hand out credentials of the machine; the usual ones are link-local.
        ("169.254.169.254/32", "a metadata service"),
        ("169.254.170.2/32", "a metadata service"),
        ("100.100.100.200/32", "a metadata service"),
        ("168.63.129.16/32", "a metadata service"),
        ("192.0.0.192/32", "a metadata service"),
        ("fd00:ec2::254/128", "a metadata service"),
        ("fd20:ce::254/128", "a metadata service"),
        ("127.0.0.0/8", "loopback"),
        ("::1/128", "loopback"),
        ("169.254.0.0/16", "link-local"),
        ("fe80::/10", "link-local"),
        ("0.0.0.0/8", "unspecified"),
        ("::/128", "unspecified"),
        ("224.0.0.0/4", "multicast"),
        ("ff00::/8", "multicast"),
        ("255.255.255.255/32", "broadcast"),
    )
)

_NAT64: Final = ip_network("64:ff9b::/96")  # RFC 6052
_NAT64_LOCAL: Final = ip_network("64:ff9b:1::/48")  # RFC 8215
_COMPATIBLE: Final = ip_network("::/96")  # RFC 4291, section 2.5.5.1, deprecated


@attrs.frozen(kw_only=True)
class Policy:
    """``AddressPolicy``, parsed."""

    deny: tuple[Network, ...] = ()
    allow: tuple[Network, ...] = ()


def parse_policy(rules: AddressPolicy) -> Policy:
    """Parse the settings' ranges; host bits in them are ignored."""
    return Policy(deny=_networks(rules.deny_cidrs), allow=_networks(rules.allow_cidrs))


def refusal(address: str, policy: Policy) -> str | None:
    """Why ``address`` must not be connected to, or None when it may be."""
    for form in unwrapped(ip_address(address)):
        if _within(form, policy.deny):
            return f"{address} is denied by the settings"
        what = next((what for network, what in DENIED_BY_DEFAULT if form in network), None)
        if what and not _within(form, policy.allow):
            return f"{address} is denied by default ({what})"
    return None


def unwrapped(address: Address) -> Iterator[Address]:
    """Yield ``address`` and every IPv4 address that it carries."""
    yield address
    if isinstance(address, IPv4Address):
        return
    if address.ipv4_mapped:
        yield address.ipv4_mapped
    if address.sixtofour:
        yield address.sixtofour
    if address.teredo:
        yield from address.teredo
    # Not ``::`` and ``::1``, which are addresses of their own.
    carries_last_32 = address in _NAT64 or address in _NAT64_LOCAL or address in _COMPATIBLE
    if carries_last_32 and int(address) > 1:
        yield IPv4Address(int(address) & 0xFFFF_FFFF)


def _networks(cidrs: Iterable[str]) -> tuple[Network, ...]:
    return tuple(ip_network(cidr, strict=False) for cidr in cidrs)


def _within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)
