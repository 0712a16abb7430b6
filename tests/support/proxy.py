"""A TCP proxy on loopback that loses, delays and breaks what goes through it."""

import math
from collections.abc import Callable
from typing import TypeAlias

import attrs
import trio

# How long a piece of data takes, that way; for ever: it is never heard of again.
Leg: TypeAlias = float
LOST = math.inf


@attrs.define
class Proxy:
    """Everything that comes in goes to ``port``, unless a fault says otherwise.

    Connections stay open, whatever is lost on them: as with a network that is
    cut, nobody is told.
    """

    port: int
    there: Leg = 0.0
    back: Leg = 0.0
    refuses: bool = False
    listens_on: int = 0
    changed: trio.Event = attrs.field(factory=trio.Event)
    _streams: list[trio.SocketStream] = attrs.field(factory=list)

    async def listen(
        self, task_status: trio.TaskStatus["Proxy"] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Pass on, on a free port."""
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.listens_on = listener.socket.getsockname()[1]
        async with trio.open_nursery() as nursery:
            await nursery.start(trio.serve_listeners, self._pass_on, [listener])
            task_status.started(self)

    async def reset(self) -> None:
        """Break every connection there is."""
        streams, self._streams = self._streams, []
        for each in streams:
            await trio.aclose_forcefully(each)

    async def _pass_on(self, client: trio.SocketStream) -> None:
        async with client:
            if self.refuses:
                return
            self._streams.append(client)
            try:
                server = await trio.open_tcp_stream("127.0.0.1", self.port)
            except OSError:
                return
            async with server, trio.open_nursery() as both:
                self._streams.append(server)
                both.start_soon(self._pump, client, server, lambda: self.there, both)
                both.start_soon(self._pump, server, client, lambda: self.back, both)

    async def _pump(
        self,
        source: trio.SocketStream,
        sink: trio.SocketStream,
        leg: Callable[[], Leg],
        both: trio.Nursery,
    ) -> None:
        lost = False
        try:
            async for data in source:
                # Half a conversation over TLS is worth nothing: what is cut once stays cut.
                lost = lost or leg() == LOST
                if lost:
                    continue
                await trio.sleep(leg())
                await sink.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        both.cancel_scope.cancel()
