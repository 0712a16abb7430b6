"""From a resource to a heartbeat and back into its status, through everything in between."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.lowlevel
from support.program import (
    EVENTS,
    GROUP,
    SETTINGS,
    Site,
    cluster,
    condition,
    monitor,
    program,
    sample,
    started,
    state_is,
    until,
)

from kubekuma.kube.lease import Timing

# A request that is cut off leaves its body half read, and trio says so of what httpx forgot.
pytestmark = pytest.mark.filterwarnings("ignore:Async generator 'httpx:ResourceWarning")

SHORT = Timing(
    lease_seconds=6,
    deadline_seconds=4.0,
    renew_seconds=1.0,
    retry_seconds=0.3,
    request_seconds=1.0,
    history_seconds=0.0,
)
GOING_ON = {
    **SETTINGS,
    "spec": {**SETTINGS["spec"], "leaderElection": {"onApiUnavailable": "Continue"}},
}
WEB = "/api/v1/monitors/shop/web"


def reasons(events: Any) -> list[str]:
    return [each["reason"] for each in sorted(events["items"], key=lambda it: it["eventTime"])]


async def test_a_monitor_is_checked_shown_paused_and_forgotten(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    site = await started(nursery)
    async with cluster(tmp_path) as api, program(tmp_path) as it:
        await api.apply(monitor(site, displayName='the "Shop"'))
        seen = await until(api.monitor, state_is("up"))
        assert condition(seen, "Up") == ("True", "Passed")
        seen = await until(api.monitor, lambda found: condition(found, "Ready")[0] == "True")
        assert seen["status"]["observedGeneration"] == 1
        assert seen["status"]["target"] == site.url
        shown = await it.get(WEB)
        assert (shown["state"], shown["displayName"]) == ("up", 'the "Shop"')
        assert (await it.get("/ready"))["status"] == "ready"
        text = await it.text("/metrics")
        assert sample(text, "kubekuma_monitor_up", name="web") == 1
        assert sample(text, "kubekuma_monitor_info", display_name='the "Shop"') == 1
        assert (sample(text, "kubekuma_checks_total", result="passed") or 0) >= 1
        assert sample(text, "kubekuma_ready") == 1

        await api.apply(monitor(site, enabled=False))
        seen = await until(api.monitor, state_is("paused"))
        assert condition(seen, "Reconciled") == ("True", "Paused")
        # That it was up at first is nothing that anybody needs to hear of.
        await until(lambda: api.get(EVENTS), lambda found: reasons(found) == ["Paused"])
        checked = len(site.requests)
        assert sample(await it.text("/metrics"), "kubekuma_monitor_up", name="web") is None

        await api.apply(monitor(site, displayName="on again"))
        await until(api.monitor, state_is("up"))
        assert len(site.requests) > checked

        await api.delete()
        await until(lambda: it.http.get(WEB), lambda answer: answer.status_code == 404)
        assert sample(await it.text("/metrics"), "kubekuma_monitor_info", name="web") is None
        assert await it.end() < 5


async def test_an_outage_is_told_shown_and_over_and_survives_a_restart(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    site = await started(nursery)
    async with cluster(tmp_path) as api:
        async with program(tmp_path) as it:
            await api.apply(monitor(site))
            await until(api.monitor, state_is("up"))
            site.status = "500 Oops"
            down = await until(api.monitor, state_is("down"))
            assert condition(down, "Up") == ("False", "StatusMismatch")
            # The target's trouble is none of the resource's.
            assert condition(down, "Ready")[0] == "True"
            incident = down["status"]["incident"]["id"]
            await until(lambda: api.get(EVENTS), lambda found: reasons(found) == ["Down"])
            before = await it.get(f"{WEB}/heartbeats")
            assert await it.end() < 5
        async with program(tmp_path) as it:
            shown = await it.get(WEB)
            assert (shown["state"], shown["incident"]) == ("down", incident)
            again = await until(
                lambda: it.get(f"{WEB}/heartbeats"),
                lambda found: len(found["items"]) > len(before["items"]),
            )
            assert again["items"][-len(before["items"]) :] == before["items"]
            site.status = "200 OK"
            seen = await until(api.monitor, state_is("up"))
            assert "incident" not in seen["status"]
            (outage,) = (await it.get(WEB))["incidents"]
            assert outage["id"] == incident
            assert outage["startedAt"] < outage["endedAt"]
            # One outage was told once, whoever was there to see it.
            await until(lambda: api.get(EVENTS), lambda found: reasons(found) == ["Down", "Up"])


async def test_an_invalid_edit_ends_nothing(nursery: trio.Nursery, tmp_path: Path) -> None:
    site, other = await started(nursery), await started(nursery)
    backwards = {"http": {"acceptedStatusCodes": ["299-200"]}}
    async with cluster(tmp_path) as api, program(tmp_path):
        await api.apply(monitor(site))
        await until(api.monitor, state_is("up"))
        await api.apply(monitor(other, successCriteria=backwards))
        seen = await until(
            api.monitor, lambda found: condition(found, "Valid") == ("False", "InvalidSpec")
        )
        assert condition(seen, "Reconciled") == ("False", "RunningGeneration")
        assert condition(seen, "Ready") == ("False", "InvalidSpec")
        assert seen["status"]["observedGeneration"] == 2
        checked = len(site.requests)
        await until(_requests(site), lambda count: count > checked)
        assert other.requests == []
        await until(lambda: api.get(EVENTS), lambda found: "InvalidSpec" in reasons(found))
        await api.apply(monitor(other))
        await until(_requests(other), lambda count: count > 0)
        await until(api.monitor, lambda found: condition(found, "Ready")[0] == "True")


def _requests(site: Site) -> Any:
    async def look() -> int:
        await trio.lowlevel.checkpoint()
        return len(site.requests)

    return look


async def test_a_secret_that_is_missing_and_then_made(
    nursery: trio.Nursery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kubekuma.kube.secrets.MISSED_SECONDS", 0.2)
    monkeypatch.setattr("kubekuma.reconcile.worker.AGAIN_SECONDS", 0.3)
    site = await started(nursery)
    ref = {"name": "login", "key": "token"}
    target = {
        "http": {"url": site.url, "headers": [{"name": "X-Token", "valueFromSecretRef": ref}]}
    }
    async with cluster(tmp_path) as api, program(tmp_path) as it:
        await api.apply(monitor(site, target=target))
        seen = await until(
            api.monitor, lambda found: condition(found, "Ready") == ("False", "SecretMissing")
        )
        seen = await until(api.monitor, lambda found: condition(found, "Up")[1] == "SecretMissing")
        assert condition(seen, "Up")[0] == "Unknown"
        assert site.requests == []
        secret = {"apiVersion": "v1", "kind": "Secret", "stringData": {"token": "canary-4711"}}
        await api.apply({**secret, "metadata": {"name": "login", "namespace": "shop"}})
        await until(api.monitor, state_is("up"))
        await until(api.monitor, lambda found: condition(found, "Ready")[0] == "True")
        assert b"canary-4711" in site.requests[-1]
        shown = str(await api.monitor()) + await it.text("/metrics") + await it.text(WEB)
        assert "canary" not in shown


async def test_checks_under_way_at_the_end_are_cut_off_and_recorded_as_nothing(
    nursery: trio.Nursery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kubekuma.pipeline.GRACE_SECONDS", 0.3)
    site = await started(nursery)
    slow = {"intervalSeconds": 60, "timeoutSeconds": 50}
    async with cluster(tmp_path) as api:
        async with program(tmp_path) as it:
            await api.apply(monitor(site, schedule=slow))
            await until(api.monitor, state_is("up"))
            # A status that is written for another reason may be ahead of the commit.
            before = await until(partial(it.get, f"{WEB}/heartbeats"), lambda found: found["items"])
            site.silent = trio.Event()
            asked = len(site.requests)
            await api.apply(monitor(site, schedule=slow, displayName="edited: looked at again"))
            await until(_requests(site), lambda count: count > asked)
            assert await it.end() < 5
        async with program(tmp_path) as it:
            assert (await it.get(f"{WEB}/heartbeats"))["items"] == before["items"]
            assert (await it.get(WEB))["state"] == "up"


async def test_a_check_that_fails_while_we_stop_is_recorded_and_spoils_nothing(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    site = await started(nursery)
    slow = {"intervalSeconds": 60, "timeoutSeconds": 50, "retries": {"maxRetries": 3}}
    async with cluster(tmp_path) as api:
        async with program(tmp_path) as it:
            site.silent = trio.Event()
            await api.apply(monitor(site, schedule=slow))
            await until(_requests(site), lambda count: count > 0)
            it.stop.set()
            await trio.sleep(0.2)  # now only what is under way goes on
            assert not it.ended.is_set()
            site.silent.set()
            assert await it.end() < 5
        async with program(tmp_path) as it:
            (last,) = (await it.get(f"{WEB}/heartbeats"))["items"]
            assert last["outcome"] == "failed"


async def test_without_the_api_server_checks_go_on_and_begin(
    nursery: trio.Nursery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kubekuma.resources.LIST_SECONDS", 0.5)
    site = await started(nursery)
    async with cluster(tmp_path) as api:
        async with program(tmp_path, timing=SHORT) as it:
            await api.apply(GOING_ON)
            await api.apply(monitor(site))
            await until(api.monitor, state_is("up"))
            await api.go_away()
            # The Lease has run out, the database is ours.
            await until(
                lambda: it.text("/metrics"),
                lambda text: sample(text, "kubekuma_lease_degraded") == 1,
            )
            checked = len(site.requests)
            site.status = "500 Oops"
            await until(lambda: it.get(WEB), lambda found: found["state"] == "down")
            assert len(site.requests) > checked
            assert (await it.get("/ready"))["status"] == "ready"
            assert (await it.get("/health"))["status"] == "ok"
            assert await it.end() < 8
        async with program(tmp_path, timing=SHORT) as it:
            # Not before it is clear that nobody answers; what is known can be read meanwhile.
            waits = (await it.get("/ready"))["waits"]
            assert "the Lease cannot be read" in waits["leadership"]
            assert (await it.get(WEB))["state"] == "down"
            site.status = "200 OK"
            await until(lambda: it.get(WEB), lambda found: found["state"] == "up")
            ready = await it.http.get("/ready")
            assert (ready.status_code, "Monitor" in ready.json()["waits"]) == (503, True)
            assert await it.end() < 8
    # When it is back, it learns what happened, and its own conditions are as old as they were.
    async with cluster(tmp_path) as api, program(tmp_path, timing=SHORT):
        await until(api.monitor, state_is("up"))


async def test_without_the_api_server_nothing_begins_unless_the_settings_say_so(
    nursery: trio.Nursery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kubekuma.resources.LIST_SECONDS", 0.5)
    site = await started(nursery)
    async with cluster(tmp_path) as api:
        async with program(tmp_path) as it:
            await api.apply(monitor(site))
            await until(api.monitor, state_is("up"))
            assert await it.end() < 5
        await api.go_away()
        checked = len(site.requests)
        async with program(tmp_path, timing=SHORT) as it:
            # Longer than whoever may go on would wait.
            await trio.sleep(SHORT.deadline_seconds + 1)
            assert "the Lease cannot be read" in (await it.get("/ready"))["waits"]["leadership"]
            assert sample(await it.text("/metrics"), "kubekuma_leader") == 0
            assert sample(await it.text("/metrics"), "kubekuma_monitor_up", name="web") is None
            # What the last run has recorded can be read.
            assert (await it.get(WEB))["state"] == "up"
            assert await it.end() < 8
    assert len(site.requests) == checked


async def test_what_was_deleted_while_we_were_away_is_checked_no_more(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    site, another = await started(nursery), await started(nursery)
    async with cluster(tmp_path) as api:
        async with program(tmp_path) as it:
            site.status = "500 Oops"
            await api.apply(monitor(site))
            await until(api.monitor, state_is("down"))
            assert await it.end() < 5
        await api.delete()
        asked = len(site.requests)
        async with program(tmp_path) as it:
            answer = await it.http.get(WEB)
            assert answer.status_code == 404
            await api.apply(monitor(another, "other"))
            await until(lambda: api.monitor("other"), state_is("up"))
            await until(_requests(another), lambda count: count >= 2)
            assert len(site.requests) == asked


async def test_settings_take_effect_on_what_is_there(nursery: trio.Nursery, tmp_path: Path) -> None:
    site = await started(nursery)
    async with cluster(tmp_path) as api, program(tmp_path):
        await api.apply(monitor(site))
        await until(api.monitor, state_is("up"))
        slow = {"minIntervalSeconds": 20, "jitterPercent": 0}
        await api.apply({**SETTINGS, "spec": {**SETTINGS["spec"], "scheduler": slow}})
        await until(
            api.monitor, lambda found: condition(found, "Valid") == ("False", "InvalidSpec")
        )
        settings = await until(
            lambda: api.get(f"{GROUP}/kubekumasettings/kubekuma"),
            lambda found: condition(found, "Ready")[0] == "True",
        )
        assert condition(settings, "HistoryWritable")[0] == "True"
        await api.apply(SETTINGS)
        await until(api.monitor, lambda found: condition(found, "Ready")[0] == "True")
