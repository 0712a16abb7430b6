"""SSLContexts by their settings: making one costs 20 ms, so they are kept."""

import hashlib
import os
import ssl
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

import certifi

MOST_KEPT: Final = 256


class ClientPair(NamedTuple):
    """A certificate of ours, with its chain, and its private key: both PEM."""

    cert: bytes
    key: bytes


_Key: TypeAlias = tuple[bytes, bool, tuple[str, ...], bytes]


class SslContexts:
    """A bounded cache of SSLContexts, the least recently used one going first."""

    def __init__(self, most_kept: int = MOST_KEPT) -> None:
        self._kept: OrderedDict[_Key, ssl.SSLContext] = OrderedDict()
        self._most_kept = most_kept

    def get(
        self,
        *,
        verify: bool,
        bundle: bytes | None,
        alpn: Sequence[str],
        client: ClientPair | None = None,
    ) -> ssl.SSLContext:
        """The context for these settings; ValueError if ``bundle`` or ``client`` is not PEM.

        ``bundle`` replaces the system's authorities. Contexts with and without ``alpn`` are never
        shared: it would be said in protocols that do not know it.
        """
        pair = hashlib.sha256(b"\0".join(client)).digest() if client else b""
        key = (hashlib.sha256(bundle).digest() if bundle else b"", verify, tuple(alpn), pair)
        found = self._kept.get(key)
        if found is None:
            found = make_context(verify=verify, bundle=bundle, alpn=alpn, client=client)
            self._kept[key] = found
            if len(self._kept) > self._most_kept:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return found


def make_context(
    *, verify: bool, bundle: bytes | None, alpn: Sequence[str], client: ClientPair | None = None
) -> ssl.SSLContext:
    """Make a context that verifies, or one that only looks at the certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif bundle:
        _trust(context, bundle)
    elif system_has_authorities():
        context.load_default_certs()
    else:
        context.load_verify_locations(cafile=certifi.where())
    if alpn:
        context.set_alpn_protocols(alpn)
    if client:
        _show(context, client)
    return context


def system_has_authorities() -> bool:
    """Whether OpenSSL finds any authority by itself; small container images have none."""
    paths = ssl.get_default_verify_paths()
    return bool(paths.cafile) or bool(paths.capath and any(Path(paths.capath).iterdir()))


def _trust(context: ssl.SSLContext, bundle: bytes) -> None:
    try:
        context.load_verify_locations(cadata=bundle.decode("ascii"))
    except (ssl.SSLError, UnicodeDecodeError) as error:
        raise ValueError("must hold certificates in PEM form") from error
    # A bundle may hold intermediates or a server's own certificate: that is what was meant.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN


def _show(context: ssl.SSLContext, client: ClientPair) -> None:
    # OpenSSL reads them from files only: this one is in memory, and nobody else sees it.
    with os.fdopen(os.memfd_create("client", os.MFD_CLOEXEC), "wb") as file:
        file.write(client.key + b"\n" + client.cert)
        file.flush()
        try:
            context.load_cert_chain(f"/proc/self/fd/{file.fileno()}")
        except (ssl.SSLError, ValueError) as error:
            raise ValueError("must hold a certificate and its private key in PEM form") from error
