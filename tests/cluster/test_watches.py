"""Lists and watches: pages of one moment, no event lost or doubled, and what is forgotten."""

import json
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest
import trio
from support.clusters import MERGE, Cluster, cluster_of
from support.embedded import widget
from support.embedded_process import WINDOW

pytestmark = pytest.mark.cluster

ALWAYS: Final = {"watch": "true", "timeoutSeconds": "30"}


def path(cluster: Cluster, rest: str = "") -> str:
    return f"/apis/example.org/v1/namespaces/{cluster.namespace}/widgets{rest}"


async def create(cluster: Cluster, name: str, **spec: Any) -> dict[str, Any]:
    made = await cluster.client.post(path(cluster), json=widget(name, **spec))
    assert made.status_code == 201, made.text
    value: dict[str, Any] = made.json()
    return value


async def change(cluster: Cluster, name: str, **spec: Any) -> None:
    body = json.dumps({"spec": spec})
    done = await cluster.client.patch(
        path(cluster, f"/{name}"), content=body, headers={"content-type": MERGE}
    )
    assert done.status_code == 200, done.text


async def listed(cluster: Cluster, **params: Any) -> dict[str, Any]:
    answer = await cluster.client.get(path(cluster), params=params)
    assert answer.status_code == 200, answer.text
    value: dict[str, Any] = answer.json()
    return value


def names(page: dict[str, Any]) -> list[str]:
    return [each["metadata"]["name"] for each in page["items"]]


def version(value: dict[str, Any]) -> int:
    return int(value["metadata"]["resourceVersion"])


@asynccontextmanager
async def watching(cluster: Cluster, **params: Any) -> AsyncIterator[AsyncIterator[Any]]:
    """The events of a watch, as they come; the block must end within the time of a test."""
    send, receive = trio.open_memory_channel[Any](math.inf)
    async with trio.open_nursery() as nursery:
        await nursery.start(follow, cluster, {**ALWAYS, **params}, send)
        with trio.fail_after(40), receive:
            yield receive
        nursery.cancel_scope.cancel()


