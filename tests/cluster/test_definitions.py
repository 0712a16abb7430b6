"""Our definitions come, come again and change, and what is stored stays readable."""

import copy
import json
from typing import Any

import pytest
import yaml
from support.clusters import MERGE, Cluster
from support.embedded import WIDGETS, widget

from kubekuma.model.kinds import KINDS, Kind
from kubekuma.model.schema import crd

pytestmark = pytest.mark.cluster


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
async def test_a_definition_is_served_as_it_says(cluster: Cluster, kind: Kind) -> None:
    kubectl = cluster.kubectl
    stored = json.loads(await kubectl("get", "crd", kind.crd_name, "-o", "json"))
    conditions = {each["type"]: each["status"] for each in stored["status"]["conditions"]}
    assert conditions["Established"] == conditions["NamesAccepted"] == "True"
    assert stored["status"]["storedVersions"] == ["v1"]
    (names,) = [
        line.split()
        for line in (await kubectl("api-resources", "--no-headers")).splitlines()
        if line.split()[-1] == kind.name
    ]
    namespaced = str(kind.namespaced).lower()
    assert names[0] == kind.plural
    assert names[2:] == [kind.api_version, namespaced, kind.name]
    assert names[1].split(",") == list(kind.short_names)
    assert kind.doc.split(".")[0] in " ".join((await kubectl("explain", kind.plural)).split())
    assert "FIELDS:" in await kubectl("explain", f"{kind.plural}.spec", "--recursive")
    categories = await kubectl("api-resources", "--categories=kubekuma", "-o", "name")
    assert kind.crd_name in categories.split()


async def test_definitions_come_again_and_nothing_changes(cluster: Cluster) -> None:
    text = yaml.safe_dump_all([crd(kind) for kind in KINDS])
    versions = ("get", "crd", "-o", "jsonpath={.items[*].metadata.generation}")
    before = await cluster.kubectl(*versions)
    await cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=text)
    assert await cluster.kubectl(*versions) == before


def gears(cluster: Cluster) -> tuple[dict[str, Any], str]:
    """A definition that only this test knows, and the path of its objects."""
    made = copy.deepcopy(WIDGETS)
    group = f"{cluster.namespace}.example.org"
    made["metadata"]["name"] = f"gears.{group}"
    made["spec"]["group"] = group
    made["spec"]["names"] = {"plural": "gears", "kind": "Gear", "shortNames": [cluster.namespace]}
    return made, f"/apis/{group}/v1/namespaces/{cluster.namespace}/gears"


async def test_a_field_more_is_there_for_old_objects_too(cluster: Cluster) -> None:
    kubectl, client = cluster.kubectl, cluster.client
    definition, path = gears(cluster)
    name = definition["metadata"]["name"]
    await kubectl("apply", "--server-side", "-f", "-", stdin=definition)
    await kubectl("wait", "--for=condition=Established", f"crd/{name}", "--timeout=20s")
    old = {**widget("old"), "kind": "Gear", "apiVersion": f"{definition['spec']['group']}/v1"}
    await kubectl("create", "-f", "-", stdin=old)
    before = (await client.get(f"{path}/old")).json()

    version = definition["spec"]["versions"][0]
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    spec["shape"] = {"type": "string", "default": "round", "description": "Its shape."}
    spec["weight"] = {"type": "integer"}
    version["additionalPrinterColumns"][0:0] = [
        {"name": "Shape", "type": "string", "jsonPath": ".spec.shape"}
    ]
    await kubectl("apply", "--server-side", "-f", "-", stdin=definition)
    # The new schema is in force a moment later: a wait for what it brings.
    waited = ("--for=jsonpath={.spec.shape}=round", "--timeout=20s")
    await kubectl("wait", *waited, f"gears.{definition['spec']['group']}/old")
    now = (await client.get(f"{path}/old")).json()
    assert now["spec"] == {**before["spec"], "shape": "round"}
    assert now["metadata"] == before["metadata"]
    assert "Its shape." in await kubectl("explain", f"{cluster.namespace}.spec.shape")
    assert (await kubectl("get", cluster.namespace)).split()[:2] == ["NAME", "SHAPE"]
    await kubectl("patch", cluster.namespace, "old", "--type=merge", "-p", '{"spec":{"weight":2}}')
    now = (await client.get(f"{path}/old")).json()
    assert now["spec"] == {**before["spec"], "shape": "round", "weight": 2}
    assert now["metadata"]["generation"] == 2

    # Objects go with their definition.
    await kubectl("delete", "crd", name)
    assert (await client.get(path)).status_code == 404


async def test_a_status_is_nobody_elses_business(cluster: Cluster) -> None:
    client = cluster.client
    path = f"/apis/example.org/v1/namespaces/{cluster.namespace}/widgets"
    await client.post(path, json={**widget("a"), "status": {"state": "Up"}})

    async def merge(where: str, body: Any) -> dict[str, Any]:
        answer = await client.patch(
            f"{path}/{where}", content=json.dumps(body), headers={"content-type": MERGE}
        )
        assert answer.status_code == 200, answer.text
        value: dict[str, Any] = answer.json()
        return value

    both = {"spec": {"size": 5}, "status": {"state": "Down"}, "metadata": {"labels": {"x": "y"}}}
    shown = await merge("a", both)
    assert ("status" in shown, shown["spec"]["size"]) == (False, 5)
    assert shown["metadata"]["generation"] == 2
    shown = await merge("a/status", {**both, "spec": {"size": 9}})
    assert (shown["status"], shown["spec"]["size"]) == ({"state": "Down"}, 5)
    assert shown["metadata"]["generation"] == 2
    shown = await merge("a", {"metadata": {"labels": {"x": "z"}}})
    assert shown["metadata"]["generation"] == 2
