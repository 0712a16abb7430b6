"""The whole program against the embedded API, in one process, on real sockets and real time."""

import base64
import gc
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import attrs
import httpx
import trio
from prometheus_client.parser import text_string_to_metric_families
from support.embedded import client_of

from kubekuma.app import run_program
from kubekuma.model.kinds import KINDS, kind_named
from kubekuma.model.schema import crd
from kubekuma.parts import Config
from kubekuma.record.sqlite import SqliteDatabase
from kubekuma.standalone.server import Endpoint, serve_embedded_api

GROUP = "/apis/monitoring.kubekuma.io/v1"
EVENTS = "/apis/events.k8s.io/v1/namespaces/shop/events"
SETTINGS: dict[str, Any] = {
    "apiVersion": "monitoring.kubekuma.io/v1",
    "kind": "KubeKumaSettings",
    "metadata": {"name": "kubekuma"},
    "spec": {
        "scheduler": {
            "minIntervalSeconds": 1,
            "jitterPercent": 0,
            # Always there: no test asks the gateway of the machine that it runs on.
            "connectivity": {
                scope: {"targets": ["127.0.0.1:1"]} for scope in ("internet", "local")
            },
        },
        "networking": {"targets": {"allowCidrs": ["127.0.0.0/8"]}},
    },
}


