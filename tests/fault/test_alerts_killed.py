"""kill -9 between a check and its message: every outage and every recovery arrives, in order."""

import json
import os
import signal
from collections.abc import Mapping
from functools import partial
from itertools import groupby
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest
import trio
from support.fleet import Fleet, Node, fleet
from support.forks import forking
from support.history import rows
from support.program import SETTINGS, Site, monitor, path_of, started, until
from support.receiver import Receiver, receiving

from kubekuma.model.meta import API_VERSION

# A request that is cut off leaves its body half read, and trio says so of what httpx forgot.
pytestmark = pytest.mark.filterwarnings("ignore:Async generator 'httpx:ResourceWarning")


def resource(kind: str, name: str, **spec: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "shop"}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}


async def apply(it: Fleet, document: Mapping[str, Any]) -> None:
    answer = await it.http.patch(
        path_of(document),
        params={"fieldManager": "tester", "force": "true"},
        content=json.dumps(document).encode(),
        headers={"Content-Type": "application/apply-patch+yaml"},
    )
    assert answer.is_success, answer.text


async def begun(it: Fleet) -> Node:
    node = await it.start("a")
    await node.says("leading")
    return node


def outages(it: Fleet) -> list[tuple[str, int | None]]:
    """Every outage of the shop that was recorded, and its end."""
    sql = (
        "SELECT incidents.id, ended_at FROM incidents JOIN series ON series.id = series"
        " WHERE name = 'shop' ORDER BY started_at"
    )
    return [(id_, ended_at) for id_, ended_at in rows(it.folder / "a" / "history.db", sql)]


@pytest.mark.parametrize("point", ["asked", "sending", "sent"])
async def test_killed_at_every_step_nothing_is_lost_and_nothing_is_told_under_two_names(
    nursery: trio.Nursery, tmp_path: Path, point: str
) -> None:
    site, receiver = await started(nursery), await receiving(nursery)
    async with fleet(tmp_path) as it:
        await alerted_by(it, receiver)
        await apply(it, monitor(site, "shop", schedule={"intervalSeconds": 1}))
        node = await begun(it)
        await until(lambda: _asked(site), lambda count: count > 1)
        for status in ("500 Oops", "200 OK") * 2:
            await _killed_at(point, node, site, receiver, status)
            await node.ends()
            node = await begun(it)
            # What was under way is done by whoever comes next, before the next change.
            wanted = "down" if status.startswith("5") else "up"
            await until(partial(_last, receiver), wanted.__eq__)
        await until(partial(_ended, it), lambda ended: ended)
        told: dict[str, list[tuple[str, str]]] = {}
        for each in receiver.got:
            if each["monitor"]["name"] == "shop":
                told.setdefault(each["key"], []).append((each["event"], each["id"]))
        assert [id_ for id_, _ in outages(it)] == list(told)
        for messages in told.values():
            # Once more than once, but never as another message, and never out of order.
            assert [event for event, _ in dict.fromkeys(messages)] == ["down", "up"]


async def _killed_at(point: str, node: Node, site: Site, receiver: Receiver, status: str) -> None:
    kill = partial(node.send, signal.SIGKILL)
    if point == "sending":
        receiver.before = kill
    elif point == "sent":
        receiver.after = kill
    asked = len(site.requests)
    site.status = status
    if point == "asked":
        await until(lambda: _asked(site), lambda count: count > asked)
        kill()


async def _asked(*sites: Site) -> int:
    await trio.lowlevel.checkpoint()
    return sum(len(site.requests) for site in sites)


async def _last(receiver: Receiver) -> str:
    await trio.lowlevel.checkpoint()
    found = [each["event"] for each in receiver.got if each["monitor"]["name"] == "shop"]
    return str(found[-1]) if found else ""


async def _ended(it: Fleet) -> bool:
    await trio.lowlevel.checkpoint()
    return all(ended_at is not None for _, ended_at in outages(it))


