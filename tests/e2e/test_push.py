"""Push monitors in the running program: reports over HTTP, silence by a timer, over restarts."""

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.program import EVENTS, Cluster, Program, cluster, condition, program, state_is, until

from kubekuma.model.meta import API_VERSION

# A request that is cut off leaves its body half read, and trio says so of what httpx forgot.
pytestmark = pytest.mark.filterwarnings("ignore:Async generator 'httpx:ResourceWarning")

TOKEN = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"


def backup(*, enabled: bool = True, **fields: Any) -> Any:
    return {
        "apiVersion": API_VERSION,
        "kind": "Monitor",
        "metadata": {"name": "backup", "namespace": "shop"},
        "spec": {
            "type": "push",
            "enabled": enabled,
            # Nobody waits for a slot.
            "schedule": {"intervalSeconds": 3600},
            "target": {"push": {"tokenSecretRef": {"name": "push", "key": "token"}, **fields}},
        },
    }


async def prepared(api: Cluster, token: str = TOKEN, **fields: Any) -> Callable[[], Awaitable[Any]]:
    await api.secret("push", token=f"{token}\n")
    await api.apply(backup(**fields))
    return partial(api.monitor, "backup")


async def push(it: Program, path: str = "", status: int = 200) -> None:
    answer = await it.http.get(f"/push/{TOKEN}{path}")
    assert answer.status_code == status, answer.text


async def test_reports_are_results_and_silence_is_found_when_it_is_due(tmp_path: Path) -> None:
    async with cluster(tmp_path) as api, program(tmp_path) as it:
        monitor = await prepared(api, expireSeconds=3)
        seen = await until(monitor, lambda it: "lastResult" in it.get("status", {}))
        assert seen["status"]["lastResult"]["reason"] == "NoReportYet"
        await push(it, "?msg=42+files&ping=120")
        seen = await until(monitor, state_is("up"))
        last = seen["status"]["lastResult"]
        assert (last["message"], last["latencyMs"]) == ("42 files", 120)
        # The next slot is an hour away: a timer finds it.
        seen = await until(monitor, state_is("down"), seconds=10)
        assert seen["status"]["lastResult"]["reason"] == "ReportOverdue"
        await push(it, "/0")
        await until(monitor, state_is("up"))
        await push(it, "/fail?msg=disk+full")
        seen = await until(monitor, state_is("down"))
        assert seen["status"]["lastResult"]["message"] == "disk full"
        found = (await it.get("/api/v1/monitors/shop/backup/heartbeats"))["items"]
        assert [each["reason"] for each in found[:2]] == ["ReportedFailure", "Passed"]
        assert "kubekuma_push_reports_total 3.0" in await it.text("/metrics")
        # Nobody is told the token, and who guesses learns nothing.
        assert (await it.http.get("/push/guess")).status_code == 404
        assert TOKEN not in str(await monitor()) + await it.text("/metrics") + str(found)


async def test_a_run_that_does_not_end(tmp_path: Path) -> None:
    async with cluster(tmp_path) as api, program(tmp_path) as it:
        monitor = await prepared(api, expireSeconds=3600, maxRunSeconds=2)
        await _heard(it)
        await push(it, "/start")
        seen = await until(monitor, state_is("down"), seconds=10)
        assert seen["status"]["lastResult"]["reason"] == "RunOverdue"


async def _heard(it: Program) -> None:
    """Say something as soon as the token is known."""

    async def status() -> int:
        return (await it.http.get(f"/push/{TOKEN}/log?msg=hello")).status_code

    await until(status, lambda code: code == 200)


async def test_what_is_logged_is_an_event_and_changes_nothing(tmp_path: Path) -> None:
    async with cluster(tmp_path) as api, program(tmp_path) as it:
        monitor = await prepared(api, expireSeconds=3600)
        await _heard(it)
        events = await until(partial(api.get, EVENTS), lambda found: found["items"])
        logged = [each for each in events["items"] if each["reason"] == "Logged"]
        assert logged[0]["note"] == "hello"
        assert (await monitor())["status"].get("state") != "up"


async def test_reports_survive_a_restart_and_those_of_a_paused_monitor_are_remembered(
    tmp_path: Path,
) -> None:
    async with cluster(tmp_path) as api:
        async with program(tmp_path) as it:
            monitor = await prepared(api, expireSeconds=3600)
            await _heard(it)
            await push(it, "/fail?msg=broken")
            await until(monitor, state_is("down"))
            await it.end()
        async with program(tmp_path) as it:
            # Not a word since, and yet it is known what was said last.
            await _heard(it)
            beats = partial(it.get, "/api/v1/monitors/shop/backup/heartbeats")
            found = await until(beats, lambda found: len(found["items"]) > 2)
            assert [each["message"] for each in found["items"][:2]] == ["broken", "broken"]
            await api.apply(backup(enabled=False, expireSeconds=3600))
            await until(monitor, state_is("paused"))
            await push(it, "?msg=meanwhile")
            await api.apply(backup(expireSeconds=3600))
            seen = await until(monitor, state_is("up"))
            assert seen["status"]["lastResult"]["message"] == "meanwhile"


async def test_without_its_secret_the_condition_says_so(tmp_path: Path) -> None:
    async with cluster(tmp_path) as api, program(tmp_path) as it:
        await api.apply(backup(expireSeconds=60))
        seen = await until(
            partial(api.monitor, "backup"), lambda it: condition(it, "Reconciled")[0] == "False"
        )
        assert condition(seen, "Reconciled")[1] == "SecretMissing"
        await push(it, status=404)
