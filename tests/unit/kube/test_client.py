"""What goes over the wire to the API server, and what comes back as ours."""

import gc
import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from fakes.kube_http import LAST, Asked, KubeHttp, reply, stream
from fakes.targets import reset, stall
from trio.testing import MockClock

from kubekuma.kube.client import EVENTS, OUR_ROOT, SECRETS, Endpoint, KubeClient
from kubekuma.kube.errors import Refused, Unreachable
from kubekuma.model.meta import Key

MONITORS = Endpoint(OUR_ROOT, "monitors")
SETTINGS = Endpoint(OUR_ROOT, "kubekumasettings", namespaced=False)
WEB = Key("shop", "web")
FORBIDDEN = {"kind": "Status", "reason": "Forbidden", "message": "not for you", "code": 403}


@pytest.fixture
def clock() -> MockClock:
    """Virtual time that gives the sockets theirs."""
    return MockClock(autojump_threshold=0.05)


async def start(nursery: trio.Nursery, *steps: Any) -> KubeHttp:
    server: KubeHttp = await nursery.start(KubeHttp(lambda _: steps).listen)
    return server


async def test_a_handshake_that_is_cut_off_closes_its_socket(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    """Else the socket stays open until the garbage of a request is collected."""
    greeted, ended = trio.Event(), trio.Event()

    async def say_nothing(stream: trio.SocketStream) -> None:
        async with stream:
            assert await stream.receive_some()
            greeted.set()
            assert await stream.receive_some() == b""
            ended.set()

    listen = partial(trio.serve_tcp, say_nothing, 0, host="127.0.0.1")
    (listener,) = await nursery.start(listen)
    server = KubeHttp(lambda _: ())
    server.url = f"https://127.0.0.1:{listener.socket.getsockname()[1]}"
    client = await server.client(tmp_path)
    requests: list[trio.CancelScope] = []

    async def ask() -> None:
        with trio.CancelScope() as scope:
            requests.append(scope)
            await client.get(SECRETS, WEB)

    gc.disable()
    try:
        nursery.start_soon(ask)
        await greeted.wait()
        requests[0].cancel()
        with trio.fail_after(5):
            await ended.wait()
    finally:
        gc.enable()
    await client.aclose()


def test_paths_are_those_of_the_api_conventions() -> None:
    assert MONITORS.collection() == "/apis/monitoring.kubekuma.io/v1/monitors"
    assert MONITORS.collection("shop").endswith("/v1/namespaces/shop/monitors")
    assert MONITORS.object(WEB).endswith("/v1/namespaces/shop/monitors/web")
    assert SETTINGS.object(Key("", "kubekuma")).endswith("/v1/kubekumasettings/kubekuma")
    assert SECRETS.object(WEB) == "/api/v1/namespaces/shop/secrets/web"


async def test_status_is_applied_as_its_manager_and_to_the_status_alone(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    server = await start(nursery, *reply({}))
    client = await server.client(tmp_path, token="t0ken")
    body = {"metadata": {"name": "web", "uid": "u1"}, "status": {"state": "up \u0085"}}
    await client.apply_status(MONITORS, WEB, body, "kubekuma-status")
    await client.aclose()
    (asked,) = server.asked
    assert (asked.method, asked.path) == ("PATCH", f"{MONITORS.object(WEB)}/status")
    assert asked.query == {"fieldManager": "kubekuma-status", "force": "true"}
    assert asked.headers["content-type"] == "application/apply-patch+yaml"
    assert asked.headers["authorization"] == "Bearer t0ken"
    assert json.loads(asked.body) == body


async def test_lists_and_events_are_asked_for_where_they_live(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    server = await start(nursery, *reply({"items": []}))
    client = await server.client(tmp_path)
    assert await client.page(MONITORS, "", {"limit": "500"}) == {"items": []}
    await client.create(EVENTS, "shop", {"kind": "Event"})
    await client.get(SECRETS, WEB)
    await client.aclose()
    assert [(each.method, each.path) for each in server.asked] == [
        ("GET", MONITORS.collection()),
        ("POST", "/apis/events.k8s.io/v1/namespaces/shop/events"),
        ("GET", SECRETS.object(WEB)),
    ]
    assert server.asked[0].query == {"limit": "500"}
    assert "authorization" not in server.asked[0].headers


async def test_a_refusal_says_what_the_server_said(nursery: trio.Nursery, tmp_path: Path) -> None:
    server = await start(nursery, *reply(FORBIDDEN, "403 Forbidden", "Retry-After: 7"))
    client = await server.client(tmp_path)
    with pytest.raises(Refused, match="not for you") as caught:
        await client.get(SECRETS, WEB)
    await client.aclose()
    assert (caught.value.code, caught.value.reason) == (403, "Forbidden")
    assert caught.value.retry_after_seconds == 7
    assert not caught.value.retryable


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param(reply(b"<html>not here</html>"), id="no JSON"),
        pytest.param(reply(b"[1, 2]"), id="no object"),
        pytest.param(reply(b""), id="nothing"),
        pytest.param(reply(b"", "302 Found", "Location: /login"), id="a redirect"),
        pytest.param([b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"], id="half"),
        pytest.param([b"SSH-2.0-OpenSSH\r\n"], id="no HTTP"),
        pytest.param([reset], id="a reset"),
        pytest.param([b""], id="a hang-up"),
    ],
)
async def test_what_is_no_answer_is_unreachable(
    nursery: trio.Nursery, tmp_path: Path, steps: Any
) -> None:
    server = await start(nursery, *steps)
    client = await server.client(tmp_path)
    with pytest.raises(Unreachable) as caught:
        await client.page(MONITORS, "", {})
    await client.aclose()
    assert str(caught.value)
    assert caught.value.retryable


async def test_bytes_that_are_no_text_spoil_one_string_and_not_the_list(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    server = await start(nursery, *reply(b'{"items": [{"a": "\xff\xfe"}, {"a": "\xc2\x85"}]}'))
    client = await server.client(tmp_path)
    page = await client.page(MONITORS, "", {})
    await client.aclose()
    assert page == {"items": [{"a": "\ufffd\ufffd"}, {"a": "\u0085"}]}


async def test_a_server_that_never_answers_is_given_up(
    nursery: trio.Nursery, tmp_path: Path, clock: MockClock
) -> None:
    server = await start(nursery, stall)
    client = await server.client(tmp_path)
    with pytest.raises(Unreachable):
        await client.get(SECRETS, WEB)
    await client.aclose()
    assert 14 <= clock.current_time() <= 17


async def chunks_of(client: KubeClient, silence_seconds: float = 90) -> bytes:
    received = b""
    async with client.watch(MONITORS, "", {}, silence_seconds=silence_seconds) as chunks:
        async for chunk in chunks:
            received += chunk
    return received


async def test_a_watch_gives_its_bytes_as_they_are(nursery: trio.Nursery, tmp_path: Path) -> None:
    lines = [b'{"a": "\xc2\x85"}\n{"b"', b": 1}\n"]
    server = await start(nursery, *stream(*lines), LAST)
    client = await server.client(tmp_path)
    assert await chunks_of(client) == b"".join(lines)
    await client.aclose()
    (asked,) = server.asked
    assert asked.query == {"watch": "true"}
    # Somebody on the way might compress them otherwise.
    assert asked.headers["accept-encoding"] == "identity"


async def test_a_watch_that_is_refused_says_so(nursery: trio.Nursery, tmp_path: Path) -> None:
    server = await start(nursery, *reply({"reason": "Expired", "message": "old"}, "410 Gone"))
    client = await server.client(tmp_path)
    with pytest.raises(Refused) as caught:
        await chunks_of(client)
    await client.aclose()
    assert (caught.value.code, caught.value.reason) == (410, "Expired")


@pytest.mark.parametrize("end", [reset, b""])
async def test_a_watch_that_breaks_is_unreachable(
    nursery: trio.Nursery, tmp_path: Path, end: Any
) -> None:
    server = await start(nursery, *stream(b'{"half'), end)
    client = await server.client(tmp_path)
    with pytest.raises(Unreachable):
        await chunks_of(client)
    await client.aclose()


async def test_a_watch_that_falls_silent_is_unreachable_and_one_that_speaks_is_not(
    nursery: trio.Nursery, tmp_path: Path, clock: MockClock
) -> None:
    async def later(_: trio.abc.Stream) -> None:
        await trio.sleep(80)

    (word,) = stream(b"{}\n")[1:]
    server = await start(nursery, *stream(), later, word, later, word, stall)
    client = await server.client(tmp_path)
    with pytest.raises(Unreachable):
        await chunks_of(client)
    await client.aclose()
    assert 249 <= clock.current_time() <= 256


async def test_a_refused_request_leaves_a_watch_alone(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    """One 403 anywhere closed every watch of a library that shared its session."""

    def answer(asked: Asked) -> Any:
        if "watch" not in asked.query:
            return reply(FORBIDDEN, "403 Forbidden")
        return [*stream(b"1\n"), wait_for_refusal, *stream(b"2\n")[1:], LAST]

    refused = trio.Event()

    async def wait_for_refusal(_: trio.abc.Stream) -> None:
        await refused.wait()

    server: KubeHttp = await nursery.start(KubeHttp(answer).listen)
    client = await server.client(tmp_path, token="t0ken")
    received = []
    async with client.watch(MONITORS, "", {}, silence_seconds=5) as chunks:
        async for chunk in chunks:
            received.append(chunk)
            with pytest.raises(Refused):
                await client.get(SECRETS, WEB)
            refused.set()
    await client.aclose()
    assert b"".join(received) == b"1\n2\n"
