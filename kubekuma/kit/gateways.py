"""The machine's default gateways, as Linux shows them."""

import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import IPv6Address
from pathlib import Path
from typing import Final

_ROUTES: Final = Path("/proc/net/route")
_ROUTES_V6: Final = Path("/proc/net/ipv6_route")
# Default routes stand at the top; a node of a cluster may have thousands of others.
_MOST_CHARACTERS: Final = 65_536
_GATEWAY: Final = 0x2  # RTF_GATEWAY


def gateways() -> tuple[str, ...]:
    """Find the default gateways, link-local ones with their zone; none where it is not Linux."""
    return tuple(
        dict.fromkeys((*parse_routes(_read(_ROUTES)), *parse_routes_v6(_read(_ROUTES_V6))))
    )


def parse_routes(text: str) -> Iterator[str]:
    """Find the gateways of the default routes in the form of /proc/net/route."""
    for line in text.splitlines()[1:]:
        with suppress(ValueError):
            _, destination, gateway, flags, _, _, _, mask, *_ = line.split()
            if int(destination, 16) == int(mask, 16) == 0 and int(flags, 16) & _GATEWAY:
                # In network order, read as one number of this machine's order.
                yield socket.inet_ntoa(struct.pack("=I", int(gateway, 16)))


def parse_routes_v6(text: str) -> Iterator[str]:
    """Find the gateways of the default routes in the form of /proc/net/ipv6_route."""
    for line in text.splitlines():
        with suppress(ValueError):
            destination, bits, _, _, gateway, _, _, _, flags, device = line.split()
            if int(destination, 16) == int(bits, 16) == 0 and int(flags, 16) & _GATEWAY:
                address = IPv6Address(int(gateway, 16))
                yield f"{address}%{device}" if address.is_link_local else str(address)


def _read(path: Path) -> str:
    try:
        with path.open(encoding="ascii", errors="replace") as file:
            return file.read(_MOST_CHARACTERS)
    except OSError:
        return ""
