"""Monitors over REST: what is asked for is found, and what is asked wrongly is told."""

import base64
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from build import WEB, at
from quart import typing as quart_typing
from support.board import TIMINGS, World, certificate
from support.history import open_store

from kubekuma.model.audit import Act
from kubekuma.model.meta import Key
from kubekuma.model.result import Reason
from kubekuma.model.state import Cause, Charge, FailingParent, Verdict
from kubekuma.record.database import Connection
from kubekuma.record.incidents import Incident, acknowledge
from kubekuma.record.reclassified import reclassify
from kubekuma.record.store import Store
from kubekuma.record.times import Window
from kubekuma.record.uptime import Uptime
from kubekuma.serve.monitors import incident_view

LIST = "/api/v1/monitors"
MAIL = Key("shop", "mail")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(tmp_path / "history.db") as opened:
        yield opened


@pytest.fixture
def world() -> World:
    """Five monitors in two namespaces, in different states."""
    world = World()
    world.add("web", displayName="The Shop", tags=["public", "eu"])
    world.add("mail", type="tcp", target={"tcp": {"host": "mail.example.org", "port": 25}})
    world.add("api", "blog", uid="u3", tags=["public"])
    world.add("never", "blog", target={"http": {"url": "no url"}})
    world.add("new", "blog")
    world.find(0, Reason.PASSED, timings=TIMINGS, latency_seconds=0.1335, status_code=200)
    world.find(0, Reason.CONNECTION_REFUSED, MAIL, message="refused")
    return world


async def got(client: quart_typing.TestClientProtocol, path: str, status: int = 200) -> Any:
    answer = await client.get(path)
    assert answer.status_code == status, await answer.get_data()
    if status >= 400:
        assert answer.content_type == "application/problem+json"
    return await answer.get_json(force=True)


def names(page: Any) -> list[str]:
    return [each["name"] for each in page["items"]]


async def test_all_monitors_come_in_order(world: World, store: Store) -> None:
    page = await got(world.app(store).test_client(), LIST)
    assert names(page) == ["api", "never", "new", "mail", "web"]
    assert "continue" not in page


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("namespace=blog", ["api", "never", "new"]),
        ("namespace=nowhere", []),
        ("state=up", ["web"]),
        ("state=down", ["mail"]),
        ("state=unknown", ["never"]),
        ("state=pending", ["api", "new"]),
        ("type=tcp", ["mail"]),
        ("type=http", ["api", "new", "web"]),
        ("tag=public", ["api", "web"]),
        ("tag=pub", []),
        ("q=THE%20shop", ["web"]),
        ("q=example.org", ["mail"]),
        ("q=EU", ["web"]),
        ("q=blog", ["api", "never", "new"]),
        ("q=", ["api", "never", "new", "mail", "web"]),
        ("tag=public&namespace=blog&type=http", ["api"]),
    ],
)
async def test_filters_keep_what_they_name(
    world: World, store: Store, query: str, found: list[str]
) -> None:
    assert names(await got(world.app(store).test_client(), f"{LIST}?{query}")) == found


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 500])
async def test_pages_are_the_whole_whatever_their_length(
    world: World, store: Store, limit: int
) -> None:
    client = world.app(store).test_client()
    page = await got(client, f"{LIST}?limit={limit}")
    found = names(page)
    while "continue" in page:
        assert len(page["items"]) == limit
        # What comes or goes in between moves nothing else.
        world.add("aaa", "aaa")
        world.monitors.remove(Key("blog", "api"))
        page = await got(client, f"{LIST}?limit={limit}&continue={page['continue']}")
        found += names(page)
    assert found == ["api", "never", "new", "mail", "web"]


async def test_a_monitor_says_what_it_is_how_it_is_and_what_it_was(
    world: World, store: Store
) -> None:
    world.find(60, Reason.TIMEOUT, message="no answer", certificate=certificate(valid=False))
    await world.write(store)
    shown = await got(world.app(store).test_client(), f"{LIST}/shop/web")
    assert (shown["displayName"], shown["type"]) == ("The Shop", "http")
    assert (shown["state"], shown["verdict"], shown["since"]) == (
        "down",
        "down",
        "2026-01-01T00:01:00Z",
    )
    assert shown["lastHeartbeat"]["reason"] == "Timeout"
    assert shown["certificate"] == {"expiresAt": "2026-01-31T00:00:00Z", "valid": False}
    (outage,) = shown["incidents"]
    assert (outage["id"], outage["endedAt"]) == (shown["incident"], None)
    assert outage["startedAt"] == "2026-01-01T00:01:00.000Z"
    assert (outage["cause"]["reason"], outage["cause"]["parents"]) == ("Timeout", [])
    assert outage["acknowledgement"] is None
    await store.write(acknowledge, outage["id"], Act(at=at(90), actor="kim"), "mine", at(999))
    shown = await got(world.app(store).test_client(), f"{LIST}/shop/web")
    assert shown["incidents"][0]["acknowledgement"] == {
        "at": "2026-01-01T00:01:30.000Z",
        "by": "kim",
        "note": "mine",
        "until": "2026-01-01T00:16:39.000Z",
    }
    # A minute up, and down ever since.
    assert shown["uptime"]["1h"] == "1.66"
    assert shown["reclassified"] == []
    act = Act(at=at(3000), actor="kim", reason="our own network")
    window = Window(since=at(60), until=at(1860))
    await store.write(reclassify, "r1", WEB, window, Charge.UP, act)
    shown = await got(world.app(store).test_client(), f"{LIST}/shop/web")
    assert shown["uptime"]["1h"] == "51.66"
    assert shown["reclassified"] == [
        {
            "id": "r1",
            "since": "2026-01-01T00:01:00.000Z",
            "until": "2026-01-01T00:31:00.000Z",
            "charge": "up",
            "at": "2026-01-01T00:50:00.000Z",
            "by": "kim",
            "reason": "our own network",
        }
    ]
    assert (shown["valid"], shown["errors"]) == (True, [])
    assert shown["spec"]["target"]["http"]["url"] == "http://192.0.2.1/"