# As many as a minute allows; all of them by ALERT_KILLS=200.
KILLS: Final = int(os.environ.get("ALERT_KILLS", "50"))
SHOPS: Final = 6


@pytest.mark.timeout(60 + 3 * KILLS)
async def test_killed_at_random_points_every_outage_and_every_recovery_arrives_in_order(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    random, receiver = Random(KILLS), await receiving(nursery)  # noqa: S311 - the same each time
    sites = [await started(nursery) for _ in range(SHOPS)]
    scheduler = {**SETTINGS["spec"]["scheduler"], "flapping": {"enabled": False}}
    async with fleet(tmp_path, monitors=0, scheduler=scheduler) as it:
        await alerted_by(it, receiver)
        for number, site in enumerate(sites):
            await apply(it, monitor(site, f"shop-{number}", schedule={"intervalSeconds": 1}))
        (tmp_path / "a").mkdir()
        async with forking(it.environ("a")) as forks:
            for _ in range(KILLS):
                changed = random.sample(sites, 2)
                for site in changed:
                    site.status = "200 OK" if site.status.startswith("5") else "500 Oops"
                asked = sum(len(site.requests) for site in changed)
                receiver.answers = random.choices(("500 Oops", "200 OK"), (1, 2), k=4)
                await forks.begin()
                await forks.says("running")
                await until(partial(_asked, *changed), asked.__lt__)
                # It takes half a second from there until the message is sent and recorded.
                await trio.sleep(0.6 * random.random())
                await forks.kill()
            # Whoever comes last brings everything to its end.
            for site in sites:
                site.status = "200 OK"
            receiver.answers = []
            await forks.begin()
            await until(partial(_left, it), lambda left: left == [], seconds=40)
            await forks.kill()
        recorded = all_outages(it)
        told: dict[str, list[tuple[str, str]]] = {}
        ids: dict[tuple[str, str], set[str]] = {}
        for each in receiver.got:
            told.setdefault(each["monitor"]["name"], []).append((each["key"], each["event"]))
            ids.setdefault((each["key"], each["event"]), set()).add(each["id"])
        assert sum(map(len, recorded.values())) > KILLS // 3
        for name, outages_ in recorded.items():
            expected = [(id_, event) for id_ in outages_ for event in ("down", "up")]
            # Twice in a row, where nobody could know that it had arrived; nothing else.
            assert [key for key, _ in groupby(told[name])] == expected, f"seed {KILLS}"
        assert {len(found) for found in ids.values()} == {1}


async def alerted_by(it: Fleet, receiver: Receiver) -> None:
    """Have everything told to ``receiver``, each by itself and at once."""
    config = {"webhook": {"url": receiver.url}}
    routing = {"providers": [{"ref": {"name": "hook"}}], "group": {"waitSeconds": 0}}
    await apply(it, resource("NotificationProvider", "hook", type="webhook", config=config))
    await apply(it, resource("NotificationPolicy", "all", routing=routing))


def all_outages(it: Fleet) -> dict[str, list[str]]:
    """The ids of every monitor's outages, in order."""
    sql = (
        "SELECT name, incidents.id FROM incidents JOIN series ON series.id = series"
        " ORDER BY started_at"
    )
    found: dict[str, list[str]] = {}
    for name, id_ in rows(it.folder / "a" / "history.db", sql):
        found.setdefault(name, []).append(id_)
    return found


async def _left(it: Fleet) -> list[tuple[Any, ...]]:
    """Every outage of which somebody has not been told the end."""
    await trio.lowlevel.checkpoint()
    sql = (
        "SELECT incidents.id, started_at, ended_at, happening, status FROM incidents"
        " LEFT JOIN deliveries ON outage = incidents.id WHERE NOT EXISTS (SELECT 1 FROM deliveries"
        " WHERE outage = incidents.id AND happening = 'up' AND status = 'sent')"
    )
    return rows(it.folder / "a" / "history.db", sql)
