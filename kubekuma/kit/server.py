"""A web server: hypercorn under trio, in one function, with two of its bugs mended.

Both were found in hypercorn 0.18 and are proved by tests; look at them again
with every new version:

1. Writes to a connection are shielded from cancellation without a bound, so
   that one client that stops reading holds up shutdown for ever.
2. The keep-alive timer is started again from within the task of the request
   just answered. A framework that cancels that task when the request is over,
   as quart-trio does, loses the timer: idle connections are never closed.

Nothing is patched: hypercorn's own ``worker_serve`` cannot be told which
connection class to use, so its forty lines are written anew here, around
``_Connection``.
"""

import logging
import ssl
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, Final

import trio
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.trio.lifespan import Lifespan
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import AppWrapper, ConnectionState, Framework, LifespanState
from hypercorn.utils import repr_socket_addr, wrap_app

_LOG: Final = logging.getLogger(__name__)


async def serve_app(
    app: Framework,
    binds: Sequence[str],
    *,
    stop: trio.Event,
    grace_seconds: float = 3.0,
    keep_alive_seconds: float = 75.0,
    write_seconds: float = 5.0,
    tls: ssl.SSLContext | None = None,
    task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve the ASGI ``app`` on each of ``binds`` (``host:port``; port 0 picks one) until ``stop``.

    Reports its URLs once it accepts connections. A client gets
    ``write_seconds`` to take what it is sent, else it is cut off.

    Ownership: the sockets and every connection.
    Shutdown: ``stop`` closes the listeners and idle connections at once;
    requests under way get ``grace_seconds``. Streams that would go on for ever
    should watch ``stop`` themselves.
    Failure: an address that cannot be bound raises OSError; an exception of
    ``app`` is logged and ends that connection only.
    """
    config = _config(keep_alive_seconds)
    wrapped = wrap_app(app, config.wsgi_max_body_size, "asgi")
    state: LifespanState = {}
    lifespan = Lifespan(wrapped, config, state)
    async with trio.open_nursery() as lifespan_nursery:
        await lifespan_nursery.start(lifespan.handle_lifespan)
        await lifespan.wait_for_startup()
        async with AsyncExitStack() as sockets:
            listeners = [each for bind in binds for each in await _listen(bind, sockets)]
            await _serve_connections(
                wrapped,
                config,
                state,
                listeners,
                stop=stop,
                grace_seconds=grace_seconds,
                write_seconds=write_seconds,
                tls=tls,
                task_status=task_status,
            )
        await lifespan.wait_for_shutdown()
        lifespan_nursery.cancel_scope.cancel()


async def _serve_connections(
    app: AppWrapper,
    config: Config,
    state: LifespanState,
    listeners: Sequence[trio.SocketListener],
    *,
    stop: trio.Event,
    grace_seconds: float,
    write_seconds: float,
    tls: ssl.SSLContext | None,
    task_status: trio.TaskStatus[list[str]],
) -> None:
    context = WorkerContext(None)
    scheme = "https" if tls else "http"
    names = [(each.socket.family, each.socket.getsockname()) for each in listeners]
    urls = [f"{scheme}://{repr_socket_addr(family, name)}" for family, name in names]
    doors: list[Any] = list(listeners)
    if tls:
        doors = [trio.SSLListener(each, tls, https_compatible=True) for each in listeners]

    async def handle(stream: Any) -> None:
        # Each connection may add to the state of the application's lifespan.
        own_state = ConnectionState(state.copy())
        connection = _Connection(
            app, config, context, own_state, stream, write_seconds=write_seconds
        )
        await connection.run()

    async with trio.open_nursery() as connections:
        try:
            async with trio.open_nursery() as accepting:
                await accepting.start(
                    partial(trio.serve_listeners, handle, doors, handler_nursery=connections)
                )
                task_status.started(urls)
                await stop.wait()
                accepting.cancel_scope.cancel()
        finally:
            await context.terminated.set()
            connections.cancel_scope.deadline = trio.current_time() + grace_seconds


async def _listen(bind: str, sockets: AsyncExitStack) -> list[trio.SocketListener]:
    host, _, port = bind.rpartition(":")
    listeners = await trio.open_tcp_listeners(int(port), host=host.strip("[]") or None)
    for each in listeners:
        sockets.push_async_callback(trio.aclose_forcefully, each)
    return listeners


class _Connection(TCPServer):
    """One connection of hypercorn's, with its two bugs mended."""

    def __init__(
        self,
        app: AppWrapper,
        config: Config,
        context: WorkerContext,
        state: ConnectionState,
        stream: Any,
        *,
        write_seconds: float,
    ) -> None:
        super().__init__(app, config, context, state, stream)
        self.write_seconds = write_seconds

    async def protocol_send(self, event: Event) -> None:
        """Do what the protocol asks for: write, close, or start and stop the idle timer."""
        match event:
            case RawData():
                await self._write(event.data)
            case Updated():
                # Bug 2: starts or stops a timer, waits for nobody, and must
                # happen although the request's task is being cancelled.
                with trio.CancelScope(shield=True):
                    await super().protocol_send(event)
            case _:
                await super().protocol_send(event)

    async def _write(self, data: bytes) -> None:
        async with self.send_lock:
            # Bug 1: the shield keeps half a message from being written; the
            # deadline keeps the peer from holding the shield up.
            deadline = trio.current_time() + self.write_seconds
            try:
                with trio.CancelScope(shield=True, deadline=deadline) as scope:
                    await self.stream.send_all(data)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                await self.protocol.handle(Closed())
                return
            if scope.cancelled_caught:
                await trio.aclose_forcefully(self.stream)
                await self.protocol.handle(Closed())


def _config(keep_alive_seconds: float) -> Config:
    config = Config()
    config.keep_alive_timeout = keep_alive_seconds
    config.keep_alive_max_requests = 2**63
    config.include_server_header = False
    config.accesslog = None
    # Its own handler would print to stderr: what it has to say goes where ours goes.
    config.errorlog = _LOG
    return config
