"""SSLContexts by their settings: making one costs 20 ms, so they are kept."""

import hashlib
import ssl
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import certifi

MOST_KEPT: Final = 256


class SslContexts:
    """A bounded cache of SSLContexts, the least recently used one going first."""

    def __init__(self, most_kept: int = MOST_KEPT) -> None:
        self._kept: OrderedDict[tuple[bytes, bool, tuple[str, ...]], ssl.SSLContext] = OrderedDict()
        self._most_kept = most_kept

    def get(self, *, verify: bool, bundle: bytes | None, alpn: Sequence[str]) -> ssl.SSLContext:
        """The context for these settings; ValueError if ``bundle`` holds no certificate in PEM.

        ``bundle`` replaces the system's authorities. Contexts with and without ``alpn`` are never
        shared: it would be said in protocols that do not know it.
        """
        key = (hashlib.sha256(bundle).digest() if bundle else b"", verify, tuple(alpn))
        found = self._kept.get(key)
        if found is None:
            found = self._kept[key] = make_context(verify=verify, bundle=bundle, alpn=alpn)
            if len(self._kept) > self._most_kept:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return found


def make_context(*, verify: bool, bundle: bytes | None, alpn: Sequence[str]) -> ssl.SSLContext:
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
