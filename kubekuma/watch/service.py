"""Follows one kind in the namespaces that are watched."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

import attrs
import trio

from kubekuma.kube.client import Endpoint, KubeClient
from kubekuma.kube.credentials import Credentials
from kubekuma.model.meta import Key
from kubekuma.watch.cache import Cache
from kubekuma.watch.reflector import run_reflector
from kubekuma.watch.sync import Sync


@attrs.frozen(kw_only=True)
class KubeSource:
    """One kind in one namespace, or with ``""`` in all, over a client of its own."""

    client: KubeClient
    endpoint: Endpoint
    namespace: str

    async def page(self, parameters: Mapping[str, str]) -> Mapping[str, Any]:
        """One page of the list."""
        return await self.client.page(self.endpoint, self.namespace, parameters)

    def watch(
        self, parameters: Mapping[str, str], *, silence_seconds: float
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The raw chunks of a watch."""
        return self.client.watch(
            self.endpoint, self.namespace, parameters, silence_seconds=silence_seconds
        )


@attrs.define
class _Part:
    """The share of a cache that one of several reflectors, one a namespace, is responsible for."""

    cache: Cache[Any]
    namespace: str
    listed: bool = False
    siblings: list["_Part"] = attrs.field(factory=list)

    def put(self, document: Mapping[str, Any]) -> None:
        self.cache.put(document)

    def remove(self, key: Key) -> None:
        self.cache.remove(key)

    def retain(self, keys: set[Key]) -> None:
        self.listed = True
        for key in tuple(self.cache.keys()):
            if key.namespace == self.namespace and key not in keys:
                self.cache.remove(key)
        if all(part.listed for part in self.siblings):
            self._forget_elsewhere({part.namespace for part in self.siblings})
            self.cache.listed.set()

    def _forget_elsewhere(self, watched: set[str]) -> None:
        # An earlier run may have watched more, and what it kept is nobody's to correct now.
        for key in tuple(self.cache.keys()):
            if key.namespace not in watched:
                self.cache.remove(key)


async def run_watch(
    kind: str,
    endpoint: Endpoint,
    cache: Cache[Any],
    *,
    namespaces: tuple[str, ...],
    credentials: Credentials,
    follow: Callable[[Sync], None],
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Keep ``cache`` as the API server has it: in ``namespaces``, or in all if there are none.

    Ownership: one HTTP client for each reflector. ``follow`` is given each
    reflector's progress.
    Shutdown: by cancelling.
    Failure: never; see ``run_reflector``.
    """
    places = namespaces if namespaces and endpoint.namespaced else ("",)
    parts = [_Part(cache, place) for place in places]
    async with trio.open_nursery() as reflectors:
        for part in parts:
            part.siblings = parts
            sync = Sync(kind=kind)
            follow(sync)
            sink = cache if places == ("",) else part
            reflectors.start_soon(_reflect, endpoint, part.namespace, sink, credentials, sync)
        task_status.started()


async def _reflect(
    endpoint: Endpoint,
    namespace: str,
    sink: "Cache[Any] | _Part",
    credentials: Credentials,
    sync: Sync,
) -> None:
    client = KubeClient(credentials)
    try:
        source = KubeSource(client=client, endpoint=endpoint, namespace=namespace)
        await run_reflector(source, sink, sync)
    finally:
        with trio.move_on_after(1, shield=True):
            await client.aclose()
