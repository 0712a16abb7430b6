"""Turns a connection into a TLS connection, and tells what is wrong with a certificate."""

import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

import trio

from kubekuma.check.certificate import certificate_of
from kubekuma.check.connect import Connection, connect
from kubekuma.check.context import Check
from kubekuma.check.errors import verify_reason
from kubekuma.check.finding import CheckFailed
from kubekuma.check.misfits import Place
from kubekuma.check.wire import PlainWire, TlsWire, Wire
from kubekuma.model.result import Certificate, Reason
from kubekuma.model.target import Tls

NAMES_SHOWN: Final = 4

Prelude: TypeAlias = Callable[[Wire], Awaitable[None]]


async def verifying_context(tls: Tls, alpn: Sequence[str], check: Check) -> ssl.SSLContext:
    """The context that verifies as ``tls`` says; its bundle may be in a Secret."""
    ref = tls.ca_bundle_secret_ref
    bundle = await check.value(ref) if ref else None
    try:
        return check.context.contexts.get(verify=True, bundle=bundle, alpn=alpn)
    except ValueError as error:
        raise CheckFailed(Reason.SECRET_MISSING, f"the CA bundle {error}") from error


async def secure(
    connection: Connection,
    place: Place,
    *,
    verify: bool,
    alpn: Sequence[str],
    check: Check,
    prelude: Prelude | None = None,
) -> Wire:
    """Shake hands over ``connection``, which is closed if that fails.

    ``prelude`` is what must be said before, in the clear, on each connection.

    A certificate that does not verify ends the handshake before anybody can look at it. So then
    there is a second connection that does not verify: to see it, or to go on with. Where that is
    accepted it is remembered, so as not to be done at every check.
    """
    lenient = check.context.contexts.get(verify=False, bundle=None, alpn=alpn)
    if not verify and check.context.misfits.expects(place, trio.current_time()):
        wire = await _shake(connection.sock, lenient, place.server_name, prelude)
        if check.context.misfits.knows(place, wire.certificate):
            _note_certificate(wire, check, valid=False)
            return wire
        wire.close()  # another one: see whether it verifies
        connection = await connect([connection.address], place.port)
    try:
        wire = await _shake(connection.sock, place.context, place.server_name, prelude)
    except ssl.SSLCertVerificationError as error:
        misfit = error
    else:
        _note_certificate(wire, check, valid=True)
        return wire
    if verify:
        # Whatever becomes of the second look, this much is known.
        check.trace.at_deadline = _unfit(misfit, place.server_name, None).finding
        await _look(connection, lenient, place, check, prelude)
        raise _unfit(misfit, place.server_name, check.trace.certificate) from misfit
    again = await connect([connection.address], place.port)
    wire = await _shake(again.sock, lenient, place.server_name, prelude)
    _note_certificate(wire, check, valid=False)
    check.context.misfits.note(place, wire.certificate, trio.current_time())
    return wire


async def _look(
    connection: Connection,
    lenient: ssl.SSLContext,
    place: Place,
    check: Check,
    prelude: Prelude | None,
) -> None:
    """Note the certificate that did not verify, if it can be had."""
    try:
        again = await connect([connection.address], place.port)
        wire = await _shake(again.sock, lenient, place.server_name, prelude)
    except CheckFailed:
        return
    _note_certificate(wire, check, valid=False)
    wire.close()


async def _shake(
    sock: trio.socket.SocketType, context: ssl.SSLContext, name: str, prelude: Prelude | None
) -> TlsWire:
    try:
        under = PlainWire(sock)
        if prelude is not None:
            await prelude(under)
        wire = TlsWire(under, context, name)
        await wire.handshake()
    except BaseException:
        sock.close()
        raise
    return wire


def _note_certificate(wire: TlsWire, check: Check, *, valid: bool) -> None:
    der = wire.certificate
    found = certificate_of(der, valid=valid) if der else None
    check.trace.certificate = found
    if check.trace.wanted and found:
        check.trace.say(
            "%s, certificate of %s by %s, expires %s",
            wire.protocol,
            found.subject,
            found.issuer,
            f"{found.expires_at:%Y-%m-%d}",
        )


def _unfit(
    error: ssl.SSLCertVerificationError, name: str, certificate: Certificate | None
) -> CheckFailed:
    reason = verify_reason(error)
    if certificate and reason is Reason.TLS_EXPIRED:
        message = f"the certificate expired at {certificate.expires_at:%Y-%m-%dT%H:%M:%SZ}"
    elif certificate and reason is Reason.TLS_HOSTNAME:
        names = ", ".join(certificate.names[:NAMES_SHOWN]) or certificate.subject
        message = f"the certificate is for {names} and not for {name}"
    else:
        message = f"the certificate does not verify ({error.verify_message})"
    return CheckFailed(reason, message)
