"""Objects that k8s monitors look at: one watch for each kind and namespace that is asked for."""

from collections.abc import Mapping
from typing import Final

import attrs
import trio

from kubekuma.check.finding import CheckFailed
from kubekuma.kube.client import Endpoint, KubeClient
from kubekuma.kube.credentials import Credentials
from kubekuma.kube.discovery import find_endpoint
from kubekuma.kube.errors import KubeError, Refused
from kubekuma.model.meta import Key
from kubekuma.model.result import Reason
from kubekuma.model.workload import Workload
from kubekuma.watch.reflector import run_reflector
from kubekuma.watch.service import KubeSource
from kubekuma.watch.stream import Document
from kubekuma.watch.sync import Sync
from kubekuma.watch.workload import workload_of

# A watch that nobody has asked anything for so long is given up.
IDLE_SECONDS: Final = 900.0
# What was true so long ago that nobody could say otherwise since is not known any more.
STALE_SECONDS: Final = 60.0


@attrs.frozen
class Place:
    """One kind in one namespace."""

    namespace: str
    api_version: str
    kind: str

    def __str__(self) -> str:
        return f"{self.kind} ({self.api_version}) in {self.namespace}"


@attrs.define(eq=False)
class _Followed:
    """What a watch has seen. A sink of a reflector."""

    sync: Sync
    asked_at: float
    listed: trio.Event = attrs.field(factory=trio.Event)
    objects: dict[str, Workload] = attrs.field(factory=dict)

    def put(self, document: Document) -> None:
        found = workload_of(document)
        self.objects[found.name] = found

    def remove(self, key: Key) -> None:
        self.objects.pop(key.name, None)

    def retain(self, keys: set[Key]) -> None:
        names = {key.name for key in keys}
        self.objects = {name: it for name, it in self.objects.items() if name in names}
        self.listed.set()


class Workloads:
    """What is followed. Watches begin with the first question, and end when nobody asks."""

    def __init__(self, credentials: Credentials, client: KubeClient) -> None:
        self._credentials = credentials
        self._client = client
        self._followed: dict[Place, _Followed] = {}
        self._beginning: dict[Place, trio.Lock] = {}
        self._nursery: trio.Nursery | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Follow what is asked for, until cancelled."""
        try:
            async with trio.open_nursery() as self._nursery:
                task_status.started()
                await trio.sleep_forever()
        finally:
            self._nursery = None
            self._followed.clear()

    async def of(self, namespace: str, api_version: str, kind: str) -> Mapping[str, Workload]:
        """Every object of ``kind`` in ``namespace``, by name, as the cluster last said.

        Waits for the first list. Raises CheckFailed.
        """
        place = Place(namespace, api_version, kind)
        # Who asks at the same time waits for one beginning.
        async with self._beginning.setdefault(place, trio.Lock()):
            followed = self._followed.get(place) or await self._begin(place)
        followed.asked_at = trio.current_time()
        await followed.sync.tried.wait()
        sync = followed.sync
        if sync.error and sync.refused:
            raise CheckFailed(Reason.NO_PERMISSION, f"{place} cannot be watched: {sync.error}")
        silent = trio.current_time() - sync.failing_since
        if sync.error and (silent > STALE_SECONDS or not followed.listed.is_set()):
            raise CheckFailed(Reason.API_UNAVAILABLE, f"{place} cannot be watched: {sync.error}")
        await followed.listed.wait()
        return followed.objects

    async def _begin(self, place: Place) -> _Followed:
        if self._nursery is None:
            raise CheckFailed(Reason.API_UNAVAILABLE, "nothing is watched: the program stops")
        try:
            endpoint = await find_endpoint(self._client, place.api_version, place.kind)
        except Refused as error:
            raise CheckFailed(Reason.NO_PERMISSION, f"{place} cannot be found: {error}") from error
        except KubeError as error:
            said = f"{place} cannot be found: {error}"
            raise CheckFailed(Reason.API_UNAVAILABLE, said) from error
        if endpoint is None:
            said = f"the cluster has no kind {place.kind} in {place.api_version}"
            raise CheckFailed(Reason.WORKLOAD_MISSING, said)
        if not endpoint.namespaced:
            said = f"{place.kind} lies in no namespace, and nobody's monitor may look at it"
            raise CheckFailed(Reason.WORKLOAD_MISSING, said)
        followed = _Followed(Sync(kind=place.kind), trio.current_time())
        self._followed[place] = followed
        self._nursery.start_soon(self._follow, place, endpoint, followed)
        return followed

    async def _follow(self, place: Place, endpoint: Endpoint, followed: _Followed) -> None:
        client = KubeClient(self._credentials)
        source = KubeSource(client=client, endpoint=endpoint, namespace=place.namespace)
        try:
            async with trio.open_nursery() as both:
                both.start_soon(run_reflector, source, followed, followed.sync)
                while True:
                    idle = followed.asked_at + IDLE_SECONDS
                    if trio.current_time() >= idle:
                        break
                    await trio.sleep_until(idle)
                both.cancel_scope.cancel()
        finally:
            self._followed.pop(place, None)
            with trio.move_on_after(1, shield=True):
                await client.aclose()
