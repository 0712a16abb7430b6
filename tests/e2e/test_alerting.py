"""From an outage to a message, in the running program: told once, in order, and never lost."""

import json
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from support.program import (
    GROUP,
    SETTINGS,
    Cluster,
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
from support.receiver import Receiver, receiving

from kubekuma.kit.backoff import Backoff
from kubekuma.model.meta import API_VERSION
from kubekuma.validate.decode import timestamp

# A request that is cut off leaves its body half read, and trio says so of what httpx forgot.
pytestmark = pytest.mark.filterwarnings("ignore:Async generator 'httpx:ResourceWarning")

PROVIDER = f"{GROUP}/namespaces/shop/notificationproviders/hook"
POLICY = f"{GROUP}/namespaces/shop/notificationpolicies/all"


def resource(kind: str, name: str, **spec: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "shop"}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}


def hook(receiver: Receiver, name: str = "hook", **more: Any) -> dict[str, Any]:
    config = {"webhook": {"url": receiver.url}}
    return resource("NotificationProvider", name, type="webhook", config=config, **more)


def chat(name: str = "chat", **more: Any) -> dict[str, Any]:
    """One that people read: its URL lies in the Secret of its name."""
    config = {"slack": {"webhookUrlSecretRef": {"name": name, "key": "url"}}}
    return resource("NotificationProvider", name, type="slack", config=config, **more)


def policy(*names: str, **routing: Any) -> dict[str, Any]:
    providers = [{"ref": {"name": name}} for name in names or ("hook",)]
    # Nobody waits for others here, unless the test is about that.
    group = {"waitSeconds": 0}
    return resource(
        "NotificationPolicy", "all", routing={"providers": providers, "group": group, **routing}
    )


async def told(receiver: Receiver, *events: tuple[str, str]) -> None:
    """Wait until exactly these have come."""

    async def seen() -> Any:
        await trio.lowlevel.checkpoint()
        return receiver.events

    await until(seen, lambda found: len(found) >= len(events))
    assert receiver.events == list(events)


async def up(api: Cluster, site: Site) -> None:
    await api.apply(monitor(site))
    await until(api.monitor, state_is("up"))


DOWN, UP = ("web", "down"), ("web", "up")