async def follow(
    cluster: Cluster,
    params: dict[str, Any],
    send: trio.MemorySendChannel[Any],
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    rest = b""
    with send:
        async with cluster.client.stream("GET", path(cluster), params=params) as answer:
            assert answer.status_code == 200, await answer.aread()
            task_status.started()
            async for piece in answer.aiter_raw():
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    send.send_nowait(json.loads(line))


async def test_pages_show_one_moment(cluster: Cluster) -> None:
    for number in range(25):
        await create(cluster, f"w{number:02}")
    first = await listed(cluster, limit=10)
    assert names(first) == [f"w{number:02}" for number in range(10)]
    assert first["metadata"]["remainingItemCount"] == 15
    await create(cluster, "w15a")
    await cluster.client.delete(path(cluster, "/w20"))
    await change(cluster, "w21", size=2)
    second = await listed(cluster, limit=10, **{"continue": first["metadata"]["continue"]})
    third = await listed(cluster, limit=10, **{"continue": second["metadata"]["continue"]})
    assert names(second) + names(third) == [f"w{number:02}" for number in range(10, 25)]
    assert third["items"][1]["spec"]["size"] == 1
    assert not third["metadata"].get("continue")
    assert version(first) == version(second) == version(third)
    now = await listed(cluster)
    assert len(names(now)) == 25
    assert version(now) > version(first)


async def test_a_watch_tells_every_write_once_and_in_order(cluster: Cluster) -> None:
    begin = version(await listed(cluster))
    writers, rounds = 4, 12

    async def write(number: int) -> None:
        name = f"w{number}"
        await create(cluster, name)
        for size in range(2, rounds):
            await change(cluster, name, size=size)
        if number % 2:
            await cluster.client.delete(path(cluster, f"/{name}"))

    async with watching(cluster, resourceVersion=begin) as told, trio.open_nursery() as nursery:
        for number in range(writers):
            nursery.start_soon(write, number)
        expected = writers * (rounds - 1) + writers // 2
        seen = [await anext(told) for _ in range(expected)]
    versions = [version(each["object"]) for each in seen]
    assert versions == sorted(set(versions))
    assert versions[0] > begin
    copy: dict[str, Any] = {}
    for each in seen:
        name = each["object"]["metadata"]["name"]
        if each["type"] == "DELETED":
            del copy[name]
        else:
            assert (each["type"] == "ADDED") is (name not in copy)
            copy[name] = each["object"]
    assert [copy[name] for name in sorted(copy)] == (await listed(cluster))["items"]


async def test_a_watch_of_a_selection_tells_who_comes_and_goes(cluster: Cluster) -> None:
    begin = version(await listed(cluster))
    params = {"fieldSelector": "spec.color=blue", "resourceVersion": begin}
    async with watching(cluster, **params) as told:
        await create(cluster, "a")
        await create(cluster, "b", color="blue")
        await change(cluster, "a", color="blue")
        await change(cluster, "b", color="red")
        await change(cluster, "a", size=2)
        await cluster.client.delete(path(cluster, "/a"))
        seen = [await anext(told) for _ in range(5)]
    told_of = [(each["type"], each["object"]["metadata"]["name"]) for each in seen]
    assert told_of == [
        ("ADDED", "b"),
        ("ADDED", "a"),
        ("DELETED", "b"),
        ("MODIFIED", "a"),
        ("DELETED", "a"),
    ]


async def test_a_watch_may_begin_with_what_there_is(cluster: Cluster) -> None:
    await create(cluster, "a")
    await create(cluster, "b")
    params = {
        "sendInitialEvents": "true",
        "resourceVersionMatch": "NotOlderThan",
        "allowWatchBookmarks": "true",
    }
    async with watching(cluster, **params) as told:
        first = [await anext(told) for _ in range(3)]
        await create(cluster, "c")
        later = await anext(told)
        while later["type"] == "BOOKMARK":
            later = await anext(told)
    assert sorted(each["object"]["metadata"].get("name", "") for each in first[:2]) == ["a", "b"]
    mark = first[2]["object"]
    assert first[2]["type"] == "BOOKMARK"
    assert (mark["kind"], mark["apiVersion"]) == ("Widget", "example.org/v1")
    assert mark["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert (later["type"], later["object"]["metadata"]["name"]) == ("ADDED", "c")
    assert version(later["object"]) > version(mark)


async def test_a_watch_without_a_beginning_shows_what_there_is(cluster: Cluster) -> None:
    await create(cluster, "a")
    for begin in ("", "0"):
        async with watching(cluster, resourceVersion=begin) as told:
            first = await anext(told)
        assert (first["type"], first["object"]["metadata"]["name"]) == ("ADDED", "a")


async def test_a_watch_ends_in_time(cluster: Cluster) -> None:
    begin = version(await listed(cluster))
    async with watching(cluster, resourceVersion=begin, timeoutSeconds=1) as told:
        assert [each async for each in told if each["type"] != "BOOKMARK"] == []


@pytest.fixture(params=["embedded", "real"])
async def forgetful(
    request: pytest.FixtureRequest, servers: Any, tmp_path: Path
) -> AsyncIterator[Cluster]:
    """Servers whose past a test can have forgotten: the real one has no memory beside etcd."""
    options = ["-watch-cache=false"] if request.param == "real" else []
    async with cluster_of(servers.get(request.param, *options), tmp_path) as cluster:
        yield cluster


async def forget(cluster: Cluster) -> None:
    """Have the past forgotten."""
    if cluster.server.which == "real":
        cluster.server.compact()
        return
    async with trio.open_nursery() as nursery:
        for number in range(WINDOW + 1):
            nursery.start_soon(create, cluster, f"forget{number}")


async def test_who_asks_for_a_forgotten_past_must_list_again(forgetful: Cluster) -> None:
    cluster = forgetful
    for number in range(4):
        await create(cluster, f"w{number}")
    first = await listed(cluster, limit=2)
    # Two: etcd still knows the last write before a compaction, and stumbles over it.
    await change(cluster, "w0", size=2)
    await change(cluster, "w0", size=3)
    await forget(cluster)
    with trio.fail_after(30):
        while not await is_gone(cluster, version(first)):
            pass
    token = first["metadata"]["continue"]
    refused = await cluster.client.get(path(cluster), params={"limit": 2, "continue": token})
    assert refused.status_code == 410
    assert refused.json()["reason"] == "Expired"
    again = await listed(cluster)
    async with watching(cluster, resourceVersion=version(again)) as told:
        await change(cluster, "w1", size=3)
        assert (await anext(told))["object"]["spec"]["size"] == 3


async def is_gone(cluster: Cluster, begin: int) -> bool:
    """Whether a watch from ``begin`` is told, one way or the other, that it is too late."""
    params = {"watch": "true", "timeoutSeconds": "1", "resourceVersion": str(begin)}
    answer = await cluster.client.get(path(cluster), params=params)
    if answer.status_code == 410:
        return True
    first = answer.text.partition("\n")[0]
    if not first or json.loads(first)["type"] != "ERROR":
        return False
    status = json.loads(first)["object"]
    assert (status["code"], status["reason"]) in {(410, "Expired"), (410, "Gone")}, status
    return True
