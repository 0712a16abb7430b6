"""From a host and a port to a connection: resolved, allowed, connected, and secured if asked."""

from collections.abc import Sequence
from functools import partial

import attrs

from kubekuma.check.connect import Connection, connect, where
from kubekuma.check.context import Check
from kubekuma.check.finding import CheckFailed
from kubekuma.check.misfits import Place
from kubekuma.check.policy import refusal
from kubekuma.check.resolve import resolve
from kubekuma.check.secure import secure, verifying_context
from kubekuma.check.start_tls import ask_for_tls
from kubekuma.check.trace import Phase
from kubekuma.check.wire import PlainWire, Wire
from kubekuma.kit.url import parse_host
from kubekuma.model.result import Reason
from kubekuma.model.target import IpFamily, OptionalTls, Resolver, StartTls, Tls


@attrs.frozen(kw_only=True)
class Destination:
    """Where to connect to, and how. ``tls`` absent: in the clear.

    ``start_tls``: the protocol in which to ask for TLS first.
    """

    host: str
    port: int
    ip_family: IpFamily
    resolver: Resolver | None = None
    tls: Tls | None = None
    start_tls: StartTls | None = None
    alpn: Sequence[str] = ()
    # Of our own settings: the rules for targets do not hold for it.
    trusted: bool = False


async def dial(to: Destination, check: Check) -> Wire:
    """Connect to ``to``. The caller closes what it gets; every failure raises CheckFailed."""
    if to.tls is None:
        return PlainWire((await _reach(to, check)).sock)
    # Before connecting, as it may fail: so no connection is left behind.
    context = await verifying_context(to.tls, to.alpn, check)
    name = parse_host(to.tls.sni) if to.tls.sni else to.host
    # A final dot makes a name absolute for resolvers; certificates do not know it.
    place = Place(host=to.host, port=to.port, server_name=name.rstrip("."), context=context)
    connection = await _reach(to, check)
    check.trace.enter(Phase.TLS, f"shaking hands with {check.trace.peer}")
    asking = partial(ask_for_tls, to.start_tls, to.host) if to.start_tls else None
    return await secure(
        connection, place, verify=to.tls.verify, alpn=to.alpn, check=check, prelude=asking
    )


def tls_of(tls: OptionalTls) -> Tls | None:
    """How TLS is to be made, if it is to be made at all."""
    return tls if tls.enabled or tls.start_tls is not None else None


async def _reach(to: Destination, check: Check) -> Connection:
    addresses = await resolve(to.host, to.ip_family, check, resolver=to.resolver)
    may = addresses if to.trusted else allowed(addresses, check)
    check.trace.enter(Phase.CONNECT, f"connecting to {where(may[0], to.port)}")
    if check.trace.wanted:
        check.trace.say("connecting to %s", ", ".join(where(each, to.port) for each in may))
    connection = await connect(may, to.port)
    if connection.address not in may and (why := _refusal(connection.address, check)):
        # Some addresses stand for others: 0.0.0.0 connects to loopback.
        connection.sock.close()
        raise CheckFailed(Reason.ADDRESS_DENIED, why)
    check.trace.peer = where(connection.address, to.port)
    if check.trace.wanted:
        took = check.trace.lap() * 1000
        check.trace.say("connected to %s in %.1f ms", check.trace.peer, took)
    return connection


def allowed(addresses: Sequence[str], check: Check) -> Sequence[str]:
    """Pick the addresses that the policy allows: only they are connected to."""
    refusals = {address: _refusal(address, check) for address in addresses}
    may = [address for address, why in refusals.items() if why is None]
    if not may:
        why = "; ".join(why for why in refusals.values() if why)
        raise CheckFailed(Reason.ADDRESS_DENIED, why)
    return may


def _refusal(address: str, check: Check) -> str | None:
    return refusal(address, check.context.policy)
