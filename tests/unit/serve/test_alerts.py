"""What was told of a monitor over REST, and why somebody was not told."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from build import WEB, at
from support.board import World
from support.history import open_store
from support.messages import delivery, message

from kubekuma.model.alert import Delivery, DeliveryStatus
from kubekuma.model.meta import Key
from kubekuma.record.database import Connection
from kubekuma.record.decisions import note_decisions
from kubekuma.record.deliveries import insert_deliveries, update_deliveries
from kubekuma.record.store import Store

PATH = "/api/v1/monitors/shop/web"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(tmp_path / "history.db") as opened:
        yield opened


def told(number: int, **more: Any) -> Delivery:
    fields: dict[str, Any] = {
        "id": f"m{number}",
        "outage": "i1",
        "message": message("web"),
        "created_at": at(number),
        "next_at": at(number + 10),
    }
    return delivery(**{**fields, **more})


async def got(store: Store, path: str, status: int = 200) -> Any:
    world = World()
    world.add("web")
    answer = await world.app(store, at(100)).test_client().get(path)
    assert answer.status_code == status, await answer.get_data()
    return await answer.get_json(force=True)


async def test_messages_come_with_what_became_of_them_the_newest_first(store: Store) -> None:
    sent = told(1, policy=Key("shop", "all"))
    other = told(2, message=message("other"))
    failed = told(3)

    def put(db: Connection) -> None:
        insert_deliveries(db, [sent, other, failed])
        update_deliveries(
            db,
            [
                told(1, status=DeliveryStatus.SENT, attempts=1, sent_at=at(11)),
                told(3, attempts=2, error="it answers 500", next_at=at(60)),
            ],
        )

    await store.write(put)
    found = (await got(store, f"{PATH}/deliveries"))["items"]
    assert [each["id"] for each in found] == ["m3", "m1"]
    waits, arrived = found
    assert (waits["status"], waits["attempts"], waits["error"]) == ("pending", 2, "it answers 500")
    assert (waits["nextAt"], waits["sentAt"]) == ("2026-01-01T00:01:00.000Z", None)
    assert (arrived["status"], arrived["policy"]) == ("sent", "shop/all")
    assert (arrived["nextAt"], arrived["sentAt"]) == (None, "2026-01-01T00:00:11.000Z")
    assert arrived["provider"] == "shop/chat"


async def test_pages_lead_to_older_ones(store: Store) -> None:
    await store.write(insert_deliveries, [told(number) for number in range(3)])
    page = await got(store, f"{PATH}/deliveries?limit=2")
    assert [each["id"] for each in page["items"]] == ["m2", "m1"]
    older = await got(store, f"{PATH}/deliveries?until={page['continue']['until']}")
    assert [each["id"] for each in older["items"]] == ["m0"]
    assert "continue" not in older


async def test_why_somebody_was_not_told_is_said_once_for_as_long_as_it_is_so(
    store: Store,
) -> None:
    def put(db: Connection) -> None:
        note_decisions(db, "i1", WEB, {"": "it is silenced"}, at(1))
        note_decisions(db, "i1", WEB, {"": "it is silenced"}, at(2))
        note_decisions(db, "i1", WEB, {"shop/chat": "nobody wants to hear now"}, at(3))
        note_decisions(db, "i1", WEB, {}, at(4))

    await store.write(put)
    assert (await got(store, f"{PATH}/decisions"))["items"] == [
        {
            "at": "2026-01-01T00:00:03.000Z",
            "outage": "i1",
            "provider": "shop/chat",
            "why": "nobody wants to hear now",
        },
        {
            "at": "2026-01-01T00:00:01.000Z",
            "outage": "i1",
            "provider": None,
            "why": "it is silenced",
        },
    ]


@pytest.mark.parametrize("what", ["deliveries", "decisions"])
async def test_what_is_asked_wrongly_is_told(store: Store, what: str) -> None:
    problem = await got(store, f"{PATH}/{what}?limit=0", 400)
    assert problem["detail"].startswith("limit must be")
    assert (await got(store, f"{PATH}/{what}?outage=i1", 400))["detail"].startswith("outage")
    missing = await got(store, f"/api/v1/monitors/shop/gone/{what}", 404)
    assert missing["detail"] == "there is no monitor shop/gone"
