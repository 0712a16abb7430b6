"""Routes about monitors, through the web framework's own client."""

from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from build import at, checked, document, monitor

from kubekuma.model.meta import Key
from kubekuma.model.monitor import Monitor
from kubekuma.model.result import Reason
from kubekuma.model.state import MonitorState
from kubekuma.record.judge import judge
from kubekuma.record.ledger import Recorded
from kubekuma.record.store import Store
from kubekuma.record.writer import StoreHealth, Writer
from kubekuma.serve.board import Board
from kubekuma.serve.monitors import monitor_routes
from kubekuma.serve.server import build_app
from kubekuma.validate.load import load_monitor
from kubekuma.validate.seen import Seen

Get = Callable[[str], Awaitable[Any]]
NOW = 3600.0


class World:
    """A board and a store, filled by hand."""

    def __init__(self, store: Store) -> None:
        self.objects: dict[Key, Seen[Monitor]] = {}
        self.states: dict[Key, MonitorState] = {}
        self.store = store
        self.writer = Writer(store, lambda _: None, StoreHealth())
        board = Board(monitors=self.objects, states=self.states)
        self.app = build_app([monitor_routes(board, store, partial(at, NOW))])
        self.client = self.app.test_client()

    def add(self, name: str, namespace: str = "shop", /, **spec: Any) -> Key:
        each = monitor(name, namespace, **spec)
        self.objects[each.meta.key] = Seen(latest=each, valid=each)
        return each.meta.key

    def check(self, key: Key, seconds: float, reason: Reason = Reason.PASSED) -> None:
        valid = self.objects[key].valid
        assert valid is not None
        before = self.states.get(key, MonitorState())
        check = checked(seconds, reason, key=key)
        judgement = judge(before, check, valid.spec, timeout_seconds=10)
        self.states[key] = judgement.state
        self.writer.add(Recorded(key=key, uid="u1", judgement=judgement))

    async def get(self, path: str) -> Any:
        return await (await self.client.get(path)).get_json()

    async def problem(self, path: str) -> tuple[int, str]:
        answer = await self.client.get(path)
        assert answer.content_type == "application/problem+json"
        said = await answer.get_json(force=True)
        assert said["status"] == answer.status_code
        return answer.status_code, said["detail"]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    store = Store(tmp_path / "history.db")
    yield World(store)
    store.close()


def names(answer: Any) -> list[str]:
    return [f"{each['namespace']}/{each['name']}" for each in answer["items"]]


async def test_pages_hold_every_monitor_once_and_in_order(world: World) -> None:
    expected = sorted(
        str(world.add(f"m{number}", namespace)) for namespace in "ab" for number in range(7)
    )
    found: list[str] = []
    path = "/api/v1/monitors?limit=4"
    while True:
        page = await world.get(path)
        found += names(page)
        if "continue" not in page:
            break
        path = f"/api/v1/monitors?limit=4&continue={page['continue']}"
    assert found == expected


async def test_a_page_goes_on_although_its_last_monitor_was_deleted(world: World) -> None:
    for name in "abc":
        world.add(name)
    page = await world.get("/api/v1/monitors?limit=2")
    del world.objects[Key("shop", "b")]
    rest = await world.get(f"/api/v1/monitors?limit=2&continue={page['continue']}")
    assert names(rest) == ["shop/c"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("namespace=bank", ["bank/vault"]),
        ("state=down", ["shop/web"]),
        ("state=pending", ["bank/vault"]),
        ("type=tcp", ["bank/vault"]),
        ("tag=prod", ["shop/web"]),
        ("q=WEB", ["shop/web"]),
        ("q=front", ["shop/web"]),
        ("q=192.0.2.7", ["bank/vault"]),
        ("state=down&type=tcp", []),
    ],
)
async def test_filters(world: World, query: str, expected: list[str]) -> None:
    web = world.add("web", tags=["prod"], displayName="Front door")
    world.add("vault", "bank", type="tcp", target={"tcp": {"host": "192.0.2.7", "port": 1}})
    world.check(web, 0, Reason.TIMEOUT)
    assert names(await world.get(f"/api/v1/monitors?{query}")) == expected


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("limit=0", "limit must be a whole number between 1 and 500"),
        ("limit=501", "limit must be a whole number between 1 and 500"),
        ("limit=%C2%B2", "limit must be a whole number between 1 and 500"),
        ("state=broken", "state must be one of up, degraded, down, pending, unknown, paused"),
        ("continue=%FF", "continue must be the text that the last page gave"),
        ("stat=up", "stat is not a parameter here"),
    ],
)
async def test_bad_parameters_are_named(world: World, query: str, said: str) -> None:
    code, detail = await world.problem(f"/api/v1/monitors?{query}")
    assert code == 400
    assert detail.startswith(said)


