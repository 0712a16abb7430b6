"""A receiver of messages on loopback: keeps what it got, and answers as the test wants it."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import h11
import trio


@attrs.define
class Receiver:
    """An HTTP server for one message after another."""

    answers: list[str] = attrs.field(factory=list)  # statuses for the next ones; then 200
    always: str = "200 OK"
    headers: list[tuple[str, str]] = attrs.field(factory=list)
    got: list[dict[str, Any]] = attrs.field(factory=list)
    paths: list[str] = attrs.field(factory=list)
    seen: list[dict[str, str]] = attrs.field(factory=list)  # headers, in lower case
    silent: bool = False
    echoes: bool = False  # answers with the address that it was asked for, and all headers
    # Called once, with a message in hand: before it is answered, or after that.
    before: Callable[[], None] | None = None
    after: Callable[[], None] | None = None
    port: int = 0

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def events(self) -> Sequence[tuple[str, str]]:
        """What was told of whom."""
        return [(each["monitor"]["name"], each["event"]) for each in self.got]

    async def listen(
        self, task_status: trio.TaskStatus["Receiver"] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Serve on a free port of loopback."""
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.port = listener.socket.getsockname()[1]
        async with trio.open_nursery() as nursery:
            await nursery.start(trio.serve_listeners, self._serve, [listener])
            task_status.started(self)

    async def _serve(self, stream: trio.SocketStream) -> None:
        async with stream:
            connection, body = h11.Connection(h11.SERVER), b""
            headers: dict[str, str] = {}
            path = ""
            try:
                while True:
                    event = connection.next_event()
                    if event is h11.NEED_DATA:
                        connection.receive_data(await stream.receive_some())
                    elif isinstance(event, h11.Request):
                        path = event.target.decode()
                        headers = {name.decode(): value.decode() for name, value in event.headers}
                    elif isinstance(event, h11.Data):
                        body += event.data
                    elif isinstance(event, h11.EndOfMessage):
                        break
                    else:
                        return
                if self.silent:
                    await trio.sleep_forever()
                status = self.answers.pop(0) if self.answers else self.always
                self.paths.append(path)
                if status.startswith("2") and body:
                    self.seen.append(headers)
                    self.got.append(json.loads(body))
                self._call("before")
                code, _, phrase = status.partition(" ")
                text = f"Cannot POST {path} {headers}".encode() if self.echoes else b""
                length = ("Content-Length", str(len(text)))
                said = [*self.headers, length, ("Connection", "close")]
                head = h11.Response(status_code=int(code), reason=phrase.encode(), headers=said)
                await stream.send_all((connection.send(head) or b"") + text)
                self._call("after")
            except trio.BrokenResourceError:
                return

    def _call(self, name: str) -> None:
        call = getattr(self, name)
        setattr(self, name, None)
        if call is not None:
            call()


async def receiving(nursery: trio.Nursery) -> Receiver:
    """A receiver that takes everything."""
    receiver: Receiver = await nursery.start(Receiver().listen)
    return receiver
