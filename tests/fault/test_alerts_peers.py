"""What other monitors lose or give away where a receiver misbehaves: here it arrives, and is kept.

The rows are those of our comparison with Gatus and Uptime Kuma.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from support.history import files, rows
from support.program import (
    GROUP,
    cluster,
    monitor,
    program,
    sample,
    started,
    state_is,
    until,
)
from support.receiver import Receiver, receiving

from kubekuma.alert.plan import AlertPlan, Situation, plan_alerts
from kubekuma.kit.backoff import Backoff
from kubekuma.model.meta import API_VERSION

# A request that is cut off leaves its body half read, and trio says so of what httpx forgot.
pytestmark = pytest.mark.filterwarnings("ignore:Async generator 'httpx:ResourceWarning")

DOWN, UP = ("web", "down"), ("web", "up")


def of_shop(kind: str, name: str, **spec: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "shop"}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}


def hook(receiver: Receiver) -> dict[str, Any]:
    config = {"webhook": {"url": receiver.url}}
    return of_shop("NotificationProvider", "hook", type="webhook", config=config)


def policy(*names: str, **more: Any) -> dict[str, Any]:
    providers = [{"ref": {"name": name}} for name in names]
    routing = {"providers": providers, "group": {"waitSeconds": 0}}
    return of_shop("NotificationPolicy", "all", routing=routing, **more)


async def events(receiver: Receiver) -> list[tuple[str, str]]:
    await trio.lowlevel.checkpoint()
    return [*receiver.events]


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was not taken is tried again at once."""
    backoff = Backoff(first=0.2, most=1.0, jitter=0.0)
    monkeypatch.setattr("kubekuma.deliver.outbox.BACKOFF", backoff)


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize(
    ("at_down", "at_up"), [(["500 Oops"] * 2, []), ([], ["500 Oops"]), (["500"], ["500"] * 3)]
)
async def test_a_webhook_that_answers_500_at_an_outage_or_its_end_hears_of_both_once(
    nursery: trio.Nursery, tmp_path: Path, at_down: list[str], at_up: list[str]
) -> None:
    site, receiver = await started(nursery), await receiving(nursery)
    async with cluster(tmp_path) as api, program(tmp_path):
        await api.apply(hook(receiver))
        await api.apply(policy("hook"))
        await api.apply(monitor(site))
        await until(api.monitor, state_is("up"))
        receiver.answers = [*at_down]
        site.status = "500 Oops"
        await until(partial(events, receiver), [DOWN].__eq__)
        receiver.answers = [*at_up]
        site.status = "200 OK"
        await until(partial(events, receiver), [DOWN, UP].__eq__)
        assert len(receiver.paths) == len(at_down) + len(at_up) + 2


