"""Planned work in the running program: no outage within, one that outlives it, over restarts."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from support.program import GROUP, cluster, condition, monitor, program, started, state_is, until

from kubekuma.model.meta import API_VERSION

# A request that is cut off leaves its body half read, and trio says so of what httpx forgot.
pytestmark = pytest.mark.filterwarnings("ignore:Async generator 'httpx:ResourceWarning")

WEB = "/api/v1/monitors/shop/web"
WINDOW = f"{GROUP}/namespaces/shop/maintenancewindows/work"


def work(*, enabled: bool = True, **spec: Any) -> Any:
    return {
        "apiVersion": API_VERSION,
        "kind": "MaintenanceWindow",
        "metadata": {"name": "work", "namespace": "shop"},
        "spec": {"title": "Work", "match": {}, "enabled": enabled, **spec},
    }


def is_spoken_of(seen: Any) -> bool:
    return condition(seen, "Ready")[0] != ""


async def test_what_is_down_within_planned_work_is_an_outage_once_that_ends(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    site = await started(nursery)
    async with cluster(tmp_path) as api:
        async with program(tmp_path) as it:
            await api.apply(monitor(site))
            await until(api.monitor, state_is("up"))
            await api.apply(work())
            seen = await until(api.monitor, state_is("maintenance"))
            assert (seen["status"]["verdict"], seen["status"]["overlays"]) == (
                "up",
                ["maintenance"],
            )
            window = await until(
                partial(api.get, WINDOW), lambda seen: condition(seen, "Ready")[0] != ""
            )
            assert condition(window, "Ready") == ("True", "Active")
            site.status = "500 Oops"
            seen = await until(api.monitor, lambda seen: seen["status"]["verdict"] == "down")
            assert seen["status"]["state"] == "maintenance"
            assert "incident" not in seen["status"]
            assert await it.end() < 8
        # Another process knows it before it checks anything.
        async with program(tmp_path) as it:
            found = await until(lambda: it.get(WEB), lambda found: found["state"] != "unknown")
            assert (found["state"], found["incidents"]) == ("maintenance", [])
            await api.apply(work(enabled=False))
            seen = await until(api.monitor, state_is("down"))
            assert seen["status"]["incident"]["id"]
            (incident,) = (await it.get(WEB))["incidents"]
            assert incident["reason"] == incident["cause"]["reason"] == "StatusMismatch"
            assert any("500" in line for line in incident["cause"]["transcript"])
            assert incident["cause"]["phasesMs"]["connect"] >= 0


async def test_a_window_that_holds_nothing_back_lies_over_nobody(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    site = await started(nursery)
    async with cluster(tmp_path) as api, program(tmp_path):
        await api.apply(work(behavior={"suppressNotifications": False}))
        await api.apply(monitor(site))
        seen = await until(api.monitor, state_is("up"))
        window = await until(
            partial(api.get, WINDOW), lambda seen: condition(seen, "Ready")[0] != ""
        )
        assert window["status"]["isActive"]
        assert seen["status"].get("overlays", []) == []


async def test_a_silence_is_shown(nursery: trio.Nursery, tmp_path: Path) -> None:
    site = await started(nursery)
    silence = {
        "apiVersion": API_VERSION,
        "kind": "Silence",
        "metadata": {"name": "quiet", "namespace": "shop"},
        "spec": {"match": {"names": [{"name": "web"}]}, "expiresAt": "2099-01-01T00:00:00Z"},
    }
    async with cluster(tmp_path) as api, program(tmp_path):
        await api.apply(monitor(site))
        await until(api.monitor, state_is("up"))
        await api.apply(silence)
        seen = await until(
            api.monitor, lambda it: it.get("status", {}).get("overlays") == ["silenced"]
        )
        assert seen["status"]["state"] == "up"
