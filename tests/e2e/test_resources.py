"""All ten kinds, from what is applied to what is said of it."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import yaml
from support.kstatus import kstatus
from support.program import (
    EVENTS,
    GROUP,
    SETTINGS,
    Site,
    cluster,
    condition,
    monitor,
    path_of,
    program,
    started,
    state_is,
    until,
)

from kubekuma.model.kinds import KINDS
from kubekuma.model.meta import API_VERSION
from kubekuma.model.meta import GROUP as API_GROUP

# A request that is cut off leaves its body half read, and trio says so of what httpx forgot.
pytestmark = pytest.mark.filterwarnings("ignore:Async generator 'httpx:ResourceWarning")

SAMPLES = Path(__file__).parents[2] / "manifests/samples"
SET = f"{GROUP}/namespaces/shop/monitorsets/sites"


def samples() -> Iterator[dict[str, Any]]:
    for file in sorted(SAMPLES.glob("*.yaml")):
        yield from yaml.safe_load_all(file.read_text())


def sites(site: Site, *items: Any) -> dict[str, Any]:
    defaults = {
        "type": "http",
        "schedule": {"intervalSeconds": 1},
        "target": {"http": {"url": site.url}},
    }
    return {
        "apiVersion": API_VERSION,
        "kind": "MonitorSet",
        "metadata": {"name": "sites", "namespace": "shop", "labels": {"from": "sites"}},
        "spec": {"defaults": defaults, "items": list(items)},
    }


def item(name: str, **spec: Any) -> dict[str, Any]:
    return {"name": name, "spec": spec}


def invalid_count(count: int) -> Any:
    return lambda it: it.get("status", {}).get("invalidCount") == count


async def test_every_sample_is_accepted_and_spoken_of(tmp_path: Path) -> None:
    documents = sorted(samples(), key=lambda it: it["kind"] != SETTINGS["kind"])
    assert {each["kind"] for each in documents} == {kind.name for kind in KINDS}
    # Nobody is asked for the addresses of hosts that are examples.
    nobody = {"resolvers": [{"address": "127.0.0.1", "port": 1}]}
    async with cluster(tmp_path) as api, program(tmp_path, kube_namespace="monitoring"):
        for document in documents:
            if document["kind"] == SETTINGS["kind"]:
                document["spec"]["networking"]["dns"] = nobody
            await api.apply(document)
        for document in documents:
            path = path_of(document)
            seen = await until(partial(api.get, path), lambda it: condition(it, "Ready")[0] != "")
            assert condition(seen, "Valid")[0] == "True", seen
            assert seen["status"]["observedGeneration"] == seen["metadata"]["generation"]
        policy = f"{GROUP}/namespaces/shop/notificationpolicies/on-call"
        seen = await until(
            lambda: api.get(policy), lambda it: it["status"].get("providersResolved") == 2
        )
        # One monitor with the tag prod, and the three of the set.
        assert seen["status"]["monitorCount"] == 4


async def test_a_sets_items_are_checked_counted_and_told(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    site, broken = await started(nursery), await started(nursery)
    broken.status = "500 Oops"
    async with cluster(tmp_path) as api, program(tmp_path) as it:
        down = item("b", target={"http": {"url": broken.url}})
        await api.apply(sites(site, item("a"), down))
        seen = await until(
            lambda: api.get(SET),
            lambda it: (
                [each["state"] for each in it["status"].get("itemStatuses", ())] == ["down"]
                if "status" in it
                else False
            ),
            seconds=30,
        )
        assert (seen["status"]["validCount"], seen["status"]["invalidCount"]) == (2, 0)
        assert condition(seen, "Ready") == ("True", "Scheduled")
        assert kstatus(seen) == "Current"
        shown = await it.get("/api/v1/monitors/shop/sites.b")
        assert shown["state"] == "down"
        assert 'name="sites.a"' in await it.text("/metrics")
        events = await until(lambda: api.get(EVENTS), lambda found: found["items"])
        (event,) = events["items"]
        assert (event["regarding"]["kind"], event["regarding"]["name"]) == ("MonitorSet", "sites")
        assert event["note"].startswith("b was ")

        # One bad item is reported, and the others go on.
        refused = item("c", schedule={"intervalSeconds": 0})
        await api.apply(sites(site, item("a"), refused), status=422)
        wrong = item("c", target={"http": {"url": "http://user@example.org/"}})
        await api.apply(sites(site, item("a"), wrong))
        seen = await until(lambda: api.get(SET), invalid_count(1), seconds=30)
        assert condition(seen, "Valid") == ("False", "InvalidItems")
        assert "must not contain a user name" in json.dumps(seen["status"]["itemStatuses"])
        checked = len(site.requests)
        await until(lambda: api.get(SET), lambda _: len(site.requests) > checked)
        assert (await it.http.get("/api/v1/monitors/shop/sites.b")).status_code == 404


async def test_a_target_that_is_down_holds_no_roll_out_up(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    site = await started(nursery)
    site.status = "500 Oops"
    async with cluster(tmp_path) as api, program(tmp_path):
        await api.apply(monitor(site))
        seen = await until(api.monitor, state_is("down"))
        seen = await until(api.monitor, lambda it: condition(it, "Ready")[0] == "True")
        assert condition(seen, "Up")[0] == "False"
        assert kstatus(seen) == "Current"
        settings = await until(
            lambda: api.get(f"{GROUP}/kubekumasettings/kubekuma"),
            lambda it: condition(it, "Ready")[0] == "True",
        )
        assert kstatus(settings) == "Current"
        # What is refused does hold it up.
        await api.apply(monitor(site, target={"http": {"url": "http://user@example.org/"}}))
        seen = await until(api.monitor, lambda it: condition(it, "Ready")[0] == "False")
        assert kstatus(seen) == "InProgress"


async def test_what_refers_to_others_is_looked_at_when_they_change(tmp_path: Path) -> None:
    def document(kind: str, name: str, **spec: Any) -> dict[str, Any]:
        metadata = {"name": name, "namespace": "shop"}
        return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}

    hook = {"type": "webhook", "config": {"webhook": {"url": "https://hooks.example.org/"}}}
    policy = document("NotificationPolicy", "p", routing={"providers": [{"ref": {"name": "hook"}}]})
    page = document("StatusPage", "p", slug="shop", title="Shop")
    rival = document("StatusPage", "q", slug="shop", title="Shop")
    async with cluster(tmp_path) as api, program(tmp_path):
        await api.apply(policy)
        get_policy, get_rival = (
            (lambda: api.get(path_of(policy))),
            (lambda: api.get(path_of(rival))),
        )
        await until(get_policy, lambda it: condition(it, "Ready")[1] == "ProviderMissing")
        await api.apply(document("NotificationProvider", "hook", **hook))
        seen = await until(get_policy, lambda it: condition(it, "Ready")[1] == "InForce")
        assert seen["status"]["providersResolved"] == 1
        await api.apply(document("Monitor", "m", type="manual", target={"manual": {}}))
        await until(get_policy, lambda it: it["status"]["monitorCount"] == 1)

        await api.apply(page)
        await until(lambda: api.get(path_of(page)), lambda it: condition(it, "Ready")[0] != "")
        await api.apply(rival)
        await until(get_rival, lambda it: condition(it, "Valid") == ("False", "SlugTaken"))
        assert (await api.http.delete(path_of(page))).status_code == 200
        await until(get_rival, lambda it: condition(it, "Valid")[0] == "True")


GARBAGE: dict[str, Any] = {
    "no-spec": {},
    "text": {"spec": "none"},
    "types": {"spec": {"type": 7, "target": [], "schedule": "often"}},
    "long": {"spec": {"type": "http", "displayName": "x" * 1_000_000, "target": {}}},
    "twice": {
        "spec": {
            "type": "manual",
            "target": {"manual": {}},
            "links": [{"name": "a", "url": "https://a.example/"}] * 2,
        }
    },
}


async def test_what_a_former_definition_allowed_is_refused_and_spoils_nothing(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    site = await started(nursery)
    definition = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/monitors." + API_GROUP
    async with cluster(tmp_path) as api, program(tmp_path):
        anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        crd = await api.get(definition)
        crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = anything
        assert (await api.http.put(definition, json=crd)).status_code == 200
        for name, part in GARBAGE.items():
            metadata = {
                "name": name,
                "namespace": "shop",
                "annotations": {"note": "a\u0085b\u2028c"},
            }
            garbage = {"apiVersion": API_VERSION, "kind": "Monitor", "metadata": metadata, **part}
            await api.apply(garbage)
        await api.apply(monitor(site))
        await until(api.monitor, state_is("up"))
        for name in GARBAGE:
            seen = await until(
                partial(api.monitor, name), lambda it: condition(it, "Valid")[0] == "False"
            )
            assert condition(seen, "Ready") == ("False", "InvalidSpec"), name
        # Every mistake is told, not only the first.
        seen = await api.monitor("types")
        (valid,) = (it for it in seen["status"]["conditions"] if it["type"] == "Valid")
        assert {"spec.type", "spec.target", "spec.schedule"} <= {
            each.partition(":")[0] for each in valid["message"].split("; ")
        }