async def test_an_outage_and_its_end_are_told_with_what_there_is_to_say(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    site, receiver = await started(nursery), await receiving(nursery)
    async with cluster(tmp_path) as api, program(tmp_path) as it:
        await api.apply(hook(receiver))
        await api.apply(policy())
        ready = await until(partial(api.get, POLICY), lambda it: condition(it, "Ready")[0] != "")
        assert condition(ready, "Ready") == ("True", "InForce")
        await up(api, site)
        assert (await api.monitor())["status"]["notifies"] == 1
        # That a new monitor is up is told to nobody.
        assert receiver.events == []
        site.status = "500 Oops"
        await told(receiver, DOWN)
        site.status = "200 OK"
        await told(receiver, DOWN, UP)
        down, over = receiver.got
        assert down["title"] == "shop/web is down"
        assert "StatusMismatch: the status is 500" in down["text"]
        assert over["text"].startswith("It was down for ")
        assert (down["key"], down["endedAt"]) == (over["key"], None)
        assert over["endedAt"]
        assert down["id"] != over["id"]
        assert receiver.seen[0]["idempotency-key"] == down["id"]
        seen = await until(
            partial(api.get, PROVIDER), lambda it: "lastDeliveryAt" in it.get("status", {})
        )
        assert (seen["status"]["isHealthy"], condition(seen, "Ready")[0]) == (True, "True")
        metrics = await it.text("/metrics")
        assert (
            sample(metrics, "kubekuma_notifications_total", provider="shop/hook", outcome="sent")
            == 2
        )


async def test_a_policy_has_words_of_its_own_and_a_bad_one_silences_nobody(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    site, receiver = await started(nursery), await receiving(nursery)
    words = {
        "titleTemplate": "{% if event == 'up' %}Over{% else %}Help{% endif %}: {{ monitor.name }}",
        "bodyTemplate": "{{ nobody.knows }}",
    }
    async with cluster(tmp_path) as api, program(tmp_path):
        await api.apply(hook(receiver))
        worded = policy()
        worded["spec"]["formatting"] = words
        await api.apply(worded)
        seen = await until(
            partial(api.get, POLICY), lambda it: condition(it, "Reconciled")[0] == "False"
        )
        assert condition(seen, "Valid")[0] == "True"
        assert condition(seen, "Reconciled")[1] == "BadTemplate"
        assert "bodyTemplate: line 1, column 4: there is no nobody.knows" in str(seen["status"])
        await up(api, site)
        site.status = "500 Oops"
        await told(receiver, DOWN)
        site.status = "200 OK"
        await told(receiver, DOWN, UP)
        down, over = receiver.got
        assert (down["title"], over["title"]) == ("Help: web", "Over: web")
        assert "StatusMismatch: the status is 500" in down["text"]


async def test_a_receiver_that_is_ill_gets_everything_once_it_is_well(
    nursery: trio.Nursery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    soon = Backoff(first=0.2, most=1.0, jitter=0.0)
    monkeypatch.setattr("kubekuma.deliver.outbox.BACKOFF", soon)
    site, receiver = await started(nursery), await receiving(nursery)
    receiver.answers = ["500 Oops", "429 Busy", "503 Later"]
    async with cluster(tmp_path) as api:
        async with program(tmp_path) as it:
            await api.apply(hook(receiver))
            await api.apply(policy())
            await up(api, site)
            site.status = "500 Oops"
            await until(api.monitor, state_is("down"))
            seen = await until(
                partial(api.get, PROVIDER), lambda it: "lastError" in it.get("status", {})
            )
            assert seen["status"]["lastError"] == "it answers 500"
            assert not seen["status"]["isHealthy"]
            # The target is well before its outage could be told: both come, in order.
            site.status = "200 OK"
            await until(api.monitor, state_is("up"))
            assert await it.end() < 8
        # Another process goes on where this one stopped.
        receiver.answers = []
        async with program(tmp_path):
            await told(receiver, DOWN, UP)


async def test_what_happened_while_we_were_away_is_told_once(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    site, receiver = await started(nursery), await receiving(nursery)
    async with cluster(tmp_path) as api:
        async with program(tmp_path) as it:
            await api.apply(hook(receiver))
            await api.apply(policy())
            await up(api, site)
            site.status = "500 Oops"
            await told(receiver, DOWN)
            assert await it.end() < 8
        async with program(tmp_path) as it:
            await until(api.monitor, state_is("down"))
            site.status = "200 OK"
            await told(receiver, DOWN, UP)
            assert await it.end() < 8
        async with program(tmp_path) as it:
            await until(lambda: it.get("/ready"), lambda found: found["status"] == "ready")
            assert receiver.events == [DOWN, UP]


async def test_a_silence_delays_an_outage_until_it_ends(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    site, receiver = await started(nursery), await receiving(nursery)
    silence = resource("Silence", "quiet", match={}, expiresAt="2099-01-01T00:00:00Z")
    async with cluster(tmp_path) as api, program(tmp_path):
        await api.apply(hook(receiver))
        await api.apply(policy())
        await up(api, site)
        await api.apply(silence)
        await until(api.monitor, lambda it: it["status"].get("overlays") == ["silenced"])
        site.status = "500 Oops"
        await until(api.monitor, state_is("down"))
        assert receiver.events == []
        silence["spec"]["expiresAt"] = "2020-01-01T00:00:00Z"
        await api.apply(silence)
        await told(receiver, DOWN)


async def test_one_that_never_answers_holds_nobody_else_up(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    site, receiver = await started(nursery), await receiving(nursery)
    mute = await receiving(nursery)
    mute.silent = True
    async with cluster(tmp_path) as api, program(tmp_path) as it:
        await api.apply(hook(receiver))
        await api.apply(hook(mute, "mute"))
        await api.apply(policy("mute", "hook"))
        await up(api, site)
        site.status = "500 Oops"
        await told(receiver, DOWN)
        site.status = "200 OK"
        await told(receiver, DOWN, UP)
        assert mute.events == []
        assert (await it.get("/ready"))["status"] == "ready"


async def test_who_is_down_because_of_another_is_not_told(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    site, router, receiver = (
        await started(nursery),
        await started(nursery),
        await receiving(nursery),
    )
    async with cluster(tmp_path) as api, program(tmp_path):
        await api.apply(hook(receiver))
        await api.apply(policy())
        await api.apply(monitor(router, "router"))
        await api.apply(monitor(site, dependsOn=[{"name": "router"}]))
        await until(api.monitor, state_is("up"))
        await until(partial(api.monitor, "router"), state_is("up"))
        router.status = site.status = "500 Oops"
        await until(api.monitor, state_is("down"))
        await until(partial(api.monitor, "router"), state_is("down"))
        await told(receiver, ("router", "down"))
        # The router is well again, and the shop is not: now it is its own fault.
        router.status = "200 OK"
        await until(lambda: _events(receiver), lambda found: len(found) == 3)
        assert set(receiver.events[1:]) == {("router", "up"), DOWN}


async def _events(receiver: Receiver) -> Any:
    await trio.lowlevel.checkpoint()
    return receiver.events


async def test_a_policy_that_comes_during_an_outage_is_told_at_once(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    site, receiver = await started(nursery), await receiving(nursery)
    async with cluster(tmp_path) as api, program(tmp_path):
        await up(api, site)
        # Nobody would be told, and everybody can see that.
        assert (await api.monitor())["status"]["notifies"] == 0
        site.status = "500 Oops"
        await until(api.monitor, state_is("down"))
        await api.apply(hook(receiver))
        await api.apply(policy())
        await told(receiver, DOWN)


async def test_a_priority_that_the_service_does_not_know_is_said(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    receiver = await receiving(nursery)
    async with cluster(tmp_path) as api, program(tmp_path):
        await api.apply(hook(receiver, priorityMap={"critical": "P1"}))
        seen = await until(
            partial(api.get, PROVIDER), lambda it: condition(it, "Reconciled")[0] == "False"
        )
        assert condition(seen, "Reconciled")[1] == "BadPriority"
        said = "spec.priorityMap.critical: webhook has no priorities"
        assert said in str(seen["status"]["conditions"])


async def test_a_degradation_is_told_and_its_end_too(nursery: trio.Nursery, tmp_path: Path) -> None:
    site, receiver = await started(nursery), await receiving(nursery)
    slow = {"value": "latencyMs", "op": "lt", "to": 0, "severity": "degraded"}
    async with cluster(tmp_path) as api, program(tmp_path):
        await api.apply(hook(receiver))
        await api.apply(policy())
        await up(api, site)
        notify = {"notifyOn": {"degraded": True}}
        await api.apply(monitor(site, successCriteria={"expect": [slow]}, alerting=notify))
        await told(receiver, ("web", "degraded"))
        assert receiver.got[0]["title"] == "shop/web is degraded"
        assert receiver.got[0]["severity"] == "warning"
        await api.apply(monitor(site, alerting=notify))
        await told(receiver, ("web", "degraded"), UP)
        begun, over = receiver.got
        assert over["title"] == "shop/web is well again"
        assert begun["key"] == over["key"]


async def test_a_degradation_that_becomes_an_outage_ends_without_a_word(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    site, receiver = await started(nursery), await receiving(nursery)
    slow = {"value": "latencyMs", "op": "lt", "to": 0, "severity": "degraded"}
    async with cluster(tmp_path) as api, program(tmp_path):
        await api.apply(hook(receiver))
        await api.apply(policy())
        notify = {"notifyOn": {"degraded": True}}
        await api.apply(monitor(site, successCriteria={"expect": [slow]}, alerting=notify))
        await told(receiver, ("web", "degraded"))
        site.status = "500 Oops"
        await told(receiver, ("web", "degraded"), DOWN)
        await api.apply(monitor(site, alerting=notify))
        site.status = "200 OK"
        await told(receiver, ("web", "degraded"), DOWN, UP)
        assert receiver.got[-1]["title"] == "shop/web is up again"


async def test_two_outages_with_one_key_are_one_alert(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    site, receiver = await started(nursery), await receiving(nursery)
    both = ("web", "shop")
    async with cluster(tmp_path) as api, program(tmp_path):
        await api.apply(hook(receiver))
        await api.apply(policy(dedupe={"key": "{{ reason }}"}))
        for name in both:
            await api.apply(monitor(site, name))
            await until(partial(api.monitor, name), state_is("up"))
        site.status = "500 Oops"
        for name in both:
            await until(partial(api.monitor, name), state_is("down"))
        site.status = "200 OK"
        for name in both:
            await until(partial(api.monitor, name), state_is("up"))

        async def events() -> Any:
            await trio.lowlevel.checkpoint()
            return [event for _, event in receiver.events]

        await until(events, lambda found: found[-1:] == ["up"])
        assert receiver.events[0][1] == "down"
        # One alert, over with the last of them; whether the second began in time is theirs.
        assert len({each["key"] for each in receiver.got}) == 1
        assert [event for _, event in receiver.events] in (["down", "up"], ["down", "up"] * 2)


async def test_what_cannot_be_delivered_goes_to_the_fallback(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    site, broken, receiver = (
        await started(nursery),
        await receiving(nursery),
        await receiving(nursery),
    )
    broken.always = "400 Bad Request"
    async with cluster(tmp_path) as api, program(tmp_path):
        await api.apply(hook(broken))
        await api.apply(hook(receiver, "other"))
        document = policy()
        document["spec"]["fallback"] = {"name": "other"}
        await api.apply(document)
        await up(api, site)
        site.status = "500 Oops"
        await told(receiver, DOWN)
        said = "It could not be delivered to shop/hook: it answers 400."
        assert receiver.got[0]["text"].endswith(said)


async def test_a_provider_is_tried_when_it_is_first_seen_and_never_again(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    receiver = await receiving(nursery)
    async with cluster(tmp_path) as api:
        async with program(tmp_path) as first:
            await api.apply(hook(receiver, testOnCreate=True))
            seen = await until(
                partial(api.get, PROVIDER), lambda it: "lastTestAt" in it.get("status", {})
            )
            assert (seen["status"]["isHealthy"], seen["status"].get("lastError")) == (True, None)
            assert [each["event"] for each in receiver.got] == ["test"]
            await api.apply(hook(receiver, testOnCreate=True, maxPerMinute=100))
            await until(
                partial(api.get, PROVIDER), lambda it: it["status"]["observedGeneration"] == 2
            )
            assert await first.end() < 8
        async with program(tmp_path) as second:
            await api.apply(hook(receiver, testOnCreate=True, maxPerMinute=50))
            again = await until(
                partial(api.get, PROVIDER), lambda it: it["status"]["observedGeneration"] == 3
            )
            assert again["status"]["lastTestAt"] == seen["status"]["lastTestAt"]
            assert await second.end() < 8
    assert len(receiver.got) == 1


async def test_a_storm_is_one_message_to_people_and_each_to_a_receiver_with_keys(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    site, keyed, people = (
        await started(nursery),
        await receiving(nursery),
        await receiving(nursery),
    )
    config = {"ntfy": {"url": people.url, "topic": "shop"}}
    async with cluster(tmp_path) as api, program(tmp_path):
        await api.apply(hook(keyed))
        await api.apply(resource("NotificationProvider", "people", type="ntfy", config=config))
        await api.apply(policy("hook", "people", group={"waitSeconds": 4}))
        for number in range(8):
            await api.apply(monitor(site, f"web{number}"))
        for number in range(8):
            await until(partial(api.monitor, f"web{number}"), state_is("up"))
        site.status = "500 Oops"

        async def messages() -> Any:
            await trio.lowlevel.checkpoint()
            return people.got

        (whole,) = await until(messages, lambda found: len(found) > 0)
        assert whole["title"] == "8 monitors down"
        assert whole["message"].count("is down (StatusMismatch)") == 8
        await until(lambda: _events(keyed), lambda found: len(found) == 8)
        assert {event for _, event in keyed.events} == {"down"}


async def test_an_outage_that_ends_while_others_are_waited_for_is_told_to_nobody(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    site, receiver = await started(nursery), await receiving(nursery)
    async with cluster(tmp_path) as api, program(tmp_path) as it:
        await api.secret("chat", url=receiver.url)
        await api.apply(chat())
        await api.apply(policy("chat", group={"waitSeconds": 60}))
        await up(api, site)
        site.status = "500 Oops"
        await until(api.monitor, state_is("down"))
        site.status = "200 OK"
        await until(api.monitor, state_is("up"))
        assert await it.end() < 8
    assert receiver.seen == []


async def test_no_credential_is_shown_anywhere(
    nursery: trio.Nursery, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    canary = "c4nary-in-a-url"
    site, receiver = await started(nursery), await receiving(nursery)
    receiver.always, receiver.echoes = "500 Oops", True
    async with cluster(tmp_path) as api, program(tmp_path) as it:
        await api.secret("hook", url=f"{receiver.url}?token={canary}")
        by_secret = {"webhook": {"urlSecretRef": {"name": "hook", "key": "url"}}}
        await api.apply(resource("NotificationProvider", "hook", type="webhook", config=by_secret))
        await api.apply(policy())
        await up(api, site)
        site.status = "500 Oops"
        seen = await until(
            partial(api.get, PROVIDER), lambda it: "lastError" in it.get("status", {})
        )
        shown = [str(seen), await it.text("/metrics"), str(await it.get("/api/v1/monitors"))]
        assert await it.end() < 8
    stored = (tmp_path / "history.db").read_bytes()
    assert canary not in "".join(shown) + "".join(capfd.readouterr())
    assert canary.encode() not in stored


async def test_a_dead_mans_switch_hears_from_us(nursery: trio.Nursery, tmp_path: Path) -> None:
    site, receiver = await started(nursery), await receiving(nursery)
    settings = {**SETTINGS, "spec": {**SETTINGS["spec"]}}
    settings["spec"]["heartbeat"] = {
        "urlFromSecretRef": {"name": "switch", "key": "url"},
        "intervalSeconds": 10,
    }
    async with cluster(tmp_path) as api, program(tmp_path):
        await api.secret("switch", url=receiver.url)
        await api.apply(settings)
        await up(api, site)

        async def signs() -> Any:
            await trio.lowlevel.checkpoint()
            return receiver.paths

        await until(signs, lambda found: found == ["/hook"], seconds=40)


async def test_planned_work_is_announced_to_those_who_hear_of_its_monitors(
    nursery: trio.Nursery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kubekuma.announcements.LOOK_SECONDS", 0.2)
    site, receiver = await started(nursery), await receiving(nursery)
    begins = datetime.now(UTC) + timedelta(minutes=5)
    schedule = {"start": timestamp(begins), "end": timestamp(begins + timedelta(hours=1))}
    notify = {"beforeMinutes": [15]}
    work = {"title": "New disks", "match": {}, "schedule": schedule, "notify": notify}
    async with cluster(tmp_path) as api:
        async with program(tmp_path):
            await up(api, site)
            await api.apply(resource("MaintenanceWindow", "disks", **work))
            # It is known before there is anybody to tell.
            await until(
                partial(api.get, f"{GROUP}/namespaces/shop/maintenancewindows/disks"),
                lambda it: "nextOccurrence" in it.get("status", {}),
            )
            await api.apply(hook(receiver))
            await api.apply(policy())
            await told(receiver, ("disks", "maintenance"))
            assert receiver.got[0]["title"].startswith("Planned work in ")
        async with program(tmp_path):
            await until(api.monitor, state_is("up"))
            site.status = "500 Oops"
            # What is told next is no second announcement.
            await told(receiver, ("disks", "maintenance"), DOWN)


async def test_what_is_given_up_is_an_event_and_a_condition_of_the_provider(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    site, receiver = await started(nursery), await receiving(nursery)
    receiver.always = "400 Bad Request"
    async with cluster(tmp_path) as api, program(tmp_path):
        await api.apply(hook(receiver))
        await api.apply(policy())
        await up(api, site)
        seen = await api.get(PROVIDER)
        assert condition(seen, "Delivering") == ("Unknown", "NothingSentYet")
        site.status = "500 Oops"
        seen = await until(
            partial(api.get, PROVIDER), lambda it: condition(it, "Delivering")[0] == "False"
        )
        assert condition(seen, "Delivering")[1] == "NotTaken"

        async def events() -> Any:
            found = await api.get("/apis/events.k8s.io/v1/namespaces/shop/events")
            return [each["note"] for each in found["items"] if each["reason"] == "NotDelivered"]

        notes = await until(events, bool)
        assert notes == ["shop/web is down: given up after 1: it answers 400"]


async def test_a_silence_ends_with_the_outage_that_it_was_for(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    site, receiver = await started(nursery), await receiving(nursery)
    until_then = timestamp(datetime.now(UTC) + timedelta(hours=1))
    silence = {"match": {}, "expiresAt": until_then, "endWhenUp": True}
    async with cluster(tmp_path) as api, program(tmp_path):
        await api.apply(hook(receiver))
        await api.apply(policy())
        await up(api, site)
        await api.apply(resource("Silence", "quiet", **silence))
        await until(api.monitor, lambda it: "silenced" in it["status"].get("overlays", ()))
        site.status = "500 Oops"
        await until(api.monitor, state_is("down"))
        site.status = "200 OK"
        await until(api.monitor, lambda it: "silenced" not in it["status"].get("overlays", ()))
        assert receiver.events == []
        site.status = "500 Oops"
        await told(receiver, DOWN)


async def test_by_the_link_in_a_message_somebody_says_that_they_see_to_it(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    site, receiver = await started(nursery), await receiving(nursery)
    outside = "https://status.example.org/kuma"
    async with cluster(tmp_path) as api, program(tmp_path, external_url=outside) as it:
        await api.apply(hook(receiver))
        await api.apply(policy())
        await up(api, site)
        site.status = "500 Oops"
        await told(receiver, DOWN)
        link = receiver.got[0]["monitor"]["links"]["Acknowledge"]
        path = link.removeprefix(outside)
        assert path.startswith("/acknowledge/")
        assert "shop/web is down" in await it.text(path)
        answer = await it.http.post(path, data={"by": "ada", "note": "on it"})
        assert "ada sees to it: on it" in answer.text
        await told(receiver, DOWN, ("web", "acknowledged"))
        assert receiver.got[1]["title"] == "ada sees to shop/web"
        (incident,) = json.loads(await it.text("/api/v1/monitors/shop/web"))["incidents"]
        assert incident["acknowledgement"]["by"] == "ada"
        site.status = "200 OK"
        await told(receiver, DOWN, ("web", "acknowledged"), UP)
        assert (await it.http.post(path, data={"by": "bob"})).status_code == 422


async def test_an_edit_while_it_is_down_goes_on_with_the_outage_and_is_said(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    site, other, receiver = await started(nursery), await started(nursery), await receiving(nursery)
    async with cluster(tmp_path) as api, program(tmp_path):
        await api.apply(hook(receiver))
        await api.apply(policy())
        await up(api, site)
        site.status = "500 Oops"
        await told(receiver, DOWN)
        await api.apply(monitor(other))
        await told(receiver, DOWN, UP)
        begun, over = receiver.got
        assert begun["key"] == over["key"]
        said = "What is checked, or what passes, was changed while it was down."
        assert said in over["text"]
        assert said not in begun["text"]
