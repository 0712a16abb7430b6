"""Turns a connection into a TLS connection, and tells what is wrong with a certificate."""

import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

import attrs
import trio

from kubekuma.check.certificate import certificate_of
from kubekuma.check.connect import Connection
from kubekuma.check.context import Check
from kubekuma.check.errors import verify_reason
from kubekuma.check.finding import CheckFailed
from kubekuma.check.misfits import Place
from kubekuma.check.tls_context import ClientPair
from kubekuma.check.wire import PlainWire, TlsWire, Wire
from kubekuma.model.result import Certificate, Reason
from kubekuma.model.target import Tls

NAMES_SHOWN: Final = 4

# Says what must be said before, in the clear; returns the wire that TLS goes over.
Prelude: TypeAlias = Callable[[Wire], Awaitable[Wire]]


@attrs.frozen(kw_only=True)
class Handshake:
    """How a connection turns to TLS."""

    place: Place
    verify: bool
    lenient: ssl.SSLContext  # as the place's, but for verifying
    # Another connection to where the first one leads.
    again: Callable[[], Awaitable[Connection]]
    prelude: Prelude | None = None  # of each connection


async def verifying_context(
    tls: Tls, alpn: Sequence[str], check: Check, client: ClientPair | None = None
) -> ssl.SSLContext:
    """The context that verifies as ``tls`` says; its bundle may be in a Secret."""
    ref = tls.ca_bundle_secret_ref
    bundle = await check.value(ref) if ref else None
    try:
        return check.context.contexts.get(verify=True, bundle=bundle, alpn=alpn, client=client)
    except ValueError as error:
        what = "the client certificate" if client and not bundle else "the CA bundle"
        raise CheckFailed(Reason.SECRET_MISSING, f"{what} {error}") from error


async def secure(connection: Connection, how: Handshake, check: Check) -> Wire:
    """Shake hands over ``connection``, which is closed if that fails.

    A certificate that does not verify ends the handshake before anybody can look at it. So then
    there is a second connection that does not verify: to see it, or to go on with. Where that is
    accepted it is remembered, so as not to be done at every check.
    """
    place, misfits = how.place, check.context.misfits
    if not how.verify and misfits.expects(place, trio.current_time()):
        wire = await _shake(connection, how, how.lenient)
        if misfits.knows(place, wire.certificate):
            _note_certificate(wire, check, valid=False)
            return wire
        wire.close()  # another one: see whether it verifies
        connection = await how.again()
    try:
        wire = await _shake(connection, how, place.context)
    except ssl.SSLCertVerificationError as error:
        misfit = error
    else:
        _note_certificate(wire, check, valid=True)
        return wire
    if how.verify:
        # Whatever becomes of the second look, this much is known.
        check.trace.at_deadline = _unfit(misfit, place.server_name, None).finding
        await _look(how, check)
        raise _unfit(misfit, place.server_name, check.trace.certificate) from misfit
    wire = await _shake(await how.again(), how, how.lenient)
    _note_certificate(wire, check, valid=False)
    misfits.note(place, wire.certificate, trio.current_time())
    return wire


async def _look(how: Handshake, check: Check) -> None:
    """Note the certificate that did not verify, if it can be had."""
    try:
        wire = await _shake(await how.again(), how, how.lenient)
    except CheckFailed:
        return
    _note_certificate(wire, check, valid=False)
    wire.close()


async def _shake(connection: Connection, how: Handshake, context: ssl.SSLContext) -> TlsWire:
    try:
        under: Wire = PlainWire(connection.sock)
        if how.prelude is not None:
            under = await how.prelude(under)
        wire = TlsWire(under, context, how.place.server_name)
        await wire.handshake()
    except BaseException:
        connection.sock.close()
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
