"""Several KubeKumas, each in a process of its own, one API server, and a target that keeps count.

The oracle is the target: it knows by whom, and when, it was asked, on a clock that all share.
"""

import base64
import json
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import attrs
import httpx
import trio
import yaml
from support.program import GROUP, SETTINGS
from support.programs import python
from support.proxy import Proxy

from kubekuma.kit.boottime import boottime

LEASE: Final = "/apis/coordination.k8s.io/v1/namespaces/shop/leases/kubekuma"
# A tenth of what is usual, and slack for a machine that has more to do.
SCALED: Final = {
    "LEASE_DURATION_SECONDS": "6",
    "LEASE_DEADLINE_SECONDS": "4",
    "LEASE_RENEW_SECONDS": "1",
    "LEASE_RETRY_SECONDS": "0.3",
    "LEASE_REQUEST_SECONDS": "1",
    "HISTORY_WAIT_SECONDS": "0",
}
DURATION: Final = 6.0
FENCE: Final = 4.0

_API: Final = """
import sys
from functools import partial
from pathlib import Path
import trio
from kubekuma.model.kinds import KINDS
from kubekuma.model.schema import crd
from kubekuma.standalone.server import serve_embedded_api

async def main():
    async with trio.open_nursery() as nursery:
        serve = partial(
            serve_embedded_api, Path(sys.argv[1]), [crd(kind) for kind in KINDS],
            namespaces=("shop",), stop=trio.Event(),
        )
        await nursery.start(serve)
        print("serving", flush=True)

trio.run(main)
"""


@attrs.frozen
class Hit:
    """The target was asked."""

    at: float
    pid: int


