"""An API server on a real socket, of which each answer is written by the test, byte by byte."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, urlsplit

import attrs
import trio
import yaml

from kubekuma.kube.client import KubeClient
from kubekuma.kube.credentials import load_credentials

Step: TypeAlias = bytes | Callable[[trio.abc.Stream], Awaitable[None]]


@attrs.frozen(kw_only=True)
class Asked:
    """One request."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


Answer: TypeAlias = Callable[[Asked], Sequence[Step]]


def reply(body: Any, status: str = "200 OK", *headers: str) -> Sequence[Step]:
    """A whole answer of JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(data)}", "Connection: close"]
    return ["\r\n".join([*lines, "", ""]).encode() + data]


def stream(*chunks: bytes) -> list[Step]:
    """The beginning of an answer without end, and these chunks of it."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return [head, *(f"{len(each):x}\r\n".encode() + each + b"\r\n" for each in chunks)]


LAST = b"0\r\n\r\n"


class KubeHttp:
    """Answers as it is told, and knows what it was asked."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: list[Asked] = []
        self.url = ""

    async def listen(
        self, task_status: trio.TaskStatus["KubeHttp"] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Serve on a free port of loopback."""
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
        async with trio.open_nursery() as nursery:
            await nursery.start(trio.serve_listeners, self._serve, [listener])
            task_status.started(self)

    async def _serve(self, connection: trio.SocketStream) -> None:
        async with connection:
            try:
                asked = await _read(connection)
                self.asked.append(asked)
                for step in self.answer(asked):
                    if isinstance(step, bytes):
                        await connection.send_all(step)
                    else:
                        await step(connection)
            except (trio.BrokenResourceError, trio.ClosedResourceError, EOFError):
                return

    def kubeconfig(self, folder: Path, **user: str) -> Path:
        """A kubeconfig file that leads here."""
        path = folder / "kubeconfig"
        path.write_text(yaml.safe_dump(kubeconfig({"server": self.url}, user)))
        return path

    async def client(self, folder: Path, **user: str) -> KubeClient:
        """A client that was led here by a kubeconfig file."""
        return KubeClient(await load_credentials(self.kubeconfig(folder, **user)))


def kubeconfig(cluster: Mapping[str, Any], user: Mapping[str, Any]) -> Mapping[str, Any]:
    """The contents of a kubeconfig file with one of each."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
        "clusters": [{"name": "here", "cluster": dict(cluster)}],
        "users": [{"name": "me", "user": dict(user)}],
    }


async def _read(connection: trio.SocketStream) -> Asked:
    received = b""
    while b"\r\n\r\n" not in received:
        received += await _some(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    while len(body) < int(headers.get("content-length", "0")):
        body += await _some(connection)
    parts = urlsplit(target)
    return Asked(
        method=method,
        path=parts.path,
        query=dict(parse_qsl(parts.query)),
        headers=headers,
        body=body,
    )


async def _some(connection: trio.SocketStream) -> bytes:
    chunk = await connection.receive_some()
    if not chunk:
        raise EOFError
    return bytes(chunk)
