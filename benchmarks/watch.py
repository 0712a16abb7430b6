"""10,000 monitors of a real Kubernetes API server: listed, followed, and kept in memory.

    python benchmarks/watch.py [--monitors 10000]

The server is what the cluster suite tests against: k8s.io/apiextensions-apiserver over etcd, in a
process of its own (it wants Go). Whoever is measured is a fresh process each time: KubeKuma's
reflector and cache, asking for a streamed list or for pages, and beside them kr8s, which lists and
validates nothing. Prints seconds until everything is there, CPU, and what memory has grown by; then
the same for a watch that has to tell of a change of each monitor at once.
"""

import argparse
import gc
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import httpx
import kr8s
import trio
from kr8s.objects import new_class

from kubekuma.app import COLLECTIONS
from kubekuma.kube.client import OUR_ROOT, Endpoint, KubeClient
from kubekuma.kube.credentials import load_credentials
from kubekuma.kube.errors import Refused
from kubekuma.model.kinds import MONITOR
from kubekuma.model.meta import Key
from kubekuma.validate.load import load
from kubekuma.watch.cache import Cache
from kubekuma.watch.reflector import run_reflector
from kubekuma.watch.service import KubeSource
from kubekuma.watch.stream import events
from kubekuma.watch.sync import Sync

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.clusters import real
from support.real_api import build_real_api

ENDPOINT = Endpoint(OUR_ROOT, MONITOR.plural)
HOW = ("streamed", "pages", "kr8s")
CHANGES = "changes"


def main() -> None:
    """Start the server and the objects, then measure each client in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--monitors", type=int, default=10_000)
    parser.add_argument(
        "--client", choices=(*HOW, CHANGES), help="for the processes that are measured"
    )
    parser.add_argument("--since", default="", help="the version that changes are counted from")
    options = parser.parse_args()
    if options.client == "kr8s":
        listed_by_kr8s(options.monitors)
        return
    if options.client == CHANGES:
        trio.run(told, options.monitors, options.since)
        return
    if options.client:
        trio.run(followed, options.monitors, options.client)
        return
    binary = build_real_api(print)
    with tempfile.TemporaryDirectory() as name, real(Path(name), binary) as server:
        kubeconfig = Path(name) / "kubeconfig"
        kubeconfig.write_text(json.dumps(config(server)))
        print(f"{options.monitors:,} monitors of the real API machinery")
        trio.run(fill, kubeconfig, options.monitors)
        environment = {**os.environ, "KUBECONFIG": str(kubeconfig)}
        command = [sys.executable, __file__, "--monitors", str(options.monitors), "--client"]
        for client in HOW:
            subprocess.run([*command, client], env=environment, check=True)
        since = trio.run(change, kubeconfig, options.monitors)
        subprocess.run([*command, CHANGES, "--since", since], env=environment, check=True)


def config(server: Any) -> Mapping[str, Any]:
    """A kubeconfig that leads to ``server``."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
        "clusters": [{"name": "here", "cluster": server.cluster}],
        "users": [{"name": "me", "user": server.master}],
    }


async def fill(kubeconfig: Path, count: int) -> None:
    """Have the definition and the monitors there, sixteen at once."""
    from kubekuma.model.schema import crd  # noqa: PLC0415 - of no use to whoever is measured

    async with await client_of(kubeconfig) as http:
        definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        (await http.post(definitions, json=crd(MONITOR))).raise_for_status()
        await until_served(http)
        path = ENDPOINT.collection("default")
        await for_each(count, lambda number: http.post(path, json=monitor(number)))


async def change(kubeconfig: Path, count: int) -> str:
    """Give each monitor another name, and return the version of before."""
    async with await client_of(kubeconfig) as http:
        path = ENDPOINT.collection("default")
        listed = (await http.get(path, params={"limit": 1})).json()

        def rename(number: int) -> Awaitable[httpx.Response]:
            patch = {"spec": {"displayName": f"Renamed {number}"}}
            headers = {"content-type": "application/merge-patch+json"}
            where = f"{path}/site-{number}"
            return http.patch(where, content=json.dumps(patch), headers=headers)

        await for_each(count, rename)
        return str(listed["metadata"]["resourceVersion"])


async def client_of(kubeconfig: Path) -> httpx.AsyncClient:
    """Somebody who may do everything."""
    credentials = await load_credentials(kubeconfig)
    return httpx.AsyncClient(
        base_url=credentials.server,
        auth=credentials,
        verify=credentials.verify,
        trust_env=False,
        timeout=60,
    )


