"""Requests about a Lease on the wire, and what their answers mean."""

from pathlib import Path
from typing import Any

import pytest
import trio
from build import at
from fakes.kube_http import Asked, KubeHttp, reply
from fakes.lease_store import KEY
from fakes.targets import reset, stall

from kubekuma.kube.credentials import load_credentials
from kubekuma.kube.lease import Conflict, Failed, Found, Missing, Timing, new_document
from kubekuma.kube.lease_api import KubeLease

PATH = "/apis/coordination.k8s.io/v1/namespaces/shop/leases"
DOCUMENT = new_document(KEY, "a_1", Timing(), at(0))
THERE = {**DOCUMENT, "metadata": {"name": "kubekuma", "uid": "u1", "resourceVersion": "7"}}


async def lease(server: KubeHttp, folder: Path, **user: str) -> KubeLease:
    return KubeLease(await load_credentials(server.kubeconfig(folder, **user)), KEY, Timing())


async def start(nursery: trio.Nursery, *steps: Any) -> KubeHttp:
    server: KubeHttp = await nursery.start(KubeHttp(lambda _: steps).listen)
    return server


async def test_it_is_read_created_and_replaced_where_it_lives(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    server = await start(nursery, *reply(THERE))
    it = await lease(server, tmp_path)
    for answer in (
        await it.get(5),
        await it.create(DOCUMENT, 5),
        await it.replace(THERE, 5),
    ):
        assert isinstance(answer, Found)
        assert (answer.lease.holder, answer.lease.version) == ("a_1", "7")
    await it.aclose()
    assert [(each.method, each.path) for each in server.asked] == [
        ("GET", f"{PATH}/kubekuma"),
        ("POST", PATH),
        ("PUT", f"{PATH}/kubekuma"),
    ]


@pytest.mark.parametrize(
    ("status", "got", "created", "replaced"),
    [
        ("404 Not Found", Missing(), "no namespace shop", Missing()),
        ("409 Conflict", Conflict(), Conflict(), Conflict()),
        ("403 Forbidden", "403", "403", "403"),
        ("422 Unprocessable Entity", "422", "422", "422"),
        ("503 Service Unavailable", "503", "503", "503"),
    ],
)
async def test_refusals_are_told_apart(
    nursery: trio.Nursery, tmp_path: Path, status: str, got: Any, created: Any, replaced: Any
) -> None:
    server = await start(nursery, *reply({"message": "no"}, status))
    it = await lease(server, tmp_path)
    answers = [await it.get(5), await it.create(DOCUMENT, 5), await it.replace(THERE, 5)]
    await it.aclose()
    for answer, expected in zip(answers, (got, created, replaced), strict=True):
        if isinstance(expected, str):
            assert isinstance(answer, Failed)
            assert expected in answer.error
            # What a server could not do, it may have done halfway.
            assert answer.is_certain == (not status.startswith("5"))
        else:
            assert answer == expected


async def test_how_long_to_wait_is_passed_on(nursery: trio.Nursery, tmp_path: Path) -> None:
    server = await start(nursery, *reply({}, "429 Too Many Requests", "Retry-After: 60"))
    it = await lease(server, tmp_path)
    answer = await it.replace(THERE, 5)
    await it.aclose()
    assert isinstance(answer, Failed)
    assert answer.retry_after_seconds == 60


async def test_l6_a_token_that_was_refused_is_read_again(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    def answer(asked: Asked) -> Any:
        if asked.headers.get("authorization") != "Bearer new":
            return reply({}, "401 Unauthorized")
        return reply(THERE)

    server: KubeHttp = await nursery.start(KubeHttp(answer).listen)
    it = await lease(server, tmp_path, token="old")
    assert isinstance(await it.get(5), Failed)
    server.kubeconfig(tmp_path, token="new")
    assert isinstance(await it.replace(THERE, 5), Found)
    await it.aclose()


async def trickle(stream: trio.abc.Stream) -> None:
    await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while True:
        await stream.send_all(b" ")
        await trio.sleep(1)


@pytest.mark.parametrize("step", [stall, trickle])
async def test_no_answer_in_time_is_none_and_the_next_request_has_another_connection(
    nursery: trio.Nursery, tmp_path: Path, step: Any
) -> None:
    steps: list[Any] = [step]
    server = await nursery.start(KubeHttp(lambda _: steps).listen)
    it = await lease(server, tmp_path)
    began = trio.current_time()
    answer = await it.get(0.3)
    assert isinstance(answer, Failed)
    assert "no answer" in answer.error or "Timeout" in answer.error
    assert not answer.is_certain
    assert trio.current_time() - began < 2
    steps[:] = reply(THERE)
    assert isinstance(await it.get(5), Found)
    await it.aclose()


@pytest.mark.parametrize("step", [reset, b"", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n<a>"])
async def test_what_is_no_answer_may_have_done_something(
    nursery: trio.Nursery, tmp_path: Path, step: Any
) -> None:
    server = await start(nursery, step)
    it = await lease(server, tmp_path)
    answer = await it.replace(THERE, 5)
    await it.aclose()
    assert isinstance(answer, Failed)
    assert not answer.is_certain
