"""A connection to a target: bytes out, bytes in, in the clear or through TLS.

Not trio's SocketStream and SSLStream: a check reads and writes in turn, from one task, and says
no farewell. Without their locks and half-close rules a TLS check costs a sixth less.
"""

import ssl
from typing import Final, Protocol

import trio

from kubekuma.check.errors import os_failure, tls_failure
from kubekuma.check.finding import CheckFailed
from kubekuma.model.result import Reason

CHUNK_BYTES: Final = 65536


class Wire(Protocol):
    """One connection. Errors of the target end the check (``CheckFailed``)."""

    @property
    def alpn(self) -> str | None:
        """The protocol that was agreed on during the TLS handshake."""

    async def send(self, data: bytes) -> None:
        """Send all of ``data``."""

    async def receive(self) -> bytes:
        """Receive what there is, at least one byte; ``b""`` at the end."""

    def received(self) -> bytes:
        """Return what has come already, without waiting; ``b""`` if nothing has."""

    async def flush(self) -> None:
        """Send what still waits to be sent."""

    def close(self) -> None:
        """Close at once."""


class PlainWire:
    """A connection in the clear."""

    alpn: str | None = None

    def __init__(self, sock: trio.socket.SocketType) -> None:
        self._sock = sock

    async def send(self, data: bytes) -> None:
        """Send all of ``data``."""
        try:
            sent = await self._sock.send(data)
            while sent < len(data):
                sent += await self._sock.send(memoryview(data)[sent:])
        except OSError as error:
            raise os_failure(error, "sending") from error

    async def receive(self) -> bytes:
        """Receive what there is; ``b""`` at the end."""
        try:
            return await self._sock.recv(CHUNK_BYTES)
        except OSError as error:
            raise os_failure(error, "receiving") from error

    def received(self) -> bytes:
        """Nothing: the system keeps what comes until it is received."""
        return b""

    async def flush(self) -> None:
        """Do nothing: nothing ever waits."""

    def close(self) -> None:
        """Close at once."""
        self._sock.close()


class TlsWire:
    """A connection through TLS; ``handshake`` comes first."""

    def __init__(self, under: Wire, context: ssl.SSLContext, server_name: str) -> None:
        self._under = under
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)

    async def handshake(self) -> None:
        """Agree on keys and look at the certificate; raise SSLCertVerificationError if unfit.

        Our last message goes out together with the first bytes that are sent, in one packet, or
        when an answer is waited for: whoever does neither calls ``flush``.
        """
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self.flush()
                if not await self._feed():
                    closed = "the connection was closed during the TLS handshake"
                    raise CheckFailed(Reason.CONNECTION_CLOSED, closed) from None
            except ssl.SSLCertVerificationError:
                raise
            except ssl.SSLError as error:
                raise tls_failure(error, "shaking hands") from error
            else:
                return

    async def send(self, data: bytes) -> None:
        """Send all of ``data``."""
        try:
            self._tls.write(data)
        except ssl.SSLError as error:
            raise tls_failure(error, "sending") from error
        await self.flush()

    async def receive(self) -> bytes:
        """Receive what there is; ``b""`` at the end, also if the end is not announced.

        Most servers do not announce it, and whether an answer is complete is HTTP's to say.
        """
        while True:
            try:
                return self._tls.read(CHUNK_BYTES)
            except ssl.SSLWantReadError:
                await self.flush()
                await self._feed()
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""
            except ssl.SSLError as error:
                raise tls_failure(error, "receiving") from error

    def received(self) -> bytes:
        """Return what came along with the end of the handshake, or with what was received last."""
        if not self._incoming.pending:
            return b""
        try:
            return self._tls.read(CHUNK_BYTES)
        except (ssl.SSLWantReadError, ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""
        except ssl.SSLError as error:
            raise tls_failure(error, "receiving") from error

    def close(self) -> None:
        """Close at once."""
        self._under.close()

    @property
    def certificate(self) -> bytes | None:
        """The target's certificate in DER form."""
        return self._tls.getpeercert(binary_form=True)

    @property
    def alpn(self) -> str | None:
        """The protocol that was agreed on during the handshake."""
        return self._tls.selected_alpn_protocol()

    @property
    def protocol(self) -> str | None:
        """The version of TLS."""
        return self._tls.version()

    async def flush(self) -> None:
        """Send what TLS has to say of its own accord."""
        if self._outgoing.pending:
            await self._under.send(self._outgoing.read())

    async def _feed(self) -> bool:
        data = await self._under.receive()
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()
        return bool(data)
