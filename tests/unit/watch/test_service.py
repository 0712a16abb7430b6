"""One kind, followed in all namespaces or in some, over a real connection."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from build import document
from fakes.kube_http import Asked, KubeHttp, reply, stream
from fakes.targets import stall
from support.embedded import eventually

from kubekuma.kube.client import OUR_ROOT, Endpoint
from kubekuma.kube.credentials import load_credentials
from kubekuma.model.meta import Key
from kubekuma.model.monitor import Monitor
from kubekuma.validate.load import load_monitor
from kubekuma.watch.cache import Cache
from kubekuma.watch.service import run_watch
from kubekuma.watch.sync import Sync

MONITORS = Endpoint(OUR_ROOT, "monitors")


class Cluster:
    """Monitors by namespace, listed as they are and watched in silence."""

    def __init__(self) -> None:
        self.monitors = {
            "shop": [document("web", "shop"), document("mail", "shop")],
            "blog": [document("web", "blog")],
        }
        self.refused: set[str] = set()
        self.events: list[Mapping[str, Any]] = []

    def __call__(self, asked: Asked) -> Any:
        within = asked.path.split("/namespaces/")[1:]
        namespace = within[0].split("/")[0] if within else ""
        if namespace in self.refused:
            return reply({"reason": "Forbidden", "message": "no"}, "403 Forbidden")
        if "sendInitialEvents" in asked.query:
            return reply({"reason": "Invalid", "message": "no"}, "422 Unprocessable Entity")
        if "watch" in asked.query:
            lines = [json.dumps(each).encode() + b"\n" for each in self.events]
            return [*stream(*lines), stall]
        listed = [
            each
            for place, monitors in self.monitors.items()
            if namespace in ("", place)
            for each in monitors
        ]
        return reply({"metadata": {"resourceVersion": "7"}, "items": listed})


def cache_of(kept: dict[Key, Any]) -> Cache[Monitor]:
    return Cache(load_monitor, lambda _: None, kept.__setitem__)


@asynccontextmanager
async def watching(
    cluster: Cluster, folder: Path, cache: Cache[Monitor], *namespaces: str
) -> AsyncIterator[tuple[KubeHttp, list[Sync]]]:
    syncs: list[Sync] = []
    async with trio.open_nursery() as nursery:
        server: KubeHttp = await nursery.start(KubeHttp(cluster).listen)
        credentials = await load_credentials(server.kubeconfig(folder))
        async with trio.open_nursery() as watch:
            await watch.start(
                partial(
                    run_watch,
                    "Monitor",
                    MONITORS,
                    cache,
                    namespaces=namespaces,
                    credentials=credentials,
                    follow=syncs.append,
                )
            )
            yield server, syncs
            watch.cancel_scope.cancel()
        nursery.cancel_scope.cancel()


async def test_all_namespaces_are_one_list_and_one_watch(tmp_path: Path) -> None:
    cache, cluster = cache_of({}), Cluster()
    cluster.events.append({"type": "DELETED", "object": document("mail", "shop")})
    async with watching(cluster, tmp_path, cache) as (server, syncs):
        await eventually(lambda: len(cache) == 2 and cache.listed.is_set())
        assert {each.path for each in server.asked} == {MONITORS.collection()}
        assert [each.kind for each in syncs] == ["Monitor"]
    assert set(cache.keys()) == {Key("shop", "web"), Key("blog", "web")}


async def test_each_namespace_is_followed_by_itself_and_all_must_be_listed(tmp_path: Path) -> None:
    cache, cluster = cache_of({}), Cluster()
    cluster.refused = {"blog"}
    async with watching(cluster, tmp_path, cache, "shop", "blog") as (server, syncs):
        await eventually(lambda: len(cache) == 2 and syncs[1].error != "")
        assert not cache.listed.is_set()
        cluster.refused = set()
        await eventually(cache.listed.is_set)
        assert len(cache) == 3
        assert {each.path for each in server.asked} == {
            MONITORS.collection("shop"),
            MONITORS.collection("blog"),
        }


async def test_the_list_of_one_namespace_deletes_nothing_of_another(tmp_path: Path) -> None:
    cache, cluster = cache_of({}), Cluster()
    cache.seed([document("old", "shop"), document("old", "blog")])
    cluster.refused = {"blog"}
    async with watching(cluster, tmp_path, cache, "shop", "blog"):
        await eventually(lambda: cache.get(Key("shop", "old")) is None)
        assert cache.get(Key("blog", "old")) is not None


async def test_what_an_earlier_run_watched_and_this_one_does_not_is_forgotten(
    tmp_path: Path,
) -> None:
    kept: dict[Key, Any] = {}
    cache, cluster = cache_of(kept), Cluster()
    cache.seed([document("web", "elsewhere"), document("web", "shop")])
    async with watching(cluster, tmp_path, cache, "shop"):
        await eventually(cache.listed.is_set)
    assert {key.namespace for key in cache.keys()} == {"shop"}  # noqa: SIM118 - no mapping
    assert kept[Key("elsewhere", "web")] is None


@pytest.mark.parametrize("namespaces", [(), ("shop", "blog")])
async def test_when_it_is_cancelled_its_connections_are_closed(
    tmp_path: Path, namespaces: tuple[str, ...]
) -> None:
    cache = cache_of({})
    with trio.fail_after(5):
        async with watching(Cluster(), tmp_path, cache, *namespaces) as (server, _):
            await eventually(lambda: any("watch" in each.query for each in server.asked))
