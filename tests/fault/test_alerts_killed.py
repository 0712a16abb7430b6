"""kill -9 between a check and its message: every outage and every recovery arrives, in order."""

import json
import signal
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from support.fleet import Fleet, Node, fleet
from support.history import rows
from support.program import Site, monitor, path_of, started, until
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
    config = {"webhook": {"url": receiver.url}}
    routing = {"providers": [{"ref": {"name": "hook"}}], "group": {"waitSeconds": 0}}
    async with fleet(tmp_path) as it:
        await apply(it, resource("NotificationProvider", "hook", type="webhook", config=config))
        await apply(it, resource("NotificationPolicy", "all", routing=routing))
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


async def _asked(site: Site) -> int:
    await trio.lowlevel.checkpoint()
    return len(site.requests)


async def _last(receiver: Receiver) -> str:
    await trio.lowlevel.checkpoint()
    found = [each["event"] for each in receiver.got if each["monitor"]["name"] == "shop"]
    return str(found[-1]) if found else ""


async def _ended(it: Fleet) -> bool:
    await trio.lowlevel.checkpoint()
    return all(ended_at is not None for _, ended_at in outages(it))
