"""Our own troubles reach whoever the settings name, past an outbox that may be what is ill."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trio
from support.program import (
    SETTINGS,
    Cluster,
    Site,
    cluster,
    monitor,
    program,
    started,
    state_is,
    until,
)
from support.receiver import Receiver, receiving

from kubekuma.model.meta import API_VERSION
from kubekuma.troubles import last_proof

# A request that is cut off leaves its body half read, and trio says so of what httpx forgot.
pytestmark = pytest.mark.filterwarnings("ignore:Async generator 'httpx:ResourceWarning")


async def named(api: Cluster, receiver: Receiver, **alerting: Any) -> None:
    """Have ``receiver`` hear of our own troubles."""
    config = {"webhook": {"url": receiver.url}}
    metadata = {"name": "ops", "namespace": "shop"}
    spec = {"type": "webhook", "config": config}
    kind = "NotificationProvider"
    await api.apply({"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec})
    wanted = {"systemProviderRefs": ["ops"], **alerting}
    await api.apply({**SETTINGS, "spec": {**SETTINGS["spec"], "alerting": wanted}})


async def heard(receiver: Receiver, count: int) -> Any:
    async def got() -> Any:
        await trio.lowlevel.checkpoint()
        return receiver.got

    return await until(got, lambda found: len(found) >= count)


async def test_a_resource_that_is_not_valid_is_told_and_that_it_is_again(
    nursery: trio.Nursery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kubekuma.troubles.LOOK_SECONDS", 0.1)
    monkeypatch.setattr("kubekuma.troubles.PATIENCE", timedelta(0))
    site, receiver = await started(nursery), await receiving(nursery)
    async with cluster(tmp_path) as api, program(tmp_path):
        await named(api, receiver)
        await api.apply(invalid(site))
        (begun,) = await heard(receiver, 1)
        assert begun["title"] == "KubeKuma has trouble: resources"
        assert begun["text"] == "not valid, and so not followed: Monitor shop/web"
        await api.apply(monitor(site))
        _, over = await heard(receiver, 2)
        assert over["title"] == "KubeKuma is well again: resources"
        assert begun["key"] == over["key"]


def invalid(site: Site) -> Any:
    """A monitor that no API server refuses, and that is wrong all the same."""
    # An API server sees only that there is a monitor of that name.
    return monitor(site, dependsOn=[{"name": "web"}])


async def test_who_ended_without_a_word_is_told_of_by_the_next(
    nursery: trio.Nursery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kubekuma.troubles.LOOK_SECONDS", 0.1)
    receiver = await receiving(nursery)
    async with cluster(tmp_path) as api:
        await named(api, receiver)
        async with program(tmp_path):
            pass
        monkeypatch.setattr("kubekuma.lead.finish_reign", lambda _: None)
        async with program(tmp_path):
            pass
        assert receiver.got == []
        async with program(tmp_path):
            (said,) = await heard(receiver, 1)
    assert said["title"] == "KubeKuma has trouble: leadership"
    assert said["text"].endswith("led before, and its work had not ended")


async def test_once_a_week_it_is_said_that_all_is_well(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    site, receiver = await started(nursery), await receiving(nursery)
    async with cluster(tmp_path) as api:
        await api.apply(monitor(site))
        async with program(tmp_path):
            await until(api.monitor, state_is("up"))
            await named(api, receiver, weeklyProof=True)
            (said,) = await heard(receiver, 1)
            assert said["title"] == "KubeKuma: all is well with us, 1 monitor is watched"
            assert said["text"] == "1 up"
        async with program(tmp_path):
            await until(api.monitor, state_is("up"))
    # The next process says nothing of the same week again.
    assert len(receiver.got) == 1


async def test_who_is_named_later_in_the_week_hears_it_then(
    nursery: trio.Nursery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kubekuma.troubles.LOOK_SECONDS", 0.1)
    site, receiver = await started(nursery), await receiving(nursery)
    async with cluster(tmp_path) as api, program(tmp_path):
        alerting = {"systemProviderRefs": ["ops"], "weeklyProof": True}
        await api.apply({**SETTINGS, "spec": {**SETTINGS["spec"], "alerting": alerting}})
        await api.apply(monitor(site))
        # There is nobody of that name yet.
        await until(api.monitor, state_is("up"))
        await named(api, receiver, weeklyProof=True)
        (said,) = await heard(receiver, 1)
        assert said["title"].startswith("KubeKuma: all is well with us")


@pytest.mark.parametrize(
    ("at", "due"),
    [
        ("2026-11-25T16:00", "2026-11-23T08:00"),
        ("2026-11-23T08:00", "2026-11-23T08:00"),
        ("2026-11-23T07:59", "2026-11-16T08:00"),
    ],
)
def test_the_week_begins_on_monday_morning(at: str, due: str) -> None:
    instant = datetime.fromisoformat(at).replace(tzinfo=UTC)
    assert last_proof(instant) == datetime.fromisoformat(due).replace(tzinfo=UTC)