async def test_a_monitor_that_never_was_valid_says_why(world: World, store: Store) -> None:
    shown = await got(world.app(store).test_client(), f"{LIST}/blog/never")
    assert (shown["state"], shown["spec"], shown["valid"]) == ("unknown", None, False)
    assert "spec.target.http.url" in [each["path"] for each in shown["errors"]]


async def test_an_invalid_edit_is_shown_beside_the_form_that_goes_on(
    world: World, store: Store
) -> None:
    world.add("web", generation=2, target={"http": {"url": "no url"}})
    shown = await got(world.app(store).test_client(), f"{LIST}/shop/web")
    assert (shown["state"], shown["valid"]) == ("up", False)
    assert shown["spec"]["displayName"] == "The Shop"


async def test_heartbeats_come_newest_first_in_pages_without_gaps(
    world: World, store: Store
) -> None:
    for number in range(1, 10):
        world.find(60 * number, Reason.TIMEOUT if number == 5 else Reason.PASSED)
    await world.write(store)
    client, path = world.app(store).test_client(), f"{LIST}/shop/web/heartbeats"
    page = await got(client, f"{path}?limit=4")
    found = [each["at"] for each in page["items"]]
    while "continue" in page:
        page = await got(client, f"{path}?limit=4&until={page['continue']['until']}")
        found += [each["at"] for each in page["items"]]
    assert found == [
        at(60 * n).isoformat(timespec="milliseconds")[:-6] + "Z" for n in range(9, -1, -1)
    ]
    failed = await got(client, f"{path}?outcome=failed")
    assert [each["at"] for each in failed["items"]] == ["2026-01-01T00:05:00.000Z"]
    between = await got(
        client, f"{path}?since=2026-01-01T00:02:00Z&until=2026-01-01T01:04:00+01:00"
    )
    assert [each["at"][14:19] for each in between["items"]] == ["03:00", "02:00"]


async def test_a_heartbeat_has_its_phases_in_milliseconds(world: World, store: Store) -> None:
    await world.write(store)
    page = await got(world.app(store).test_client(), f"{LIST}/shop/web/heartbeats")
    assert page["items"] == [
        {
            "at": "2026-01-01T00:00:00.000Z",
            "outcome": "passed",
            "reason": "Passed",
            "message": "",
            "latencyMs": 133.5,
            "phasesMs": {"dns": 1, "connect": 2, "tls": 30, "firstByte": 100, "transfer": 0.5},
            "statusCode": 200,
            "attempt": 1,
        }
    ]


@pytest.mark.parametrize("path", [f"{LIST}/shop/gone", f"{LIST}/nowhere/web/heartbeats", "/gone"])
async def test_what_is_not_there_is_a_404(world: World, store: Store, path: str) -> None:
    problem = await got(world.app(store).test_client(), path, 404)
    assert (problem["status"], problem["title"], problem["type"]) == (
        404,
        "Not Found",
        "about:blank",
    )


@pytest.mark.parametrize(
    ("query", "about"),
    [
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=ten", "limit"),
        ("limit=%C2%B2", "limit"),
        ("limit=" + "9" * 5000, "limit"),
        ("limit=-1", "limit"),
        ("state=broken", "state"),
        ("type=gopher", "type"),
        ("page=2", "page"),
        ("continue=%C3%A9", "continue"),
        ("continue=" + base64.urlsafe_b64encode(b"\xff\xfe\xfd").decode(), "continue"),
    ],
)
async def test_a_question_that_makes_no_sense_is_told_which_part(
    world: World, store: Store, query: str, about: str
) -> None:
    problem = await got(world.app(store).test_client(), f"{LIST}?{query}", 400)
    assert problem["detail"].startswith(about)


