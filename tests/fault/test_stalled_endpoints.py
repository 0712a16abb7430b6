"""Who opens any of our endpoints and stops reading does not hold up the end, nor the others."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest
import trio
from build import START, monitor
from support.history import open_store

from kubekuma.kit.server import serve_app
from kubekuma.model.meta import Key
from kubekuma.serve.board import Board
from kubekuma.serve.metrics import Instruments, metrics_routes, monitor_text
from kubekuma.serve.monitors import monitor_routes
from kubekuma.serve.server import WebApp, build_app
from kubekuma.validate.seen import Seen

# More than sockets hold on their own: somebody has to read it.
MANY = 12_000


@asynccontextmanager
async def unread(url: str, path: str) -> AsyncIterator[trio.SocketStream]:
    """A connection that has asked for ``path`` and reads no more than the beginning."""
    with trio.socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await client.connect(("127.0.0.1", int(url.rpartition(":")[2])))
        stream = trio.SocketStream(client)
        await stream.send_all(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert (await stream.receive_some(12)).startswith(b"HTTP/1.1 200")
        yield stream


def many() -> Board:
    one = monitor(displayName="x" * 200)
    seen = Seen(latest=one, valid=one)
    return Board(monitors={Key("shop", f"m{n:05}"): seen for n in range(MANY)}, states={})


@pytest.mark.parametrize(
    "path", ["/metrics", "/api/v1/monitors?limit=500", "/api/v1/monitors?q=nothing-of-the-kind"]
)
async def test_a_reader_that_stops_holds_up_neither_others_nor_the_end(
    tmp_path: Path, path: str
) -> None:
    board = many()
    assert len(await monitor_text(board)) > 8 * 2**20
    async with open_store(tmp_path / "history.db") as store:
        app: WebApp = build_app(
            (
                metrics_routes(board, Instruments(lambda: iter(()))),
                monitor_routes(board, store, lambda: START),
            )
        )
        stop = trio.Event()
        serve = partial(
            serve_app, app, ["127.0.0.1:0"], stop=stop, grace_seconds=0.3, write_seconds=0.5
        )
        async with trio.open_nursery() as nursery:
            (url,) = await nursery.start(serve)
            async with unread(url, path), unread(url, path), unread(url, "/metrics"):
                async with httpx.AsyncClient(base_url=url, trust_env=False) as other:
                    with trio.fail_after(10):
                        answer = await other.get("/api/v1/monitors?limit=1")
                assert answer.status_code == 200
                stop.set()
                with trio.fail_after(5):
                    while nursery.child_tasks:  # noqa: ASYNC110 - nothing tells of a task's end
                        await trio.sleep(0.01)
