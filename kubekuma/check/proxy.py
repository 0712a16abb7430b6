"""Ways through proxies: HTTP CONNECT (RFC 9110, section 9.3.6) and SOCKS 5 (RFC 1928, RFC 1929)."""

import struct
from base64 import b64encode
from ipaddress import ip_address
from typing import Final
from urllib.parse import unquote, urlsplit

import attrs

from kubekuma.check.connect import Connection
from kubekuma.check.context import Check
from kubekuma.check.finding import CheckFailed
from kubekuma.check.reader import Reader
from kubekuma.check.redact import forms
from kubekuma.check.request import Field, Request
from kubekuma.check.wire import PlainWire, Wire
from kubekuma.kit.url import parse_host
from kubekuma.model.result import Reason
from kubekuma.model.target import Proxy, ProxyMode

_PORTS: Final = {ProxyMode.HTTP: 3128, ProxyMode.SOCKS: 1080}
_SCHEMES: Final = {ProxyMode.HTTP: {"http"}, ProxyMode.SOCKS: {"socks", "socks5", "socks5h"}}
MOST_LINES: Final = 128

_NOBODY, _PASSWORD = 0, 2
_SOCKS_REPLIES: Final = {
    1: (Reason.CONNECTION_FAILED, "general failure"),
    2: (Reason.CONNECTION_FAILED, "its rules forbid it"),
    3: (Reason.HOST_UNREACHABLE, "the network is unreachable"),
    4: (Reason.HOST_UNREACHABLE, "the host is unreachable"),
    5: (Reason.CONNECTION_REFUSED, "the connection is refused"),
    6: (Reason.TIMEOUT, "the way is too long"),
    7: (Reason.PROTOCOL_ERROR, "it cannot connect"),
    8: (Reason.PROTOCOL_ERROR, "it does not know such addresses"),
}


@attrs.frozen(kw_only=True)
class ProxyRoute:
    """A proxy, and who we are there."""

    mode: ProxyMode
    host: str
    port: int
    user: str = ""
    password: str = attrs.field(default="", repr=False)
    # HTTP proxies forward requests in the clear themselves; a tunnel is for all else.
    tunnel: bool = True

    @property
    def authorization(self) -> bytes | None:
        """The value of Proxy-Authorization, if we are to say who we are."""
        if not self.user:
            return None
        return b"Basic " + b64encode(f"{self.user}:{self.password}".encode())


async def route_of(proxy: Proxy | None, check: Check) -> ProxyRoute | None:
    """Read where the proxy is from its Secret. Raises CheckFailed (SecretMissing)."""
    ref = proxy.url_from_secret_ref if proxy is not None else None
    if proxy is None or ref is None or proxy.mode is ProxyMode.NONE:
        return None
    text = (await check.value(ref)).decode("utf-8", "replace").strip()
    try:
        route = parse_route(proxy.mode, text)
    except ValueError as error:
        message = f"the proxy's URL in {ref.key} of Secret {ref.name} {error}"
        raise CheckFailed(Reason.SECRET_MISSING, message) from error
    check.trace.secrets.extend(forms(route.password))
    return route


def parse_route(mode: ProxyMode, text: str) -> ProxyRoute:
    """Parse a proxy's URL. Raises ValueError (a message that starts with "must")."""
    parts = urlsplit(text)
    if parts.scheme not in _SCHEMES[mode]:
        raise ValueError(f"must start with {' or '.join(sorted(_SCHEMES[mode]))}://")
    return ProxyRoute(
        mode=mode,
        host=parse_host(parts.hostname or ""),
        port=parts.port or _PORTS[mode],
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )


def forwarded(request: Request, route: ProxyRoute) -> Request:
    """Return ``request`` as an HTTP proxy wants it: with the whole URL, and with who we are."""
    url = request.url
    whole = attrs.evolve(url, target=f"{url.scheme}://{url.authority}{url.target}")
    headers = request.headers
    if route.authorization is not None:
        headers = (*headers, Field(b"Proxy-Authorization", route.authorization, secret=True))
    return attrs.evolve(request, url=whole, headers=headers)


async def enter_tunnel(connection: Connection, route: ProxyRoute, host: str, port: int) -> None:
    """Have the proxy at the other end of ``connection`` lead on to ``host``.

    Closes the connection if it does not.
    """
    if not route.tunnel:
        return
    wire = PlainWire(connection.sock)
    try:
        if route.mode is ProxyMode.HTTP:
            await _connect_http(wire, route, host, port)
        else:
            await _connect_socks(wire, route, host, port)
    except BaseException:
        connection.sock.close()
        raise


async def _connect_http(wire: Wire, route: ProxyRoute, host: str, port: int) -> None:
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {authority} HTTP/1.1".encode(), f"Host: {authority}".encode()]
    if route.authorization is not None:
        lines.append(b"Proxy-Authorization: " + route.authorization)
    await wire.send(b"\r\n".join([*lines, b"", b""]))
    reader = Reader(wire)
    first = (await reader.line()).decode("utf-8", "replace")
    for _ in range(MOST_LINES):
        if not await reader.line():
            break
    version, _, rest = first.partition(" ")
    if version.startswith("HTTP/1.") and not rest.startswith("2"):
        raise _refused(rest)
    if not version.startswith("HTTP/1.") or reader.waiting:
        raise CheckFailed(Reason.PROTOCOL_ERROR, "the proxy does not speak HTTP")


def _refused(said: str) -> CheckFailed:
    code = said[:3]
    reason = {"407": Reason.AUTH_FAILED, "504": Reason.TIMEOUT}.get(code, Reason.CONNECTION_FAILED)
    return CheckFailed(reason, f"the proxy does not let us through: {said[:120]}")


async def _connect_socks(wire: Wire, route: ProxyRoute, host: str, port: int) -> None:
    reader = Reader(wire)
    ways = bytes([_NOBODY, _PASSWORD] if route.user else [_NOBODY])
    await wire.send(bytes([5, len(ways)]) + ways)
    version, way = await reader.exactly(2)
    if version != 5:
        raise CheckFailed(Reason.PROTOCOL_ERROR, "the proxy does not speak SOCKS 5")
    if way == _PASSWORD and route.user:
        user, password = route.user.encode()[:255], route.password.encode()[:255]
        await wire.send(bytes([1, len(user)]) + user + bytes([len(password)]) + password)
        _, status = await reader.exactly(2)
        if status:
            raise CheckFailed(Reason.AUTH_FAILED, "the proxy does not know our user and password")
    elif way != _NOBODY:
        raise CheckFailed(Reason.AUTH_FAILED, "the proxy wants to know who we are")
    await wire.send(b"\x05\x01\x00" + _socks_address(host) + struct.pack(">H", port))
    _, reply, _, kind = await reader.exactly(4)
    if reply:
        reason, why = _SOCKS_REPLIES.get(reply, (Reason.CONNECTION_FAILED, f"code {reply}"))
        raise CheckFailed(reason, f"the proxy does not let us through: {why}")
    size = {1: 4, 4: 16}.get(kind) or (await reader.exactly(1))[0]
    await reader.exactly(size + 2)


def _socks_address(host: str) -> bytes:
    try:
        address = ip_address(host)
    except ValueError:
        name = host.encode("ascii")
        return bytes([3, len(name)]) + name
    return bytes([1 if address.version == 4 else 4]) + address.packed
