"""Secrets are read once for all who ask, kept for a while, and missed for a moment only."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import trio
from fakes.kube_http import KubeHttp, reply
from structlog.testing import capture_logs
from trio.testing import MockClock

from kubekuma.kube.errors import Refused, Unreachable
from kubekuma.kube.secrets import KEPT_SECONDS, MISSED_SECONDS, SecretCache, read_secret
from kubekuma.model.meta import Key, SecretKeyRef

CANARY = b"canary-4711"
REF = SecretKeyRef(name="login", key="password")


class Cluster:
    """The Secrets of a cluster, and how often each was asked for."""

    def __init__(self) -> None:
        self.secrets: dict[Key, Mapping[str, bytes]] = {Key("ns", "login"): {"password": CANARY}}
        self.asked: list[Key] = []
        self.away = False

    async def get(self, key: Key) -> Mapping[str, bytes] | None:
        self.asked.append(key)
        await trio.sleep(1)
        if self.away:
            raise Unreachable("refused")
        return self.secrets.get(key)


async def test_one_request_serves_all_who_ask_at_once(autojump_clock: MockClock) -> None:
    cluster = Cluster()
    cache, found = SecretCache(cluster.get), []

    async def ask() -> None:
        found.append(await cache.value("ns", REF))

    async with trio.open_nursery() as nursery:
        for _ in range(50):
            nursery.start_soon(ask)
    assert found == [CANARY] * 50
    assert len(cluster.asked) == 1
    assert autojump_clock.current_time() == 1


async def test_secrets_of_different_names_do_not_wait_for_each_other(
    autojump_clock: MockClock,
) -> None:
    cluster = Cluster()
    cache = SecretCache(cluster.get)
    async with trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(cache.value, "ns", SecretKeyRef(name=f"s{number}", key="k"))
    assert autojump_clock.current_time() == 1
    assert len(cluster.asked) == 20


async def test_what_was_read_is_kept_for_a_while_and_then_read_anew(
    autojump_clock: MockClock,
) -> None:
    cluster = Cluster()
    cache = SecretCache(cluster.get)
    assert await cache.value("ns", REF) == CANARY
    cluster.secrets[Key("ns", "login")] = {"password": b"new"}
    await trio.sleep(KEPT_SECONDS - 1)
    assert await cache.value("ns", REF) == CANARY
    await trio.sleep(1)
    assert await cache.value("ns", REF) == b"new"
    assert len(cluster.asked) == 2
    assert autojump_clock.current_time() == KEPT_SECONDS + 2


async def test_what_is_missing_is_looked_for_again_soon(autojump_clock: MockClock) -> None:
    cluster = Cluster()
    secret = cluster.secrets.pop(Key("ns", "login"))
    cache = SecretCache(cluster.get)
    assert await cache.value("ns", REF) is None
    cluster.secrets[Key("ns", "login")] = secret
    assert await cache.value("ns", REF) is None
    await trio.sleep(MISSED_SECONDS)
    assert await cache.value("ns", REF) == CANARY
    assert await cache.value("ns", SecretKeyRef(name="login", key="other")) is None
    assert await cache.value("elsewhere", REF) is None
    assert autojump_clock.current_time() == MISSED_SECONDS + 3


async def test_while_the_api_server_is_away_what_was_known_holds(
    autojump_clock: MockClock,
) -> None:
    cluster = Cluster()
    cache = SecretCache(cluster.get)
    await cache.value("ns", REF)
    cluster.away = True
    with capture_logs() as logs:
        for _ in range(10):
            await trio.sleep(KEPT_SECONDS)
            assert await cache.value("ns", REF) == CANARY
    assert all(CANARY.decode() not in str(each) for each in logs)
    cluster.away = False
    cluster.secrets[Key("ns", "login")] = {"password": b"new"}
    await trio.sleep(MISSED_SECONDS)
    assert await cache.value("ns", REF) == b"new"
    assert autojump_clock.current_time() > 10 * KEPT_SECONDS


async def test_who_is_cancelled_while_asking_holds_nobody_up(autojump_clock: MockClock) -> None:
    cache = SecretCache(Cluster().get)
    with trio.move_on_after(0.5):
        await cache.value("ns", REF)
    assert await cache.value("ns", REF) == CANARY
    assert autojump_clock.current_time() == 1.5


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (reply({"data": {"a": base64.b64encode(CANARY).decode()}}), {"a": CANARY}),
        (reply({"data": {"a": "not base64!", "b": "Yg=="}}), {"b": b"b"}),
        (reply({"data": None}), {}),
        (reply({}), {}),
        (reply({"reason": "NotFound"}, "404 Not Found"), None),
        (reply({"reason": "Forbidden"}, "403 Forbidden"), None),
    ],
)
async def test_a_secret_is_decoded_or_not_there(
    nursery: trio.Nursery, tmp_path: Path, answer: Any, found: Any
) -> None:
    server: KubeHttp = await nursery.start(KubeHttp(lambda _: answer).listen)
    client = await server.client(tmp_path)
    assert await read_secret(client, Key("ns", "login")) == found
    await client.aclose()


async def test_a_server_that_fails_is_not_a_secret_that_is_missing(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    server: KubeHttp = await nursery.start(KubeHttp(lambda _: reply({}, "500 Oops")).listen)
    client = await server.client(tmp_path)
    with pytest.raises(Refused):
        await read_secret(client, Key("ns", "login"))
    await client.aclose()
