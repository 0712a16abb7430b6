"""A client that stops reading holds nobody up."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import trio

from kubekuma.kit.server import serve_app

HEADERS = {"type": "http.response.start", "status": 200, "headers": []}
CHUNK = {"type": "http.response.body", "body": b"x" * 2**16, "more_body": True}


class Flood:
    """An application that writes for ever, and knows how far it came."""

    def __init__(self) -> None:
        self.chunks = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            for phase in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{phase}.complete"})
            return
        await receive()
        await send(HEADERS)
        while True:
            await send(CHUNK)
            self.chunks += 1

    async def wait_stalled(self) -> None:
        """Return once a write has not ended for two tenths of a second."""
        seen = -1
        while seen != self.chunks:
            seen = self.chunks
            await trio.sleep(0.2)


@pytest.mark.parametrize("how", ["stop", "cancel"])
async def test_a_client_that_stops_reading_does_not_hold_up_the_end(how: str) -> None:
    app = Flood()
    stop = trio.Event()
    serve = partial(
        serve_app, app, ["127.0.0.1:0"], stop=stop, grace_seconds=0.2, write_seconds=0.6
    )
    held_up = True
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            (url,) = await nursery.start(serve)
            stream = await trio.open_tcp_stream("127.0.0.1", int(url.rsplit(":", 1)[1]))
            async with stream:
                await stream.send_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                await stream.receive_some(1000)
                await app.wait_stalled()
                ends: dict[str, Callable[[], None]] = {"stop": stop.set, "cancel": scope.cancel}
                ends[how]()
                # A shield of the server's would outlive a cancelled scope: watch from under one.
                with trio.CancelScope(shield=True), trio.move_on_after(1.5):
                    while nursery.child_tasks:  # noqa: ASYNC110 (nothing tells of a task's end)
                        await trio.sleep(0.01)
                    held_up = False
    assert not held_up
