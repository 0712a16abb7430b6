"""A dead man's switch: hears from us while we work, and why if we do not."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import attrs
import pytest
import trio
from build import START, at
from trio.testing import MockClock

from kubekuma.deliver.request import Request
from kubekuma.deliver.send import NotSent
from kubekuma.life import Work, failing, run_signs_of_life
from kubekuma.model.meta import SecretKeyRef
from kubekuma.model.settings import Heartbeat

REF = SecretKeyRef(name="switch", key="url")
URL = "https://hc.example.org/abc?x=1"
IDLE = Work(
    checks_begun=0,
    checks_skipped=0,
    checks_waiting=0,
    commits=0,
    database_error="",
    oldest_message=None,
)


@pytest.mark.parametrize(
    ("after", "said"),
    [
        ({"checks_begun": 100, "commits": 5}, ""),
        ({}, ""),
        ({"checks_begun": 90, "checks_skipped": 10, "commits": 5}, ""),
        ({"checks_begun": 89, "checks_skipped": 11, "commits": 5}, "89 of 100 checks"),
        ({"checks_begun": 50, "checks_waiting": 50, "commits": 5}, "50 of 100 checks"),
        ({"checks_begun": 100}, "nothing was written"),
        ({"checks_begun": 100, "commits": 1, "database_error": "full"}, "to be written: full"),
        ({"oldest_message": at(0)}, "waits for 11 min"),
        ({"oldest_message": at(100)}, ""),
    ],
)
def test_what_ails_us(after: dict[str, Any], said: str) -> None:
    found = attrs.evolve(IDLE, **after).ailment(IDLE, at(11 * 60))
    assert said in found
    assert bool(found) is bool(said)


def test_where_failures_are_said() -> None:
    assert failing(URL) == "https://hc.example.org/abc/fail?x=1"
    assert failing("https://hc.example.org/abc/") == "https://hc.example.org/abc/fail"


@attrs.define
class World:
    """Signs of life as they arrive, in virtual time."""

    heartbeat: Heartbeat | None = attrs.field(
        factory=lambda: Heartbeat(url_from_secret_ref=REF, interval_seconds=60)
    )
    url: bytes | None = URL.encode()
    done: Work = IDLE
    away: bool = False
    signs: list[tuple[float, str, bytes]] = attrs.field(factory=list)

    async def secret(self, ref: SecretKeyRef) -> bytes | None:
        await trio.lowlevel.checkpoint()
        assert ref == REF
        return self.url

    async def work(self) -> Work:
        await trio.lowlevel.checkpoint()
        return self.done

    async def send(self, request: Request) -> None:
        await trio.lowlevel.checkpoint()
        if self.away:
            raise NotSent(said="it answers 500")
        self.signs.append((trio.current_time(), request.url, request.body))


def now() -> datetime:
    return START + timedelta(seconds=trio.current_time())


@asynccontextmanager
async def living() -> AsyncIterator[World]:
    world = World()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(
            run_signs_of_life,
            lambda: world.heartbeat,
            world.secret,
            world.work,
            world.send,
            now,
        )
        yield world
        nursery.cancel_scope.cancel()


async def test_a_sign_each_interval_and_the_reason_if_there_is_one(
    autojump_clock: MockClock,
) -> None:
    del autojump_clock
    async with living() as it:
        await trio.sleep(125)
        assert it.signs == [(60, URL, b""), (120, URL, b"")]
        it.done = attrs.evolve(IDLE, database_error="full")
        await trio.sleep(60)
        assert it.signs[2:] == [(180, failing(URL), b"history waits to be written: full")]
        it.done = attrs.evolve(IDLE, checks_begun=10, commits=1)
        await trio.sleep(60)
        assert it.signs[3:] == [(240, URL, b"")]


async def test_settings_may_come_change_and_go(
    autojump_clock: MockClock,
) -> None:
    del autojump_clock
    async with living() as it:
        it.heartbeat = None
        await trio.sleep(300)
        assert it.signs == []
        it.heartbeat = Heartbeat(url_from_secret_ref=REF, interval_seconds=10)
        await trio.sleep(35)
        assert len(it.signs) == 3
        it.heartbeat = None
        await trio.sleep(300)
        assert len(it.signs) == 3


async def test_nothing_that_goes_wrong_ends_it(
    autojump_clock: MockClock,
) -> None:
    del autojump_clock
    async with living() as it:
        it.away = True
        await trio.sleep(61)
        it.away, it.url = False, None
        await trio.sleep(60)
        assert it.signs == []
        it.url = f" {URL}\n".encode()
        await trio.sleep(60)
        assert it.signs == [(180, URL, b"")]