class Site:
    """A target that is up, down, silent or says what it was asked, as the test wants it."""

    def __init__(self) -> None:
        self.status = "200 OK"
        self.requests: list[bytes] = []
        self.silent: trio.Event | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}/"

    async def listen(self, task_status: trio.TaskStatus["Site"] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve on a free port of loopback."""
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.port = listener.socket.getsockname()[1]
        async with trio.open_nursery() as nursery:
            await nursery.start(trio.serve_listeners, self._serve, [listener])
            task_status.started(self)

    async def _serve(self, stream: trio.SocketStream) -> None:
        async with stream:
            try:
                self.requests.append(bytes(await stream.receive_some()))
                if self.silent is not None:
                    await self.silent.wait()
                    return
                await stream.send_all(
                    f"HTTP/1.1 {self.status}\r\nContent-Length: 2\r\n\r\nok".encode()
                )
            except trio.BrokenResourceError:
                return


async def started(nursery: trio.Nursery) -> Site:
    """A target that is up."""
    site: Site = await nursery.start(Site().listen)
    return site


@attrs.define(kw_only=True)
class Cluster:
    """The embedded API, while it is there."""

    endpoint: Endpoint
    http: httpx.AsyncClient
    stop: trio.Event
    ended: trio.Event

    async def apply(self, document: Mapping[str, Any], *, status: int = 200) -> None:
        """What kubectl apply does; ``status`` is what is to come of it."""
        answer = await self.http.patch(
            path_of(document),
            params={"fieldManager": "tester", "force": "true"},
            content=json.dumps(document).encode(),
            headers={"Content-Type": "application/apply-patch+yaml"},
        )
        assert answer.status_code in {status, 201}, answer.text

    async def secret(self, name: str, **values: str) -> None:
        """What kubectl create secret generic does, in the namespace shop."""
        data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
        metadata = {"name": name, "namespace": "shop"}
        await self.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data})

    async def get(self, path: str) -> Any:
        """What kubectl get does."""
        return (await self.http.get(path)).json()

    async def monitor(self, name: str = "web") -> Any:
        """One monitor of the namespace shop."""
        return await self.get(f"{GROUP}/namespaces/shop/monitors/{name}")

    async def delete(self, name: str = "web") -> None:
        """What kubectl delete does."""
        answer = await self.http.delete(f"{GROUP}/namespaces/shop/monitors/{name}")
        assert answer.status_code == 200

    async def go_away(self) -> None:
        """Be no longer there."""
        await self.http.aclose()
        self.stop.set()
        await self.ended.wait()


@asynccontextmanager
async def cluster(folder: Path) -> AsyncIterator[Cluster]:
    """An embedded API with our definitions, its settings for tests, and the namespace shop."""
    stop, ended = trio.Event(), trio.Event()

    async def serve(task_status: trio.TaskStatus[Endpoint]) -> None:
        await serve_embedded_api(
            folder / "api",
            [crd(kind) for kind in KINDS],
            namespaces=("shop", "monitoring"),
            stop=stop,
            task_status=task_status,
        )
        ended.set()

    async with trio.open_nursery() as nursery:
        endpoint = await nursery.start(serve)
        async with client_of(endpoint) as http:
            it = Cluster(endpoint=endpoint, http=http, stop=stop, ended=ended)
            await it.apply(SETTINGS)
            try:
                yield it
            finally:
                stop.set()


@attrs.define(kw_only=True)
class Program:
    """KubeKuma at work."""

    http: httpx.AsyncClient
    stop: trio.Event
    ended: trio.Event

    async def get(self, path: str) -> Any:
        """The JSON at ``path``."""
        return (await self.http.get(path)).json()

    async def text(self, path: str) -> str:
        """The text at ``path``."""
        return (await self.http.get(path)).text

    async def end(self) -> float:
        """Ask it to stop, and say how many seconds that took."""
        began = trio.current_time()
        self.stop.set()
        await self.ended.wait()
        return trio.current_time() - began


@asynccontextmanager
async def program(folder: Path, **config: Any) -> AsyncIterator[Program]:
    """The program on what ``cluster(folder)`` serves, or has served."""
    stop, ended = trio.Event(), trio.Event()
    told = Config(
        database=SqliteDatabase(folder / "history.db"),
        listen="127.0.0.1:0",
        **{
            "kubeconfig": folder / "api" / "kubeconfig",
            "kube_namespace": "shop",
            **config,
        },
    )

    async def run(task_status: trio.TaskStatus[str]) -> None:
        await run_program(told, stop=stop, task_status=task_status)
        ended.set()

    with _collections_as_before():
        async with trio.open_nursery() as nursery:
            with trio.fail_after(20):
                url = await nursery.start(run)
            async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
                yield Program(http=http, stop=stop, ended=ended)
            stop.set()


@contextmanager
def _collections_as_before() -> Iterator[None]:
    # The program keeps the process for itself, which it does not have here. What its requests
    # leave when they are cut off is found now rather than in the middle of another test.
    thresholds = gc.get_threshold()
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
        gc.collect()


def path_of(document: Mapping[str, Any]) -> str:
    """Where an object of ours is served, or a Secret."""
    kind, meta = kind_named(document["kind"]), document["metadata"]
    root, plural = (GROUP, kind.plural) if kind is not None else ("/api/v1", "secrets")
    within = f"/namespaces/{meta['namespace']}" if "namespace" in meta else ""
    return f"{root}{within}/{plural}/{meta['name']}"


def monitor(site: Site, name: str = "web", /, **spec: Any) -> Mapping[str, Any]:
    """A Monitor of ``site``, checked each second."""
    return {
        "apiVersion": "monitoring.kubekuma.io/v1",
        "kind": "Monitor",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {
            "type": "http",
            "target": {"http": {"url": site.url}},
            "schedule": {"intervalSeconds": 2, "timeoutSeconds": 1},
            **spec,
        },
    }


async def until(
    look: Callable[[], Any], holds: Callable[[Any], bool], *, seconds: float = 15
) -> Any:
    """What ``look`` sees once ``holds`` says yes to it; fail if that takes too long."""
    seen = None
    with trio.move_on_after(seconds):
        while True:
            seen = await look()
            if holds(seen):
                return seen
            await trio.sleep(0.05)
    raise AssertionError(f"it never came true of {seen}")


def state_is(state: str) -> Callable[[Any], bool]:
    """Whether an object's status shows ``state``."""
    return lambda it: it.get("status", {}).get("state") == state


def condition(it: Mapping[str, Any], type_: str) -> tuple[str, str]:
    """The status and reason of a condition."""
    found = it.get("status", {}).get("conditions", ())
    return next(((c["status"], c["reason"]) for c in found if c["type"] == type_), ("", ""))


def sample(text: str, metric: str, **labels: str) -> float | None:
    for family in text_string_to_metric_families(text):
        for each in family.samples:
            if each.name == metric and labels.items() <= each.labels.items():
                return float(each.value)
    return None