async def for_each(count: int, request: Callable[[int], Awaitable[httpx.Response]]) -> None:
    """Send a request for each monitor, sixteen at once."""
    numbers = iter(range(count))

    async def send() -> None:
        for number in numbers:
            (await request(number)).raise_for_status()

    async with trio.open_nursery() as nursery:
        for _ in range(16):
            nursery.start_soon(send)


async def until_served(http: httpx.AsyncClient) -> None:
    """Wait for the definition to be established."""
    path = ENDPOINT.collection("default")
    while (await http.get(path)).status_code != 200:  # noqa: ASYNC110 - nobody tells
        await trio.sleep(0.1)


def monitor(number: int) -> Mapping[str, Any]:
    """A monitor of middling length."""
    return {
        "apiVersion": "monitoring.kubekuma.io/v1",
        "kind": "Monitor",
        "metadata": {"name": f"site-{number}", "labels": {"team": str(number % 20)}},
        "spec": {
            "type": "http",
            "displayName": f"Site {number}",
            "target": {"http": {"url": f"https://site-{number}.example.org/health"}},
            "schedule": {"intervalSeconds": 60, "retries": {"maxRetries": 2}},
            "tags": ["prod"],
        },
    }


@attrs.define
class Used:
    """What a piece of work takes: seconds, CPU, memory."""

    began: float = attrs.field(factory=time.perf_counter)
    cpu: float = attrs.field(factory=time.process_time)
    before: float = attrs.field(factory=lambda: megabytes())  # noqa: PLW0108 - defined below

    def say(self, what: str) -> None:
        """Print it."""
        seconds = time.perf_counter() - self.began
        cpu = time.process_time() - self.cpu
        grown = megabytes() - self.before
        print(f"{what:34} {seconds:6.2f} s  {cpu:6.2f} s CPU  {grown:5.0f} MB", flush=True)


def megabytes() -> float:
    """The most memory that the process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class Pages:
    """A source that streams no list, as servers before 1.32."""

    def __init__(self, source: KubeSource) -> None:
        self._source = source

    async def page(self, parameters: Mapping[str, str]) -> Mapping[str, Any]:
        """One page of the list."""
        return await self._source.page(parameters)

    @asynccontextmanager
    async def watch(
        self, parameters: Mapping[str, str], *, silence_seconds: float
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """The raw chunks of a watch."""
        if "sendInitialEvents" in parameters:
            raise Refused(422, "Invalid", "no")
        async with self._source.watch(parameters, silence_seconds=silence_seconds) as chunks:
            yield chunks


async def followed(count: int, how: str) -> None:
    """Follow the monitors as KubeKuma does, until all are there."""
    changed: set[Key] = set()
    cache = Cache(partial(load, MONITOR), changed.add, lambda _, __: None)
    client = KubeClient(await load_credentials(None))
    source = KubeSource(client=client, endpoint=ENDPOINT, namespace="")
    gc.set_threshold(*COLLECTIONS)
    used = Used()
    async with trio.open_nursery() as nursery:
        reading: Any = source if how == "streamed" else Pages(source)
        nursery.start_soon(run_reflector, reading, cache, Sync(kind="Monitor"))
        await cache.listed.wait()
        used.say(f"KubeKuma, {how}: synced")
        assert len(cache) == count  # noqa: S101 - a figure of anything else would be wrong
        nursery.cancel_scope.cancel()
    await client.aclose()


async def told(count: int, since: str) -> None:
    """Take in a change of each monitor, as KubeKuma does: what waits is told at once."""
    changed: set[Key] = set()
    cache = Cache(partial(load, MONITOR), changed.add, lambda _, __: None)
    client = KubeClient(await load_credentials(None))
    source = KubeSource(client=client, endpoint=ENDPOINT, namespace="")
    gc.set_threshold(*COLLECTIONS)
    used = Used()
    async with (
        source.watch({"resourceVersion": since}, silence_seconds=60) as chunks,
        aclosing(events(chunks)) as found,
    ):
        async for event in found:
            cache.put(event.document)
            if len(changed) == count:
                break
    used.say(f"KubeKuma: {count:,} changes")
    await client.aclose()


def listed_by_kr8s(count: int) -> None:
    """List the monitors by a library."""
    used = Used()
    monitors = new_class(kind="Monitor", version=MONITOR.api_version, plural=MONITOR.plural)
    found = list(kr8s.get(monitors, namespace=kr8s.ALL))  # type: ignore[arg-type]
    used.say("kr8s: listed, not validated")
    assert len(found) == count  # noqa: S101 - the same


if __name__ == "__main__":
    main()
