"""Where the API server is and who we are there: kubeconfig, exec plugins, or the pod's account.

kr8s reads all of these and stays behind this file; its watches and sessions
are not used (docs/decisions/0002-own-informer.md).
"""

import os
import ssl
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Final

import httpx
import structlog
import trio
import yaml
from kr8s._auth import KubeAuth

_log = structlog.get_logger(__name__)

# What kr8s makes of files that are not there or do not say what they should, and of plugins that
# fail (RuntimeError).
_UNUSABLE: Final = (
    AttributeError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    yaml.YAMLError,
)
# Tokens of service accounts are renewed by the kubelet, in their file, before they expire.
REREAD_SECONDS: Final = 60.0


class NoCredentialsError(Exception):
    """There is neither a usable kubeconfig nor a service account."""


class Credentials(httpx.Auth):
    """The server's address and CA, and a token that is read again when it may have changed."""

    def __init__(self, source: KubeAuth, verify: ssl.SSLContext | bool) -> None:
        self._source = source
        # Only a pod's token changes while its file stays; others are read again when refused.
        self._expires = not source.active_context
        self._read_at = trio.current_time()
        self.server: str = source.server
        self.proxy: str | None = source.proxy
        self.verify = verify

    async def async_auth_flow(
        self, request: httpx.Request
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Add the token; after a 401, and only then, read it anew and try once more."""
        if self._expires and trio.current_time() - self._read_at > REREAD_SECONDS:
            await self._reread()
        self._sign(request)
        response = yield request
        if response.status_code == 401:
            await self._reread()
            self._sign(request)
            yield request

    def _sign(self, request: httpx.Request) -> None:
        if self._source.token:
            request.headers["Authorization"] = f"Bearer {self._source.token.strip()}"

    async def _reread(self) -> None:
        self._read_at = trio.current_time()
        try:
            await self._source.reauthenticate()
        except _UNUSABLE as error:
            # What we have may still do, and if not, the API server says so.
            _log.warning("credentials cannot be read again", error=repr(error))
        finally:
            _remove_copies(self._source)


async def load_credentials(kubeconfig: Path | None) -> Credentials:
    """Read ``kubeconfig``, or with None what ``KUBECONFIG``, ``~/.kube/config`` or the pod say.

    Raises NoCredentialsError, which says what was looked for.
    """
    if kubeconfig is not None and not await trio.Path(kubeconfig).is_file():
        raise NoCredentialsError(f"there is no kubeconfig at {kubeconfig}")
    source = KubeAuth(kubeconfig=str(kubeconfig) if kubeconfig else None)
    try:
        await source.reauthenticate()
        verify: ssl.SSLContext | bool = await source.ssl_context()  # type: ignore[no-untyped-call]
    except _UNUSABLE as error:
        looked = kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
        raise NoCredentialsError(
            f"no usable credentials in {looked}, nor a pod's service account: {error!r}; "
            "set KUBECONFIG to a kubeconfig file, or start `kubekuma standalone`"
        ) from error
    finally:
        _remove_copies(source)
    return Credentials(source, verify)


def _remove_copies(source: KubeAuth) -> None:
    # What stands in a kubeconfig itself, keys included, kr8s copies into files that it leaves.
    copies = (
        (source.client_key_file, "client-key-data" in source._user),  # noqa: SLF001 - see above
        (source.client_cert_file, "client-certificate-data" in source._user),  # noqa: SLF001
        (source.server_ca_file, "certificate-authority-data" in source._cluster),  # noqa: SLF001
    )
    for path, is_copy in copies:
        if path and is_copy:
            Path(str(path)).unlink(missing_ok=True)
