"""The embedded API is killed while it writes: what it has answered is there again."""

import gc
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import trio
from support.embedded import client_of, embedded_server, eventually, widget

from kubekuma.standalone.server import Endpoint

PATH = "/apis/example.org/v1/namespaces/default/widgets"
SERVER = """
import sys
from functools import partial
from pathlib import Path
import trio
from kubekuma.standalone.server import serve_embedded_api
from support.embedded import WIDGETS

async def main():
    serve = partial(serve_embedded_api, Path(sys.argv[1]), [WIDGETS], stop=trio.Event())
    async with trio.open_nursery() as nursery:
        endpoint = await nursery.start(serve)
        print(endpoint.url, flush=True)

trio.run(main)
"""


@asynccontextmanager
async def server_process(data: Path) -> AsyncIterator[tuple[trio.Process, Endpoint]]:
    """A server that can be killed."""
    root = Path(__file__).parents[2]
    process = await trio.lowlevel.open_process(
        [sys.executable, "-c", SERVER, str(data)],
        stdout=-1,
        env={"PYTHONPATH": f"{root}:{root / 'tests'}", "PATH": "/usr/bin:/bin"},
    )
    assert process.stdout is not None
    try:
        with trio.fail_after(30):
            url = (await process.stdout.receive_some()).decode().strip()
        assert url, "the server did not start"
        yield process, endpoint_of(data, url)
    finally:
        with trio.CancelScope(shield=True):
            process.kill()
            await process.wait()
            await process.stdout.aclose()


def endpoint_of(data: Path, url: str) -> Endpoint:
    return Endpoint(
        url=url,
        token=(data / "token").read_text().strip(),
        ca_pem=(data / "ca.pem").read_bytes().split(b"-----END PRIVATE KEY-----\n")[1],
        kubeconfig=data / "kubeconfig",
    )


async def write_until_killed(client: httpx.AsyncClient, who: str, told: dict[str, int]) -> None:
    """Create and delete, and keep what was answered: 0 stands for a deletion."""
    try:
        for number in range(10_000):
            name = f"{who}{number}"
            made = await client.post(PATH, json=widget(name))
            assert made.status_code == 201
            told[name] = int(made.json()["metadata"]["resourceVersion"])
            if number % 3 == 0:
                # Until the answer, it may be there or not.
                del told[name]
                gone = await client.delete(f"{PATH}/{name}")
                assert gone.status_code == 200
                told[name] = 0
    except httpx.HTTPError:
        return


# Requests that the kill cuts off leave their bodies half read, which trio says of httpx.
@pytest.mark.filterwarnings("ignore:Async generator 'httpx:ResourceWarning")
async def test_what_was_answered_survives_a_kill(tmp_path: Path) -> None:
    told: dict[str, int] = {}
    for attempt in range(3):
        wanted = len(told) + 40
        async with (
            server_process(tmp_path) as (process, endpoint),
            client_of(endpoint) as client,
            trio.open_nursery() as nursery,
        ):
            for who in "abcd":
                nursery.start_soon(write_until_killed, client, f"{who}{attempt}-", told)
            await eventually(lambda: len(told) >= wanted, seconds=30)  # noqa: B023 (same round)
            process.send_signal(signal.SIGKILL)
    async with embedded_server(tmp_path) as endpoint, client_of(endpoint) as client:
        found = (await client.get(PATH)).json()
        revisions = {
            each["metadata"]["name"]: int(each["metadata"]["resourceVersion"])
            for each in found["items"]
        }
        for name, revision in told.items():
            assert revisions.get(name, 0) == revision, name
        newest = int(found["metadata"]["resourceVersion"])
        assert newest >= max(told.values())
        after = (await client.post(PATH, json=widget("after"))).json()
        assert int(after["metadata"]["resourceVersion"]) > newest
    gc.collect()  # what they left is found here, and not in the middle of another test
