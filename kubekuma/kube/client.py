"""Requests to the API server, over an HTTP client of our own."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, Literal, TypeAlias

import attrs
import httpx
from httpcore import AsyncNetworkStream

from kubekuma.kube.credentials import Credentials
from kubekuma.kube.errors import Unreachable, refused, unreachable
from kubekuma.model.meta import GROUP, VERSION, Key

Document: TypeAlias = Mapping[str, Any]

# Every name under which we write. One writer, one name: server-side apply keeps their fields apart.
FieldManager: TypeAlias = Literal["kubekuma-reconciler", "kubekuma-status"]

TIMEOUT: Final = httpx.Timeout(15.0, connect=5.0)


@attrs.frozen
class Endpoint:
    """Where a kind is served."""

    root: str  # "api/v1" or "apis/<group>/<version>"
    plural: str
    namespaced: bool = True

    def collection(self, namespace: str = "") -> str:
        """The path of all objects, or of those in ``namespace``."""
        within = f"/namespaces/{namespace}" if namespace else ""
        return f"/{self.root}{within}/{self.plural}"

    def object(self, key: Key) -> str:
        """The path of one object."""
        return f"{self.collection(key.namespace)}/{key.name}"


OUR_ROOT: Final = f"apis/{GROUP}/{VERSION}"
SECRETS: Final = Endpoint("api/v1", "secrets")
EVENTS: Final = Endpoint("apis/events.k8s.io/v1", "events")
LEASES: Final = Endpoint("apis/coordination.k8s.io/v1", "leases")


class KubeClient:
    """One HTTP client with connections of its own. Give each watcher one: they never share."""

    def __init__(self, credentials: Credentials, timeout: httpx.Timeout = TIMEOUT) -> None:
        self._http = httpx.AsyncClient(
            base_url=credentials.server,
            auth=credentials,
            verify=credentials.verify,
            proxy=credentials.proxy,
            trust_env=False,
            timeout=timeout,
            limits=httpx.Limits(max_connections=8, max_keepalive_connections=4),
            headers={"User-Agent": "kubekuma", "Accept": "application/json"},
            event_hooks={"request": [_watch_handshake]},
        )

    async def aclose(self) -> None:
        """Close every connection."""
        await self._http.aclose()

    async def page(
        self, endpoint: Endpoint, namespace: str, parameters: Mapping[str, str]
    ) -> Document:
        """One page of a list. Raises Refused or Unreachable."""
        return await self._send("GET", endpoint.collection(namespace), params=parameters)

    @asynccontextmanager
    async def watch(
        self,
        endpoint: Endpoint,
        namespace: str,
        parameters: Mapping[str, str],
        *,
        silence_seconds: float,
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """The raw chunks of a watch; nothing for ``silence_seconds`` is an error.

        Raises Refused or Unreachable, at the start or from the iterator.
        """
        timeout = httpx.Timeout(TIMEOUT.read, connect=TIMEOUT.connect, read=silence_seconds)
        query = {**parameters, "watch": "true"}
        try:
            async with self._http.stream(
                "GET",
                endpoint.collection(namespace),
                params=query,
                timeout=timeout,
                # Raw chunks are read, which something on the way might compress.
                headers={"Accept-Encoding": "identity"},
            ) as response:
                if response.is_error:
                    await response.aread()
                    raise refused(response)
                yield response.aiter_raw()
        except httpx.HTTPError as error:
            raise unreachable(error) from error

    async def get(self, endpoint: Endpoint, key: Key) -> Document:
        """One object. Raises Refused (404 if there is none) or Unreachable."""
        return await self._send("GET", endpoint.object(key))

    async def resources(self, root: str) -> Document:
        """What is served under ``root``, such as apis/apps/v1. Raises Refused or Unreachable."""
        return await self._send("GET", f"/{root}")

    async def apply_status(
        self, endpoint: Endpoint, key: Key, body: Document, manager: FieldManager
    ) -> None:
        """Make these fields of the status so, and take back those of ours that are left out.

        ``body`` names the object's uid: of one that was made anew meanwhile,
        the status is not ours to write (409).
        """
        await self._send(
            "PATCH",
            f"{endpoint.object(key)}/status",
            params={"fieldManager": manager, "force": "true"},
            content=json.dumps(body).encode(),
            headers={"Content-Type": "application/apply-patch+yaml"},
        )

    async def create(self, endpoint: Endpoint, namespace: str, body: Document) -> Document:
        """Create one object, and return it as it is then."""
        return await self._send("POST", endpoint.collection(namespace), json=body)

    async def replace(self, endpoint: Endpoint, key: Key, body: Document) -> Document:
        """Put ``body`` in the place of what it was made from, and return it as it is then.

        It names the resourceVersion that was seen: 409 if that is not the
        newest any more.
        """
        return await self._send("PUT", endpoint.object(key), json=body)

    async def _send(self, method: str, path: str, **more: Any) -> Document:
        try:
            response = await self._http.request(method, path, **more)
        except httpx.HTTPError as error:
            raise unreachable(error) from error
        if response.is_error:
            raise refused(response)
        return _document(response)


async def _watch_handshake(request: httpx.Request) -> None:
    request.extensions["trace"] = _Handshake()


@attrs.define
class _Handshake:
    """Closes the socket when a TLS handshake is cancelled, which httpcore 1.0 does not."""

    connection: AsyncNetworkStream | None = None

    async def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        """Be told of what httpcore does."""
        if event.endswith("connect_tcp.complete"):
            self.connection = info["return_value"]
        elif event.endswith("start_tls.failed") and self.connection is not None:
            self.connection.get_extra_info("socket").close()


def _document(response: httpx.Response) -> Document:
    try:
        # Bytes that are no UTF-8 are somebody's annotation, and no reason to see nothing at all.
        found = json.loads(response.content.decode("utf-8", "replace"))
    except ValueError as error:
        raise Unreachable(f"an answer that is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise Unreachable("an answer that is no object")
    return found