@pytest.mark.parametrize(
    ("query", "about"),
    [
        ("limit=1001", "limit"),
        ("since=yesterday", "since"),
        ("since=2026-01-01T00:00:00", "since"),
        ("until=2026-01-01", "until"),
        ("until=0001-01-01T00:00:00%2B23:00", "until"),
        ("since=9999-12-31T23:59:59-23:00", "since"),
        ("outcome=up", "outcome"),
        ("q=x", "q"),
    ],
)
async def test_a_window_that_makes_no_sense_is_told_which_part(
    world: World, store: Store, query: str, about: str
) -> None:
    path = f"{LIST}/shop/web/heartbeats?{query}"
    problem = await got(world.app(store).test_client(), path, 400)
    assert problem["detail"].startswith(about)


@pytest.mark.parametrize(
    "query",
    ["until=0001-01-01T00:00:00Z", "since=0001-01-01T00:00:00Z", "until=9999-12-31T23:59:59Z"],
)
async def test_the_ends_of_time_are_only_far_away(world: World, store: Store, query: str) -> None:
    await got(world.app(store).test_client(), f"{LIST}/shop/web/heartbeats?{query}")


@pytest.mark.parametrize("path", [f"{LIST}/shop/web", f"{LIST}/shop/web/heartbeats"])
async def test_while_the_history_fails_what_needs_it_says_so_and_the_rest_works(
    world: World, store: Store, path: str
) -> None:
    def broken(db: Connection) -> None:
        db.execute("ALTER TABLE heartbeats RENAME TO lost")
        db.execute("ALTER TABLE spans RENAME TO lost_too")

    await store.write(broken)
    client = world.app(store).test_client()
    problem = await got(client, path, 503)
    assert "history" in problem["detail"]
    assert names(await got(client, f"{LIST}?state=up")) == ["web"]


async def test_a_bug_of_ours_is_a_500_that_tells_nothing(world: World, store: Store) -> None:
    app = world.app(store)

    @app.get("/bug")
    async def _() -> str:
        raise sqlite3.InterfaceError("canary-4711")

    problem = await got(app.test_client(), "/bug", 500)
    assert "canary" not in str(problem)


async def test_every_answer_forbids_what_none_of_ours_needs(world: World, store: Store) -> None:
    client = world.app(store).test_client()
    for path in (LIST, f"{LIST}/shop/gone", "/metrics", "/health", "/ready", "/nothing"):
        headers = (await client.get(path)).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert headers["Cache-Control"] == "no-store"
    wrong = await client.post(LIST)
    assert (wrong.status_code, "GET" in wrong.headers["Allow"]) == (405, True)


async def test_health_is_of_the_process_and_readiness_says_what_is_waited_for(
    world: World, store: Store
) -> None:
    client = world.app(store).test_client()
    assert await got(client, "/ready") == {"status": "ready"}
    world.not_ready["database"] = "full"
    answer = await client.get("/ready")
    assert answer.status_code == 503
    assert (await answer.get_json())["waits"] == {"database": "full"}
    assert (await client.get("/health")).status_code == 200


async def test_a_list_shows_uptime_as_of_a_moment_ago(world: World, store: Store) -> None:
    world.uptimes = {"24h": {WEB: Uptime(good_ms=99_999, down_ms=1)}}
    page = await got(world.app(store).test_client(), f"{LIST}?namespace=shop")
    assert [each["uptime"] for each in page["items"]] == [{"24h": None}, {"24h": "99.99"}]


async def test_half_a_character_in_a_name_spoils_no_page(world: World, store: Store) -> None:
    world.add("odd", displayName="half \ud83d")
    client = world.app(store).test_client()
    assert "odd" in names(await got(client, LIST))
    metrics = await client.get("/metrics")
    assert metrics.status_code == 200
    assert 'name="odd",display_name="half ?"' in await metrics.get_data(as_text=True)


def test_an_outage_names_the_parents_that_failed_as_well() -> None:
    parent = FailingParent(key=Key("net", "router"), verdict=Verdict.PENDING, since=at(30))
    cause = Cause(at=at(60), reason=Reason.TIMEOUT, parents=(parent,))
    outage = Incident(
        id="i1",
        key=WEB,
        started_at=at(60),
        confirmed_at=at(60),
        ended_at=None,
        reason="Timeout",
        message="",
        cause=cause,
        acknowledgement=None,
    )
    assert incident_view(outage)["cause"]["parents"] == [
        {
            "namespace": "net",
            "name": "router",
            "verdict": "pending",
            "since": "2026-01-01T00:00:30.000Z",
        }
    ]


async def test_uptime_of_several_is_that_of_their_time_together(store: Store, world: World) -> None:
    world.uptimes = {
        "24h": {WEB: Uptime(good_ms=900, down_ms=100), MAIL: Uptime(good_ms=3000)},
        "7d": {MAIL: Uptime(good_ms=1, down_ms=1)},
    }
    client = world.app(store).test_client()
    assert await got(client, f"{LIST}/uptime?namespace=shop") == {
        "monitors": 2,
        "uptime": {"24h": "97.50", "7d": "50.00"},
    }
    assert await got(client, f"{LIST}/uptime?tag=eu") == {
        "monitors": 1,
        "uptime": {"24h": "90.00", "7d": None},
    }
    assert (
        "state is not a parameter" in (await got(client, f"{LIST}/uptime?state=up", 400))["detail"]
    )
