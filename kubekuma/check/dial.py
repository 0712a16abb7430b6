"""From a host and a port to a connection: resolved, allowed, connected, and secured if asked."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import attrs

from kubekuma.check.connect import Connection, connect, where
from kubekuma.check.context import Check
from kubekuma.check.finding import CheckFailed
from kubekuma.check.misfits import Place
from kubekuma.check.policy import refusal
from kubekuma.check.proxy import ProxyRoute, enter_tunnel
from kubekuma.check.resolve import resolve
from kubekuma.check.secure import Handshake, Prelude, secure, verifying_context
from kubekuma.check.start_tls import ask_for_tls
from kubekuma.check.tls_context import ClientPair
from kubekuma.check.trace import Phase
from kubekuma.check.wire import PlainWire, Wire
from kubekuma.kit.url import parse_host
from kubekuma.model.result import Reason
from kubekuma.model.target import IpFamily, OptionalTls, Resolver, StartTls, Tls


@attrs.frozen(kw_only=True)
class Destination:
    """Where to connect to, and how. ``tls`` absent: in the clear.

    ``start_tls``: the protocol in which to ask for TLS first; ``prelude``: how, where that is not
    all that there is to it.
    """

    host: str
    port: int
    ip_family: IpFamily
    resolver: Resolver | None = None
    tls: Tls | None = None
    start_tls: StartTls | None = None
    prelude: Prelude | None = None
    alpn: Sequence[str] = ()
    # Of our own settings: the rules for targets do not hold for it.
    trusted: bool = False
    client: ClientPair | None = None
    through: ProxyRoute | None = None


async def dial(to: Destination, check: Check) -> Wire:
    """Connect to ``to``. The caller closes what it gets; every failure raises CheckFailed."""
    if to.tls is None:
        connection, _ = await _reach(to, check)
        return PlainWire(connection.sock)
    # Before connecting, as it may fail: so no connection is left behind.
    context = await verifying_context(to.tls, to.alpn, check, to.client)
    lenient = check.context.contexts.get(verify=False, bundle=None, alpn=to.alpn, client=to.client)
    name = parse_host(to.tls.sni) if to.tls.sni else to.host
    # A final dot makes a name absolute for resolvers; certificates do not know it.
    place = Place(host=to.host, port=to.port, server_name=name.rstrip("."), context=context)
    connection, again = await _reach(to, check)
    check.trace.enter(Phase.TLS, f"shaking hands with {check.trace.peer}")
    how = Handshake(
        place=place,
        verify=to.tls.verify,
        lenient=lenient,
        again=again,
        prelude=to.prelude or (partial(_ask, to.start_tls, to.host) if to.start_tls else None),
    )
    return await secure(connection, how, check)


def tls_of(tls: OptionalTls) -> Tls | None:
    """How TLS is to be made, if it is to be made at all."""
    return tls if tls.enabled or tls.start_tls is not None else None


async def _ask(protocol: StartTls, host: str, wire: Wire) -> Wire:
    await ask_for_tls(protocol, host, wire)
    return wire


async def _reach(
    to: Destination, check: Check
) -> tuple[Connection, Callable[[], Awaitable[Connection]]]:
    """Connect, through a proxy if there is one; return how to do it once more as well."""
    through = to.through
    if through is None:
        connection = await _connect(to.host, to.port, to, check)
        return connection, partial(connect, [connection.address], to.port)
    await _judge_behind_proxy(to, check)
    connection = await _connect(through.host, through.port, to, check)
    await enter_tunnel(connection, through, to.host, to.port)

    async def again() -> Connection:
        another = await connect([connection.address], through.port)
        await enter_tunnel(another, through, to.host, to.port)
        return another

    return connection, again


async def _connect(host: str, port: int, to: Destination, check: Check) -> Connection:
    addresses = await resolve(host, to.ip_family, check, resolver=to.resolver)
    may = addresses if to.trusted else allowed(addresses, check)
    # Whoever is asked first, unless another one answers.
    check.trace.peer = where(may[0], port)
    check.trace.enter(Phase.CONNECT, f"connecting to {check.trace.peer}")
    if check.trace.wanted:
        check.trace.say("connecting to %s", ", ".join(where(each, port) for each in may))
    connection = await connect(may, port)
    if connection.address not in may and (why := _refusal(connection.address, check)):
        # Some addresses stand for others: 0.0.0.0 connects to loopback.
        connection.sock.close()
        raise CheckFailed(Reason.ADDRESS_DENIED, why)
    check.trace.peer = where(connection.address, port)
    if check.trace.wanted:
        took = check.trace.lap() * 1000
        check.trace.say("connected to %s in %.1f ms", check.trace.peer, took)
    return connection


async def _judge_behind_proxy(to: Destination, check: Check) -> None:
    """Refuse what lies behind a proxy by its addresses, as far as they are known here."""
    try:
        addresses = await resolve(to.host, IpFamily.AUTO, check.aside(), resolver=to.resolver)
    except CheckFailed:
        return  # a name that only the proxy knows
    allowed(addresses, check)


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
