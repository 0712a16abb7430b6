"""Addresses and networks: ``ip`` and ``cidr``."""

from collections.abc import Callable, Mapping
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv6Address,
    IPv6Interface,
    ip_address,
    ip_interface,
)
from typing import Any, Final, TypeAlias

import re2

from kubekuma.standalone.functions.opaque import Opaque, content, kind_of, opaque

IP: Final = "net.IP"
CIDR: Final = "net.CIDR"

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Interface | IPv6Interface

_LENGTH: Final = re2.compile(r"^(0|[1-9][0-9]{0,2})$")
_BROADCAST: Final = IPv4Address("255.255.255.255")


def _address(text: str) -> Address:
    found = ip_address(text)
    if isinstance(found, IPv6Address):
        if found.scope_id is not None or "%" in text:
            raise ValueError(f'IP address "{text}" with zone value is not allowed')
        if found.ipv4_mapped is not None:
            raise ValueError(f'IPv4-mapped IPv6 address "{text}" is not allowed')
    return found


def _network(text: str) -> Network:
    address, _, length = text.rpartition("/")
    if not _LENGTH.match(length):
        raise ValueError(f'network address parse error: "{text}" has no length of a prefix')
    return ip_interface(f"{_address(address)}/{length}")


def _is(parsed: Callable[[str], object]) -> Callable[[str], bool]:
    def holds(text: str) -> bool:
        try:
            parsed(text)
        except ValueError:
            return False
        return True

    return holds


def _ip(value: Any) -> Opaque:
    # Of a text, or of a network.
    found = _address(value) if isinstance(value, str) else _network_in(value).ip
    return opaque(IP, str(found))


def _cidr(text: str) -> Opaque:
    return opaque(CIDR, str(_network(text)))


def _address_in(value: Any) -> Address:
    return ip_address(content(IP, value))


def _network_in(value: Any) -> Network:
    return ip_interface(content(CIDR, value))


def _masked(value: Any) -> Opaque:
    return opaque(CIDR, str(_network_in(value).network))


def _contains_address(value: Any, other: Any) -> bool:
    address = _address(other) if isinstance(other, str) else _address_in(other)
    return address in _network_in(value).network


def _contains_network(value: Any, other: Any) -> bool:
    outer = _network_in(value).network
    inner = (_network(other) if isinstance(other, str) else _network_in(other)).network
    return inner.version == outer.version and inner.subnet_of(outer)  # type: ignore[arg-type]


def _is_link_local_multicast(value: Any) -> bool:
    address = _address_in(value)
    if isinstance(address, IPv4Address):
        return address.packed[:3] == bytes((224, 0, 0))
    return address.packed[0] == 0xFF and address.packed[1] & 0x0F == 0x02


def _is_link_local_unicast(value: Any) -> bool:
    return _address_in(value).is_link_local


def _is_global_unicast(value: Any) -> bool:
    # As RFC 4291 has it, private addresses included.
    address = _address_in(value)
    return not (
        address.is_unspecified
        or address.is_loopback
        or address.is_multicast
        or address.is_link_local
        or address == _BROADCAST
    )


def address_text(value: Any) -> str | None:
    """The canonical text of an address or network; None if ``value`` is neither."""
    return str(value[kind]) if (kind := kind_of(value)) in {IP, CIDR} else None


ADDRESSES: Final[Mapping[str, Callable[..., Any]]] = {
    "ip": _ip,
    "isIP": _is(_address),
    "ip.isCanonical": lambda text: str(_address(text)) == text,
    "family": lambda value: _address_in(value).version,
    "isUnspecified": lambda value: _address_in(value).is_unspecified,
    "isLoopback": lambda value: _address_in(value).is_loopback,
    "isLinkLocalMulticast": _is_link_local_multicast,
    "isLinkLocalUnicast": _is_link_local_unicast,
    "isGlobalUnicast": _is_global_unicast,
    "cidr": _cidr,
    "isCIDR": _is(_network),
    "containsIP": _contains_address,
    "containsCIDR": _contains_network,
    "prefixLength": lambda value: _network_in(value).network.prefixlen,
    "masked": _masked,
}
