"""/push: what senders of other products say is understood, and nonsense is told."""

from collections.abc import Mapping
from typing import Any

import attrs
import pytest

from kubekuma.model.push import Beat, Signal
from kubekuma.serve.push import BURST, push_routes
from kubekuma.serve.server import build_app

TOKEN = "s3cret-token"


@attrs.define
class Door:
    """The routes, with one sender behind them."""

    beats: list[Beat] = attrs.field(factory=list)
    away: str | None = None
    now: float = 100.0

    async def take(self, token: str, beat: Beat) -> bool:
        if token == TOKEN:
            self.beats.append(beat)
        return token == TOKEN

    async def ask(self, path: str, status: int = 200, method: str = "GET", **sent: Any) -> Any:
        client = self.app.test_client()
        answer = await client.open(path, method=method, **sent)
        assert answer.status_code == status, await answer.get_data()
        assert TOKEN not in str(await answer.get_data())
        return answer

    @property
    def app(self) -> Any:
        return self._app

    _app: Any = None

    def __attrs_post_init__(self) -> None:
        self._app = build_app([push_routes(self.take, lambda: self.away, lambda: self.now)])


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.mark.parametrize("prefix", ["/push", "/api/push", "/ping"])
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
async def test_a_report_needs_nothing_but_the_token(door: Door, prefix: str, method: str) -> None:
    answer = await door.ask(f"{prefix}/{TOKEN}", method=method)
    if method != "HEAD":
        assert await answer.get_json() == {"ok": True}
    assert door.beats == [Beat()]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("?status=up&msg=OK&ping=", Beat(message="OK")),
        ("?status=down&msg=disk+full", Beat(signal=Signal.FAILURE, message="disk full")),
        ("?ping=12.5", Beat(latency_seconds=0.0125)),
        ("/start", Beat(signal=Signal.START)),
        ("/fail", Beat(signal=Signal.FAILURE)),
        ("/success", Beat()),
        ("/log?msg=hello", Beat(signal=Signal.LOG, message="hello")),
        ("/0", Beat()),
        ("/7", Beat(signal=Signal.FAILURE, message="exit status 7")),
        ("/255?msg=oops", Beat(signal=Signal.FAILURE, message="oops")),
        ("/start?rid=123e4567&unknown=x", Beat(signal=Signal.START)),
    ],
)
async def test_what_senders_of_other_products_say(door: Door, path: str, expected: Beat) -> None:
    await door.ask(f"/push/{TOKEN}{path}")
    assert door.beats == [expected]


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ({"data": b"42 files\n", "headers": {"Content-Type": "text/plain"}}, "42 files"),
        ({"form": {"msg": "by form", "status": "down"}}, "by form"),
        ({"json": {"msg": "by JSON", "status": "down"}}, "by JSON"),
        # What curl --data sends, if it is told nothing else.
        (
            {
                "data": b"all done",
                "headers": {"Content-Type": "application/x-www-form-urlencoded"},
            },
            "all done",
        ),
        ({"data": b"\xff\x00", "headers": {"Content-Type": "text/plain"}}, "�\x00"),
        ({"data": b"x" * 5000, "headers": {"Content-Type": "text/plain"}}, "x" * 1024),
        ({"json": [1, 2]}, "[1, 2]"),
    ],
)
async def test_bodies_of_every_kind(door: Door, sent: Mapping[str, Any], message: str) -> None:
    await door.ask(f"/push/{TOKEN}", method="POST", **sent)
    (beat,) = door.beats
    assert beat.message == message
    assert (beat.signal is Signal.FAILURE) is ("by" in message)


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("?status=fine", 400, "must be up or down"),
        ("?ping=soon", 400, "must be milliseconds"),
        ("?ping=-1", 400, "must be milliseconds"),
        ("?ping=nan", 400, "must be milliseconds"),
        ("/stop", 404, "none of success, fail, start, log"),
        ("/256", 404, "no exit code"),
    ],
)
async def test_nonsense_is_told_and_reports_nothing(
    door: Door, path: str, status: int, said: str
) -> None:
    answer = await door.ask(f"/push/{TOKEN}{path}", status)
    assert said in (await answer.get_json(force=True))["detail"]
    assert not door.beats


async def test_json_that_is_none(door: Door) -> None:
    headers = {"Content-Type": "application/json"}
    await door.ask(f"/push/{TOKEN}", 400, method="POST", data=b"{", headers=headers)


async def test_tokens_that_nobody_has_are_not_found(door: Door) -> None:
    answer = await door.ask("/push/other", 404)
    for _ in range(BURST - 1):
        door.now += 0.001
        await door.ask("/push/other", 404)
    assert "no push monitor" in (await answer.get_json(force=True))["detail"]
    # Who guesses is slowed down, whatever is guessed; who knows a token is not.
    answer = await door.ask("/push/another", 429)
    assert answer.headers["Retry-After"] == "2"
    await door.ask(f"/push/{TOKEN}")


async def test_one_sender_may_not_report_without_end(door: Door) -> None:
    for _ in range(BURST):
        await door.ask(f"/push/{TOKEN}")
    answer = await door.ask(f"/push/{TOKEN}", 429)
    assert answer.headers["Retry-After"] == "1"
    assert len(door.beats) == BURST
    door.now += 1
    await door.ask(f"/push/{TOKEN}")


async def test_who_does_not_lead_sends_to_the_one_that_does(door: Door) -> None:
    door.away = "standby: held by pod-1"
    answer = await door.ask(f"/push/{TOKEN}", 503)
    assert answer.headers["Retry-After"] == "5"
    assert "held by pod-1" in (await answer.get_json(force=True))["detail"]
    assert not door.beats