async def test_a_monitor_is_shown_with_its_outage_and_its_uptime(world: World) -> None:
    key = world.add("web")
    world.check(key, 0)
    world.check(key, 60, Reason.CONNECTION_REFUSED)
    await world.writer.flush()
    seen = await world.get("/api/v1/monitors/shop/web")
    assert (seen["state"], seen["verdict"], seen["valid"]) == ("down", "down", True)
    assert seen["incidents"][0]["reason"] == "ConnectionRefused"
    assert seen["incidents"][0]["endedAt"] is None
    assert seen["uptime"]["1h"] == "1.66"  # 60 of 3,600 s, cut
    assert seen["spec"]["target"]["http"]["url"] == "http://192.0.2.1/"


async def test_an_invalid_monitor_is_shown_with_its_mistakes(world: World) -> None:
    raw = document("bad")
    raw["spec"]["schedule"] = {"intervalSeconds": 10, "timeoutSeconds": 20}
    loaded = load_monitor(raw)
    world.objects[loaded.meta.key] = Seen(latest=loaded, valid=None)
    seen = await world.get("/api/v1/monitors/shop/bad")
    assert (seen["state"], seen["valid"], seen["spec"]) == ("unknown", False, None)
    assert seen["errors"] == [
        {"path": "spec.schedule.timeoutSeconds", "message": "must be less than intervalSeconds"}
    ]


async def test_heartbeats_come_newest_first_and_in_pages(world: World) -> None:
    key = world.add("web")
    for number in range(5):
        world.check(key, 60.0 * number)
    await world.writer.flush()
    base = "/api/v1/monitors/shop/web/heartbeats?limit=2"
    found, query = [], ""
    while True:
        page = await world.get(f"{base}{query}")
        found += [each["at"] for each in page["items"]]
        if "continue" not in page:
            break
        query = f"&until={page['continue']['until']}"
    assert found == sorted(found, reverse=True)
    assert len(found) == len(set(found)) == 5


async def test_heartbeats_of_a_window_and_of_an_outcome(world: World) -> None:
    key = world.add("web")
    for number, reason in enumerate([Reason.PASSED, Reason.TIMEOUT, Reason.PASSED]):
        world.check(key, 60.0 * number, reason)
    await world.writer.flush()
    base = "/api/v1/monitors/shop/web/heartbeats"
    failed = await world.get(f"{base}?outcome=failed")
    assert [each["reason"] for each in failed["items"]] == ["Timeout"]
    window = await world.get(f"{base}?since=2026-01-01T00:01:00Z&until=2026-01-01T00:02:00Z")
    assert [each["at"] for each in window["items"]] == ["2026-01-01T00:01:00.000Z"]


async def test_times_without_a_zone_are_refused(world: World) -> None:
    world.add("web")
    path = "/api/v1/monitors/shop/web/heartbeats?since=2026-01-01T00:00:00"
    code, detail = await world.problem(path)
    assert (code, detail.partition(",")[0]) == (400, "since must be an RFC 3339 time")


async def test_what_is_not_there_is_404_and_what_is_not_allowed_405(world: World) -> None:
    assert (await world.problem("/api/v1/monitors/shop/web"))[0] == 404
    assert (await world.problem("/api/v1/nothing"))[0] == 404
    answer = await world.client.post("/api/v1/monitors")
    assert (answer.status_code, answer.content_type) == (405, "application/problem+json")


async def test_a_database_that_cannot_be_read_is_503(tmp_path: Path) -> None:
    store = Store(tmp_path / "history.db")
    world = World(store)
    world.add("web")
    await store.write(lambda db: db.execute("ALTER TABLE spans RENAME TO elsewhere"))
    assert (await world.problem("/api/v1/monitors/shop/web"))[0] == 503
    store.close()


async def test_answers_cannot_be_framed_sniffed_or_cached(world: World) -> None:
    answer = await world.client.get("/api/v1/monitors")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert answer.headers["Cache-Control"] == "no-store"
