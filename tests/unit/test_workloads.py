"""What k8s monitors look at is followed while it is asked for, and not believed for ever."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from fakes.kube_http import Asked, KubeHttp, reply, stream
from trio.testing import MockClock

from kubekuma.check.finding import CheckFailed
from kubekuma.kube.client import KubeClient
from kubekuma.kube.credentials import load_credentials
from kubekuma.model.result import Reason
from kubekuma.workloads import IDLE_SECONDS, STALE_SECONDS, Workloads

APPS = {
    "resources": [
        {"name": "deployments/scale", "kind": "Deployment", "namespaced": True},
        {"name": "deployments", "kind": "Deployment", "namespaced": True},
        {"name": "clusterthings", "kind": "ClusterThing", "namespaced": False},
    ]
}


class Server:
    """One Deployment in every namespace, and whatever a test wants to go wrong."""

    def __init__(self) -> None:
        self.away = False
        self.available = 1
        self.refuses_discovery = False
        self.cut = trio.Event()  # watches break off

    def __call__(self, asked: Asked) -> Any:
        if self.away:
            return []
        if asked.path.startswith("/apis/apps/v1/namespaces"):
            return self._deployments(asked)
        if self.refuses_discovery:
            return reply({"reason": "Forbidden", "message": "no"}, "403 Forbidden")
        if asked.path == "/apis/apps/v1":
            return reply(APPS)
        return reply({"reason": "NotFound", "message": "no"}, "404 Not Found")

    def _deployments(self, asked: Asked) -> Any:
        if "sendInitialEvents" in asked.query:
            return reply({"reason": "Invalid", "message": "no"}, "422 Unprocessable Entity")
        document = {
            "metadata": {"name": "web", "namespace": "shop", "resourceVersion": "8"},
            "status": {"availableReplicas": self.available},
        }
        if "watch" in asked.query:
            event = json.dumps({"type": "MODIFIED", "object": document}).encode() + b"\n"
            return [*stream(event), self._until_cut]
        return reply({"metadata": {"resourceVersion": "7"}, "items": [document]})

    async def _until_cut(self, _: trio.abc.Stream) -> None:
        await self.cut.wait()


@attrs.define(kw_only=True)
class World:
    server: Server
    http: KubeHttp
    workloads: Workloads

    async def available(self, kind: str = "Deployment", api: str = "apps/v1") -> int:
        found = await self.workloads.of("shop", api, kind)
        return found["web"].counts["availableReplicas"]

    async def why(self, kind: str = "Deployment", api: str = "apps/v1") -> tuple[Reason, str]:
        with pytest.raises(CheckFailed) as failed:
            await self.available(kind, api)
        return failed.value.finding.reason, failed.value.finding.message

    def asked(self, what: str) -> int:
        return sum(what in each.path for each in self.http.asked)


@pytest.fixture
def clock() -> MockClock:
    # Not at once: the kernel hands loopback's bytes over in real time, if only just.
    return MockClock(autojump_threshold=0.05)


@asynccontextmanager
async def world(nursery: trio.Nursery, folder: Path) -> AsyncIterator[World]:
    server = Server()
    http: KubeHttp = await nursery.start(KubeHttp(server).listen)
    credentials = await load_credentials(http.kubeconfig(folder))
    client = KubeClient(credentials)
    workloads = Workloads(credentials, client)
    async with trio.open_nursery() as watches:
        await watches.start(workloads.run)
        yield World(server=server, http=http, workloads=workloads)
        watches.cancel_scope.cancel()
    await client.aclose()


async def test_one_watch_serves_all_who_ask_and_ends_when_nobody_does(
    nursery: trio.Nursery, tmp_path: Path, clock: MockClock
) -> None:
    async with world(nursery, tmp_path) as it:
        async with trio.open_nursery() as many:
            for _ in range(5):
                many.start_soon(it.available)
        assert clock.current_time() < IDLE_SECONDS / 2
        await trio.sleep(IDLE_SECONDS / 2)
        assert await it.available() == 1
        assert it.asked("/apis/apps/v1/namespaces/shop/deployments") >= 3  # offer, list, watch
        assert sum(each.path == "/apis/apps/v1" for each in it.http.asked) == 1
        await trio.sleep(IDLE_SECONDS + 1)
        it.server.available = 5
        # Found out anew: the old watch is no more.
        assert await it.available() == 5
        assert sum(each.path == "/apis/apps/v1" for each in it.http.asked) == 2


async def test_what_was_true_long_ago_is_not_known_any_more(
    nursery: trio.Nursery, tmp_path: Path, clock: MockClock
) -> None:
    async with world(nursery, tmp_path) as it:
        assert await it.available() == 1
        it.server.away = True
        it.server.cut.set()
        await trio.sleep(STALE_SECONDS / 2)
        assert await it.available() == 1
        await trio.sleep(2 * STALE_SECONDS)
        reason, message = await it.why()
        assert reason is Reason.API_UNAVAILABLE
        assert message.startswith("Deployment (apps/v1) in shop cannot be watched")
        assert clock.current_time() > 2 * STALE_SECONDS
        it.server.away, it.server.cut, it.server.available = False, trio.Event(), 3
        await trio.sleep(STALE_SECONDS)
        assert await it.available() == 3


@pytest.mark.parametrize(
    ("kind", "api", "said"),
    [
        ("Deploymnet", "apps/v1", "the cluster has no kind Deploymnet in apps/v1"),
        ("Thing", "example.org/v1", "the cluster has no kind Thing in example.org/v1"),
        ("ClusterThing", "apps/v1", "ClusterThing lies in no namespace"),
    ],
)
async def test_kinds_that_there_are_not(
    nursery: trio.Nursery, tmp_path: Path, kind: str, api: str, said: str
) -> None:
    async with world(nursery, tmp_path) as it:
        reason, message = await it.why(kind, api)
        assert reason is Reason.WORKLOAD_MISSING
        assert said in message


async def test_who_cannot_be_asked_is_nobodys_fault(nursery: trio.Nursery, tmp_path: Path) -> None:
    async with world(nursery, tmp_path) as it:
        it.server.away = True
        assert (await it.why())[0] is Reason.API_UNAVAILABLE
        it.server.away, it.server.refuses_discovery = False, True
        assert (await it.why())[0] is Reason.NO_PERMISSION
    assert await it.why() == (Reason.API_UNAVAILABLE, "nothing is watched: the program stops")
