"""Which DNS servers are asked for the addresses of a target, and how each is reached."""

from collections.abc import Sequence
from functools import partial

import dns.exception
import dns.message
import dns.nameserver
import trio

from kubekuma.check.connect import connect
from kubekuma.check.context import Check
from kubekuma.check.dns_wire import PORTS, alpn_of, ask_framed, ask_https
from kubekuma.check.finding import CheckFailed
from kubekuma.check.misfits import Place
from kubekuma.check.name_servers import Servers, Unanswered, version_of
from kubekuma.check.policy import refusal
from kubekuma.check.secure import Handshake, secure, verifying_context
from kubekuma.check.system_resolver import ask_system
from kubekuma.model.result import Reason
from kubekuma.model.target import DnsTransport, IpFamily, Resolver, Tls


async def servers_for(check: Check, resolver: Resolver | None) -> Servers:
    """Choose the servers to ask: ``resolver``, else the settings'; none: the system's resolver."""
    if resolver is None:
        return await settings_servers(check)
    address = await _address(resolver, check)
    # A monitor's author chose this one: the rules for targets hold for it.
    if why := refusal(address, check.context.policy):
        raise CheckFailed(Reason.ADDRESS_DENIED, f"resolver {why}")
    return [_nameserver(resolver, address, check)]


async def settings_servers(check: Check) -> Servers:
    """The servers that the settings name."""
    chosen = check.context.networking.dns.resolvers
    return [_nameserver(each, await _address(each, check), check) for each in chosen]


class _TcpNameserver(dns.nameserver.Do53Nameserver):
    """dnspython's way to say which transport: by a class (it asks by UDP first otherwise)."""

    def is_always_max_size(self) -> bool:
        """TCP has no limit to be cut off at."""
        return True


async def _address(resolver: Resolver, check: Check) -> str:
    """Where the server is: one that shows a certificate may be given by its name."""
    name = resolver.address
    if version_of(name) is not None:
        return name
    if not resolver.transport.is_encrypted:
        # Validation refuses it; a spec may be older than that.
        raise CheckFailed(Reason.NO_RESOLVER, f"resolver {name} is not an address")
    try:
        found: Sequence[str] = await ask_system(name, IpFamily.AUTO, check)
    except (Unanswered, CheckFailed) as error:
        why = error.finding.message if isinstance(error, CheckFailed) else str(error)
        raise CheckFailed(Reason.NO_RESOLVER, f"resolver {name} cannot be found ({why})") from error
    return found[0]


class _EncryptedNameserver(dns.nameserver.Nameserver):
    """A server that is asked over TLS of ours: dnspython would want a second HTTP client for it."""

    def __init__(self, resolver: Resolver, address: str, check: Check) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._transport = resolver.transport
        self._name = resolver.address
        self._address = address
        self._port = resolver.port or PORTS[resolver.transport]
        self._check = check

    def is_always_max_size(self) -> bool:
        """TCP has no limit to be cut off at."""
        return True

    def __str__(self) -> str:
        return f"{self._name} ({self._transport})"

    def answer_nameserver(self) -> str:
        """Say who it is."""
        return str(self)

    def answer_port(self) -> int:
        """Say where it listens."""
        return self._port

    async def async_query(
        self,
        request: dns.message.QueryMessage,
        timeout: float,  # noqa: ASYNC109 - dnspython's signature
        *_: object,
        **__: object,
    ) -> dns.message.Message:
        """Ask. Raises what dnspython expects: Timeout, or OSError, and then asks another one."""
        try:
            with trio.fail_after(timeout):
                return await self._ask(request)
        except CheckFailed as failed:
            raise OSError(failed.finding.message) from failed
        except trio.TooSlowError as error:
            raise dns.exception.Timeout(timeout=timeout) from error  # type: ignore[no-untyped-call]

    async def _ask(self, request: dns.message.QueryMessage) -> dns.message.Message:
        # The trace is about the target, and two questions are under way at once.
        check = self._check.aside()
        alpn = alpn_of(self._transport)
        context = await verifying_context(Tls(), alpn, check)
        place = Place(host=self._name, port=self._port, server_name=self._name, context=context)
        again = partial(connect, [self._address], self._port)
        lenient = check.context.contexts.get(verify=False, bundle=None, alpn=alpn)
        how = Handshake(place=place, verify=True, lenient=lenient, again=again)
        wire = await secure(await again(), how, check)
        try:
            if self._transport is DnsTransport.HTTPS:
                return await ask_https(wire, self._name, self._port, request, check.trace)
            return await ask_framed(wire, request)
        finally:
            wire.close()


def _nameserver(resolver: Resolver, address: str, check: Check) -> dns.nameserver.Nameserver:
    port = resolver.port or PORTS[resolver.transport]
    match resolver.transport:
        case DnsTransport.TCP:
            return _TcpNameserver(address, port)
        case DnsTransport.UDP:
            return dns.nameserver.Do53Nameserver(address, port)
        case DnsTransport.TLS | DnsTransport.HTTPS:
            return _EncryptedNameserver(resolver, address, check)
