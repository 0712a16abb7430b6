"""What kubectl delete leaves of what is owned, where there is a garbage collector."""

import json
from typing import Any

import pytest
from support.clusters import MERGE, Cluster
from support.embedded import widget
from support.program import until

pytestmark = pytest.mark.cluster


@pytest.fixture
def widgets(cluster: Cluster) -> str:
    """The path of a namespace's widgets."""
    if not cluster.server.has_controllers:
        pytest.skip("there is no garbage collector")
    return f"/apis/example.org/v1/namespaces/{cluster.namespace}/widgets"


async def create(cluster: Cluster, path: str, name: str, owner: Any = None, **more: Any) -> Any:
    made = widget(name)
    if owner is not None:
        reference = {key: owner[key] for key in ("apiVersion", "kind")}
        reference |= {key: owner["metadata"][key] for key in ("name", "uid")}
        made["metadata"]["ownerReferences"] = [{**reference, "blockOwnerDeletion": True}]
    made["metadata"] |= more
    answer = await cluster.client.post(path, json=made)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def names(cluster: Cluster, path: str) -> list[str]:
    listed = (await cluster.client.get(path)).json()["items"]
    return sorted(each["metadata"]["name"] for each in listed)


async def test_in_the_background_what_is_owned_follows(cluster: Cluster, widgets: str) -> None:
    owner = await create(cluster, widgets, "a")
    owned = await create(cluster, widgets, "b", owner)
    await create(cluster, widgets, "c", owned)
    await create(cluster, widgets, "d")
    await cluster.kubectl("delete", "widget", "a")
    await until(lambda: names(cluster, widgets), lambda found: found == ["d"], seconds=30)


async def test_in_the_foreground_the_owner_goes_last(cluster: Cluster, widgets: str) -> None:
    owner = await create(cluster, widgets, "a")
    await create(cluster, widgets, "b", owner, finalizers=["example.org/hold"])
    await cluster.kubectl("delete", "widget", "a", "--cascade=foreground", "--wait=false")

    async def held() -> Any:
        return (await cluster.client.get(f"{widgets}/b")).json()["metadata"]

    await until(held, lambda found: "deletionTimestamp" in found, seconds=30)
    assert await names(cluster, widgets) == ["a", "b"]
    free = json.dumps({"metadata": {"finalizers": None}})
    await cluster.client.patch(f"{widgets}/b", content=free, headers={"content-type": MERGE})
    await until(lambda: names(cluster, widgets), lambda found: found == [], seconds=30)


async def test_orphans_stay(cluster: Cluster, widgets: str) -> None:
    owner = await create(cluster, widgets, "a")
    await create(cluster, widgets, "b", owner)
    await cluster.kubectl("delete", "widget", "a", "--cascade=orphan")
    assert await names(cluster, widgets) == ["b"]
    orphan = (await cluster.client.get(f"{widgets}/b")).json()
    assert "ownerReferences" not in orphan["metadata"]