@attrs.define
class Target:
    """What everybody checks."""

    hits: list[Hit] = attrs.field(factory=list)
    pids: list[int] = attrs.field(factory=list)
    port: int = 0
    seconds: float = 0.0  # how long an answer takes
    status: str = "200 OK"
    asked: trio.Event = attrs.field(factory=trio.Event)

    async def listen(
        self, task_status: trio.TaskStatus["Target"] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Answer, and note who asked."""
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.port = listener.socket.getsockname()[1]
        async with trio.open_nursery() as nursery:
            await nursery.start(trio.serve_listeners, self._serve, [listener])
            task_status.started(self)

    async def _serve(self, stream: trio.SocketStream) -> None:
        async with stream:
            at = boottime()
            pid = owner(stream.socket.getpeername()[1], self.pids)
            self.hits.append(Hit(at, pid))
            self.asked.set()
            self.asked = trio.Event()
            try:
                await stream.receive_some()
                await trio.sleep(self.seconds)
                answer = f"HTTP/1.1 {self.status}\r\nContent-Length: 2\r\n\r\nok"
                await stream.send_all(answer.encode())
            except trio.BrokenResourceError:
                return

    def hits_of(self, pid: int, since: float = 0.0) -> list[float]:
        """When one process asked."""
        return [hit.at for hit in self.hits if hit.pid == pid and hit.at >= since]

    def never_two(self) -> bool:
        """Whether each process that works begins after the last deed of the one before."""
        # Of whom nothing is known had hung up already when it was looked for.
        known = [hit.pid for hit in self.hits if hit.pid]
        pids = list(dict.fromkeys(known))
        order = [pids.index(pid) for pid in known]
        return order == sorted(order)


def owner(port: int, pids: list[int]) -> int:
    """Which of ``pids`` has the client's end of a connection from ``port`` of loopback."""
    wanted = f":{port:04X}"
    for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
        fields = line.split()
        if not fields[1].endswith(wanted) or fields[9] == "0":
            continue
        link = f"socket:[{fields[9]}]"
        for pid in pids:
            try:
                descriptors = list(Path(f"/proc/{pid}/fd").iterdir())
            except OSError:
                continue
            if any(_link(each) == link for each in descriptors):
                return pid
    return 0


def _link(descriptor: Path) -> str:
    try:
        return str(descriptor.readlink())
    except OSError:
        return ""


@attrs.define(kw_only=True)
class Node:
    """One KubeKuma."""

    process: trio.Process
    proxy: Proxy
    said: list[Mapping[str, Any]] = attrs.field(factory=list)
    news: trio.Event = attrs.field(factory=trio.Event)
    status: int | None = None

    @property
    def pid(self) -> int:
        """Its number."""
        return self.process.pid

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    async def says(self, event: str, *, seconds: float = 20.0) -> Mapping[str, Any]:
        """Wait until it has logged ``event``, and return that line."""
        line: Mapping[str, Any] = await self.until(
            lambda: next((line for line in self.said if line["event"] == event), None),
            f"it never said {event!r}",
            seconds=seconds,
        )
        return line

    async def ends(self, *, seconds: float = 20.0) -> int:
        """Wait until it has ended, and return its exit status."""
        status: int = await self.until(lambda: self.status, "it never ended", seconds=seconds)
        return status

    async def until(self, look: Callable[[], Any], complaint: str, *, seconds: float) -> Any:
        """Wait for what it says next until ``look`` finds something."""
        with trio.move_on_after(seconds):
            while (found := look()) is None:
                await self.news.wait()
            return found
        raise AssertionError(f"{complaint}; it said {self.said}")

    @property
    def url(self) -> str:
        """Where it serves."""
        return str(next(line["url"] for line in self.said if line["event"] == "serving"))

    async def get(self, path: str) -> httpx.Response:
        """What it answers."""
        async with httpx.AsyncClient(base_url=self.url, trust_env=False) as http:
            return await http.get(path)

    async def _listen(self) -> None:
        assert self.process.stdout is not None
        rest = b""
        try:
            async with self.process.stdout:
                async for chunk in self.process.stdout:
                    *lines, rest = (rest + chunk).split(b"\n")
                    self.said += [json.loads(line) for line in lines if line.startswith(b"{")]
                    self._wake()
            self.status = await self.process.wait()
            self._wake()
        finally:
            self.process.kill()
            with trio.CancelScope(shield=True):
                await self.process.wait()

    def _wake(self) -> None:
        self.news.set()
        self.news = trio.Event()


@attrs.define(kw_only=True)
class Fleet:
    """All of it."""

    folder: Path
    api: trio.Process
    http: httpx.AsyncClient
    target: Target
    kubeconfig: Mapping[str, Any]
    nursery: trio.Nursery
    nodes: list[Node] = attrs.field(factory=list)

    async def get(self, path: str) -> Any:
        """What the API server has."""
        return (await self.http.get(path)).json()

    async def lease(self) -> Any:
        """The Lease, as the API server has it."""
        return await self.get(LEASE)

    async def holder(self) -> str:
        """Who holds the Lease."""
        return str((await self.lease()).get("spec", {}).get("holderIdentity", ""))

    async def edit_lease(self, **spec: Any) -> None:
        """What kubectl patch does."""
        answer = await self.http.patch(
            LEASE,
            content=json.dumps({"spec": spec}),
            headers={"Content-Type": "application/merge-patch+json"},
        )
        assert answer.status_code == 200, answer.text

    async def start(self, data: str, *, pod: str = "", wait: bool = True, **environ: str) -> Node:
        """One more KubeKuma, with the database in the folder ``data``."""
        port = int(str(self.kubeconfig["clusters"][0]["cluster"]["server"]).rpartition(":")[2])
        proxy: Proxy = await self.nursery.start(Proxy(port).listen)
        config = json.loads(json.dumps(self.kubeconfig))
        config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{proxy.listens_on}"
        file = self.folder / f"kubeconfig-{len(self.nodes)}"
        file.write_text(yaml.safe_dump(config))
        process = await trio.lowlevel.open_process(
            [sys.executable, "-m", "kubekuma", "run", "--listen", "127.0.0.1:0"],
            stdout=subprocess.PIPE,
            env={
                **os.environ,
                **self.environ(data),
                "KUBECONFIG": str(file),
                "POD_NAME": pod or f"pod-{len(self.nodes)}",
                **environ,
            },
        )
        node = Node(process=process, proxy=proxy)
        self.target.pids.append(node.pid)
        self.nodes.append(node)
        self.nursery.start_soon(node._listen)  # noqa: SLF001 - one of our own
        if wait:
            await node.says("serving")
        return node

    def environ(self, data: str) -> Mapping[str, str]:
        """What a KubeKuma with the database in the folder ``data`` is told."""
        return {
            **SCALED,
            "KUBECONFIG": str(self.folder / "api" / "kubeconfig"),
            "KUBEKUMA_DATA": str(self.folder / data),
            "KUBE_NAMESPACE": "shop",
        }

    async def works(self, node: Node, *, hits: int = 3, seconds: float = 20.0) -> float:
        """Wait until ``node`` has asked the target so often from now on; return when first."""
        began = boottime()
        with trio.move_on_after(seconds):
            while len(found := self.target.hits_of(node.pid, began)) < hits:
                await self.target.asked.wait()
            return found[0]
        raise AssertionError(f"it does not work; it said {node.said}")


@asynccontextmanager
async def fleet(folder: Path, *, monitors: int = 5, **settings: Any) -> AsyncIterator[Fleet]:
    """An API server with ``monitors`` of one target, each checked once a second."""
    async with trio.open_nursery() as nursery:
        try:
            async with _fleet(folder, monitors, settings, nursery) as it:
                yield it
        finally:
            # Not before all else has ended: what is cancelled there would hide what a test says.
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def _fleet(
    folder: Path, monitors: int, settings: Mapping[str, Any], nursery: trio.Nursery
) -> AsyncIterator[Fleet]:
    async with python(_API, str(folder / "api")) as api:
        target: Target = await nursery.start(Target().listen)
        kubeconfig = yaml.safe_load((folder / "api" / "kubeconfig").read_text())
        async with _client(kubeconfig) as http:
            it = Fleet(
                folder=folder,
                api=api,
                http=http,
                target=target,
                kubeconfig=kubeconfig,
                nursery=nursery,
            )
            await _apply(http, f"{GROUP}/kubekumasettings/kubekuma", _settings(settings))
            for number in range(monitors):
                body = _monitor(f"web-{number}", target.port)
                await _apply(http, f"{GROUP}/namespaces/shop/monitors/web-{number}", body)
            try:
                yield it
            finally:
                os.kill(api.pid, signal.SIGCONT)


def _client(kubeconfig: Mapping[str, Any]) -> httpx.AsyncClient:
    cluster, user = kubeconfig["clusters"][0]["cluster"], kubeconfig["users"][0]["user"]
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    return httpx.AsyncClient(
        base_url=cluster["server"],
        headers={"Authorization": f"Bearer {user['token']}"},
        verify=ssl.create_default_context(cadata=authority),
        trust_env=False,
    )


async def _apply(http: httpx.AsyncClient, path: str, body: Mapping[str, Any]) -> None:
    answer = await http.patch(
        path,
        params={"fieldManager": "tester", "force": "true"},
        content=json.dumps(body).encode(),
        headers={"Content-Type": "application/apply-patch+yaml"},
    )
    assert answer.status_code in {200, 201}, answer.text


def _settings(more: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**SETTINGS, "spec": {**SETTINGS["spec"], **more}}


def _monitor(name: str, port: int) -> Mapping[str, Any]:
    return {
        "apiVersion": "monitoring.kubekuma.io/v1",
        "kind": "Monitor",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {
            "type": "http",
            "target": {"http": {"url": f"http://127.0.0.1:{port}/"}},
            "schedule": {"intervalSeconds": 1},
        },
    }
