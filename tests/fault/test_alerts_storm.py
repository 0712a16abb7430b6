"""Hundreds of monitors are down at once: people get one message for each group."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from support.history import rows
from support.program import cluster, monitor, program, started, until
from support.receiver import receiving

from kubekuma.model.meta import API_VERSION

# A request that is cut off leaves its body half read, and trio says so of what httpx forgot.
pytestmark = pytest.mark.filterwarnings("ignore:Async generator 'httpx:ResourceWarning")

NAMESPACES = ("shop", "monitoring")
EACH = 200
DOWN = "SELECT COUNT(*) FROM incidents"
UP = "SELECT COUNT(*) FROM monitor_state WHERE verdict = 'up'"
WAITING = "SELECT COUNT(*) FROM deliveries WHERE status = 'pending'"
TOLD = "SELECT COUNT(*) FROM deliveries WHERE status = 'sent' AND happening = 'down'"


def of_shop(kind: str, name: str, **spec: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "shop"}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}


async def test_people_get_one_message_for_each_group_of_hundreds(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    site, people = await started(nursery), await receiving(nursery)
    count = EACH * len(NAMESPACES)

    async def figure(sql: str) -> int:
        await trio.lowlevel.checkpoint()
        ((found,),) = rows(tmp_path / "history.db", sql)
        return int(found)

    ref = {"name": "chat", "key": "url"}
    chat = {"slack": {"webhookUrlSecretRef": ref}}
    routing = {
        "providers": [{"ref": {"name": "chat"}}],
        "group": {"by": ["namespace"], "waitSeconds": 20},
    }
    async with cluster(tmp_path) as api, program(tmp_path):
        await api.secret("chat", url=people.url)
        await api.apply(of_shop("NotificationProvider", "chat", type="slack", config=chat))
        await api.apply(of_shop("NotificationPolicy", "all", routing=routing))
        for number in range(count):
            document = dict(monitor(site, f"web-{number}", schedule={"intervalSeconds": 10}))
            document["metadata"] = {
                "name": f"web-{number}",
                "namespace": NAMESPACES[number % len(NAMESPACES)],
            }
            await api.apply(document)
        await until(partial(figure, UP), count.__eq__, seconds=40)
        site.status = "500 Oops"
        await until(partial(figure, DOWN), count.__eq__, seconds=40)
        await until(partial(figure, TOLD), count.__eq__, seconds=40)
        assert await figure(WAITING) == 0
    assert len(people.got) == len(NAMESPACES)
    for each in people.got:
        assert f"{EACH} monitors down" in str(each)
        assert f"and {EACH - 20} more" in str(each)