@pytest.mark.usefixtures("soon")
async def test_a_webhook_that_answers_500_until_the_target_is_up_again_hears_of_both_in_order(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    site, receiver = await started(nursery), await receiving(nursery)
    receiver.always = "500 Oops"
    async with cluster(tmp_path) as api, program(tmp_path):
        await api.apply(hook(receiver))
        await api.apply(policy("hook"))
        await api.apply(monitor(site))
        await until(api.monitor, state_is("up"))
        site.status = "500 Oops"
        await until(api.monitor, state_is("down"))
        site.status = "200 OK"
        await until(api.monitor, state_is("up"))
        assert receiver.events == []
        receiver.always = "200 OK"
        await until(partial(events, receiver), [DOWN, UP].__eq__)


async def test_while_a_webhook_never_answers_of_20_of_40_monitors_all_are_checked(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    well, ill = await started(nursery), await started(nursery)
    receiver = await receiving(nursery)
    receiver.silent = True

    async def least() -> int:
        """How often whoever was checked least has been."""
        await trio.lowlevel.checkpoint()
        sql = "SELECT COUNT(heartbeats.at) FROM series LEFT JOIN heartbeats"
        found = rows(tmp_path / "history.db", f"{sql} ON series.id = series GROUP BY series.id")
        return min((count for (count,) in found), default=0) if len(found) == 40 else 0

    async def down() -> int:
        await trio.lowlevel.checkpoint()
        return len(rows(tmp_path / "history.db", "SELECT 1 FROM deliveries"))

    async with cluster(tmp_path) as api, program(tmp_path) as it:
        await api.apply(hook(receiver))
        await api.apply(policy("hook"))
        for number in range(40):
            await api.apply(monitor(ill if number % 2 else well, f"web-{number}"))
        await until(least, lambda count: count > 0, seconds=40)
        ill.status = "500 Oops"
        await until(down, (20).__eq__, seconds=40)
        before = await least()
        # Five intervals: longer than a call is waited for.
        await until(least, lambda count: count >= before + 5, seconds=40)
        metrics = await it.text("/metrics")
        assert sample(metrics, "kubekuma_checks_skipped_total") == 0
        assert (await it.get("/ready"))["status"] == "ready"
    assert receiver.got == []


async def test_an_outage_that_cannot_be_planned_holds_up_no_other(
    nursery: trio.Nursery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, receiver = await started(nursery), await receiving(nursery)
    failures: list[Situation] = []

    def planned(situation: Situation) -> AlertPlan:
        if situation.outage.key.name == "odd" and len(failures) < 2:
            failures.append(situation)
            raise LookupError("a mistake of ours")
        return plan_alerts(situation)

    monkeypatch.setattr("kubekuma.alerting.plan_alerts", planned)
    async with cluster(tmp_path) as api, program(tmp_path):
        await api.apply(hook(receiver))
        await api.apply(policy("hook"))
        for name in ("odd", "web"):
            await api.apply(monitor(site, name))
            await until(partial(api.monitor, name), state_is("up"))
        site.status = "500 Oops"
        told = await until(partial(events, receiver), lambda found: len(found) == 2)
    # It comes again, and is told once it can be.
    assert sorted(told) == [("odd", "down"), DOWN]
    assert len(failures) == 2


CANARY = "c4nary"
BY_URL = {"webhookUrlSecretRef": {"name": "canary", "key": "url"}}
TOKEN = {"name": "canary", "key": "token"}


def people(base: str) -> Mapping[str, dict[str, Any]]:
    """One of each type whose service may be anywhere."""
    return {
        "slack": BY_URL,
        "mattermost": BY_URL,
        "discord": BY_URL,
        "googlechat": BY_URL,
        "msteams": BY_URL,
        "gotify": {"url": base, "tokenSecretRef": TOKEN},
        "ntfy": {"url": base, "topic": "shop", "tokenSecretRef": TOKEN},
        "matrix": {"homeserverUrl": base, "roomId": "!r:e.org", "accessTokenSecretRef": TOKEN},
        "webhook": {
            "urlSecretRef": {"name": "canary", "key": "url"},
            "bearerTokenSecretRef": TOKEN,
            "hmacSecretRef": TOKEN,
            "headers": [{"name": "X-Key", "valueFromSecretRef": TOKEN}],
            "bodyTemplate": '{"text": {{ text | json }}}',
        },
    }


async def test_no_service_for_people_gives_a_credential_away_nor_does_a_template(
    nursery: trio.Nursery, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    site, receiver = await started(nursery), await receiving(nursery)
    # It says all that it was sent, which we are told and write down.
    receiver.always, receiver.echoes = "500 Oops", True
    kinds = people(receiver.url)
    words = {"titleTemplate": "{{ monitor.name }}", "bodyTemplate": "{{ text }} {{ canary.token }}"}
    async with cluster(tmp_path) as api, program(tmp_path) as it:
        await api.secret("canary", url=f"{receiver.url}/{CANARY}", token=f"{CANARY}-token")
        for kind, config in kinds.items():
            spec = {"type": kind, "config": {kind: config}}
            await api.apply(of_shop("NotificationProvider", kind, **spec))
        await api.apply(policy(*kinds, formatting=words))
        await api.apply(monitor(site))
        await until(api.monitor, state_is("up"))
        site.status = "500 Oops"
        shown = []
        for kind in kinds:
            path = f"{GROUP}/namespaces/shop/notificationproviders/{kind}"
            seen = await until(
                partial(api.get, path), lambda it: "lastError" in it.get("status", {})
            )
            assert "it answers 500" in seen["status"]["lastError"], kind
            shown.append(str(seen))
        shown.append(str(await api.get(f"{GROUP}/namespaces/shop/notificationpolicies/all")))
        served = ("/metrics", "/api/v1/monitors", "/api/v1/monitors/shop/web", "/ready")
        shown += [await it.text(path) for path in served]
        shown.append(str(await api.get("/apis/events.k8s.io/v1/namespaces/shop/events")))
        shown.append(str(rows(tmp_path / "history.db", "SELECT * FROM deliveries")))
        assert await it.end() < 8
    # It was sent, and nobody else has it.
    assert any(CANARY in path for path in receiver.paths)
    assert CANARY not in "".join(shown) + "".join(capfd.readouterr())
    for file in files(tmp_path, "history.db*"):
        assert CANARY.encode() not in file.read_bytes()
