"""The web server: addresses, keep-alive, lifespan and an orderly end, over real sockets."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import httpx
import pytest
import trio
import trustme
from hypercorn.typing import Framework
from quart_trio import QuartTrio

from kubekuma.kit.server import serve_app


@asynccontextmanager
async def served(app: Framework, **options: Any) -> AsyncIterator[tuple[str, trio.Event]]:
    stop = trio.Event()
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            serve = partial(serve_app, app, ["127.0.0.1:0"], stop=stop, **options)
            urls = await nursery.start(serve)
            try:
                yield urls[0], stop
            finally:
                stop.set()


def greeter() -> QuartTrio:
    app = QuartTrio(__name__)

    @app.get("/")
    async def hello() -> str:
        await trio.lowlevel.checkpoint()
        return "hello"

    return app


async def connect(url: str) -> trio.SocketStream:
    return await trio.open_tcp_stream("127.0.0.1", int(url.rsplit(":", 1)[1]))


async def read_answer(stream: trio.SocketStream) -> bytes:
    received = b""
    while not received.endswith(b"hello"):
        received += await stream.receive_some()
    return received


async def test_reports_the_address_it_was_given() -> None:
    async with served(greeter()) as (url, _), httpx.AsyncClient(trust_env=False) as client:
        assert url.startswith("http://127.0.0.1:")
        assert (await client.get(url)).text == "hello"


async def test_speaks_tls_when_told_to() -> None:
    authority = trustme.CA()
    server, client = (
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH),
        ssl.create_default_context(),
    )
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(client)
    async with (
        served(greeter(), tls=server) as (url, _),
        httpx.AsyncClient(verify=client, trust_env=False) as session,
    ):
        assert url.startswith("https://")
        assert (await session.get(url)).text == "hello"


async def test_an_idle_connection_is_closed_although_it_has_served_a_request() -> None:
    async with served(greeter(), keep_alive_seconds=0.3) as (url, _), await connect(url) as stream:
        await stream.send_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await read_answer(stream)
        with trio.fail_after(2):
            assert await stream.receive_some() == b""


async def test_a_connection_serves_many_requests() -> None:
    async with served(greeter(), keep_alive_seconds=0.5) as (url, _), await connect(url) as stream:
        for _ in range(3):
            await stream.send_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await read_answer(stream)).startswith(b"HTTP/1.1 200")


async def test_stopping_does_not_wait_for_idle_connections() -> None:
    began = trio.current_time()
    async with served(greeter(), grace_seconds=5) as (url, stop), await connect(url) as stream:
        await stream.send_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await read_answer(stream)
        stop.set()
        assert await stream.receive_some() == b""
    assert trio.current_time() - began < 2


async def test_the_application_is_told_of_start_and_stop() -> None:
    told: list[str] = []
    app = greeter()
    app.before_serving(partial(told.append, "start"))
    app.after_serving(partial(told.append, "stop"))
    async with served(app):
        assert told == ["start"]
    assert told == ["start", "stop"]


async def test_an_address_in_use_is_an_error_of_the_caller() -> None:
    async with served(greeter()) as (url, _):
        with pytest.raises(ExceptionGroup) as caught:
            await serve_app(greeter(), [url.removeprefix("http://")], stop=trio.Event())
    assert caught.group_contains(OSError)
