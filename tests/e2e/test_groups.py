"""Monitors of our own affairs in the running program: groups, and what people set by hand."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from support.program import cluster, condition, monitor, program, started, state_is, until

from kubekuma.model.meta import API_VERSION, STATE, STATE_MESSAGE

# A request that is cut off leaves its body half read, and trio says so of what httpx forgot.
pytestmark = pytest.mark.filterwarnings("ignore:Async generator 'httpx:ResourceWarning")

# Nobody waits that long: what is seen sooner came with the change itself.
SELDOM = {"intervalSeconds": 3600}


def inside(name: str, kind: str, annotations: dict[str, str] | None = None, **target: Any) -> Any:
    return {
        "apiVersion": API_VERSION,
        "kind": "Monitor",
        "metadata": {"name": name, "namespace": "shop", "annotations": annotations or {}},
        "spec": {"type": kind, "schedule": SELDOM, "target": {kind: target}},
    }


def last_reason_is(reason: str) -> Callable[[Any], bool]:
    return lambda seen: seen["lastHeartbeat"]["reason"] == reason


async def test_a_group_and_a_group_of_groups_follow_their_members_at_once(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    site = await started(nursery)
    async with cluster(tmp_path) as api, program(tmp_path) as it:
        await api.apply(inside("top", "group", members=[{"name": "all"}]))
        await api.apply(inside("all", "group", members=[{"name": "web"}]))
        await api.apply(monitor(site))
        await until(partial(api.monitor, "top"), state_is("up"))
        site.status = "500 Oops"
        seen = await until(partial(api.monitor, "top"), state_is("down"))
        assert seen["status"]["lastResult"]["reason"] == "MembersDown"
        assert "shop/all" in seen["status"]["lastResult"]["message"]
        site.status = "200 OK"
        await until(partial(api.monitor, "top"), state_is("up"))
        # Of one that is paused, nothing is asked: nobody is left to be up.
        await api.apply(monitor(site, enabled=False))
        await until(partial(api.monitor, "web"), state_is("paused"))
        await until(partial(it.get, "/api/v1/monitors/shop/all"), last_reason_is("MembersUnknown"))


async def test_a_person_sets_the_state_with_an_annotation(tmp_path: Path) -> None:
    async with cluster(tmp_path) as api, program(tmp_path):
        office = partial(api.monitor, "office")
        await api.apply(inside("office", "manual", initialState="up"))
        await until(office, state_is("up"))
        said = {STATE: "down", STATE_MESSAGE: "no power"}
        await api.apply(inside("office", "manual", said, initialState="up"))
        seen = await until(office, state_is("down"))
        assert seen["status"]["lastResult"]["message"] == "no power"
        # Nonsense is refused, and what was set before holds.
        await api.apply(inside("office", "manual", {STATE: "so so"}, initialState="up"))
        seen = await until(office, lambda it: condition(it, "Valid")[0] == "False")
        (valid,) = (c for c in seen["status"]["conditions"] if c["type"] == "Valid")
        assert f"metadata.annotations[{STATE}]: must be one of up" in valid["message"]
        assert seen["status"]["state"] == "down"
        await api.apply(inside("office", "manual", initialState="up"))
        await until(office, state_is("up"))


async def test_items_of_a_set_are_set_one_by_one(tmp_path: Path) -> None:
    def sites(**states: str) -> Any:
        return {
            "apiVersion": API_VERSION,
            "kind": "MonitorSet",
            "metadata": {
                "name": "doors",
                "namespace": "shop",
                "annotations": {f"{STATE}.{name}": state for name, state in states.items()},
            },
            "spec": {
                "defaults": {"type": "manual", "schedule": SELDOM, "target": {"manual": {}}},
                "items": [{"name": "front", "spec": {}}, {"name": "back", "spec": {}}],
            },
        }

    async with cluster(tmp_path) as api, program(tmp_path) as it:

        async def states() -> list[str]:
            found = await it.get("/api/v1/monitors")
            return [each["state"] for each in found["items"]]

        await api.apply(sites())
        await until(states, lambda found: found == ["up", "up"])
        await api.apply(sites(back="down"))
        await until(states, lambda found: found == ["down", "up"])
        await api.apply(sites(front="degraded"))
        await until(states, lambda found: found == ["up", "degraded"])
