"""What a watch says is read in any form, and a list in it as well (I8, I10, I21)."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest
import trio
from build import document
from fakes.api_server import Cut, FakeApi
from support.followed import following
from trio.testing import MockClock, wait_all_tasks_blocked

from kubekuma.kit.workqueue import WorkQueue
from kubekuma.kube.errors import KubeError, Refused, Unreachable
from kubekuma.model.meta import Key
from kubekuma.validate.load import load_monitor
from kubekuma.watch.cache import Cache
from kubekuma.watch.reflector import SILENCE_SECONDS, run_reflector
from kubekuma.watch.stream import MOST_LINE_BYTES
from kubekuma.watch.sync import Sync

A, B, C = (Key("ns", name) for name in "abc")


@pytest.fixture
def api() -> FakeApi:
    api = FakeApi()
    api.create(A, size=1)
    api.create(B, size=1)
    return api


def event(name: str, version: int, **more: Any) -> bytes:
    document = {"metadata": {"name": name, "resourceVersion": str(version), **more}}
    return json.dumps({"type": "ADDED", "object": document}, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("chunks", "names"),
    [
        pytest.param(
            [event("x", 2000), b"\n", b"\n\r\n", event("y", 2001) + b"\n"], "xy", id="split"
        ),
        pytest.param([event("x", 2000)[:9], event("x", 2000)[9:] + b"\n"], "x", id="in the middle"),
        pytest.param(
            [event("x", 2000, annotations={"a": "next\u0085line\u2028\u2029"}) + b"\n"],
            "x",
            id="other line ends",
        ),
        pytest.param(
            [event("x", 2000, annotations={"a": "?"}).replace(b"?", b"\xff\xfe") + b"\n"],
            "x",
            id="no UTF-8",
        ),
        pytest.param(
            [event("x", 2000, annotations={"a": "v" * 3 * 2**20}) + b"\n"], "x", id="3 MiB"
        ),
        pytest.param(
            [
                b'{"type": "ODD", "object": {"metadata": {"name": "o"}}}\n',
                b'{"type": "ADDED", "object": {"metadata": {"name": 7}}}\n',
                b'{"type": "ADDED", "object": {"metadata": []}}\n',
                b'{"type": "ADDED", "object": null}\n{"type": null}\n[1]\n"x"\n17\nnull\n',
                b'{"type": "BOOKMARK", "object": {"metadata": null}}\n',
                event("x", 2000) + b"\n",
            ],
            "x",
            id="of no use",
        ),
    ],
)
async def test_lines_come_in_any_chunks_and_with_anything_in_them(
    api: FakeApi, autojump_clock: MockClock, chunks: list[bytes], names: str
) -> None:
    async with following(Chunked(api, [*chunks])) as it:
        await trio.sleep(0.1)
        assert [name for _, name in it.copy.told[2:]] == list(names)
        assert it.sync.error == ""
        assert autojump_clock.current_time() == 0.1


class Chunked(FakeApi):
    """A server whose first watch consists of these chunks."""

    def __init__(self, api: FakeApi, chunks: list[bytes]) -> None:
        super().__init__()
        self.__dict__.update(api.__dict__)
        self.chunks = chunks

    @asynccontextmanager
    async def watch(self, parameters: Any, *, silence_seconds: float) -> AsyncIterator[Any]:
        if not self.chunks or "sendInitialEvents" in parameters:
            async with super().watch(parameters, silence_seconds=silence_seconds) as stream:
                yield stream
            return
        chunks, self.chunks = self.chunks, []
        async with aclosing(one_by_one(chunks)) as stream:
            yield stream


async def one_by_one(chunks: list[bytes]) -> AsyncGenerator[bytes, None]:
    for chunk in chunks:
        await trio.lowlevel.checkpoint()
        yield chunk
    await trio.sleep(1000)


async def test_a_line_without_end_is_not_collected_for_ever(
    api: FakeApi, autojump_clock: MockClock
) -> None:
    endless = [b"x" * 2**20] * (MOST_LINE_BYTES // 2**20 + 1)
    async with following(Chunked(api, endless)) as it:
        assert "more than" in it.sync.error
        await trio.sleep(2)
        assert it.same()
        assert it.sync.error == ""
        assert autojump_clock.current_time() == 2


class Streaming(FakeApi):
    """A server that tells in a watch what there is."""

    def __init__(self) -> None:
        super().__init__()
        self.streams = True
        self.create(A, size=1)
        self.create(B, size=1)


async def test_a_server_that_streams_is_asked_for_no_pages(autojump_clock: MockClock) -> None:
    """I21: what there is comes in no order, and then what happens, in one watch."""
    api = Streaming()
    async with following(api) as it:
        assert it.copy.complete == 1
        assert it.same()
        api.create(C, size=1)
        api.delete(A)
        await trio.sleep(200)
        assert it.same()
        assert it.copy.told == [("put", "b"), ("put", "a"), ("put", "c"), ("remove", "a")]
        await trio.sleep(400)
        assert api.count("list") == 0
        first, second, *_ = api.asked
        assert first.parameters["resourceVersion"] == ""
        assert first.parameters["resourceVersionMatch"] == "NotOlderThan"
        assert second.parameters["resourceVersion"] == str(api.version)
        assert "sendInitialEvents" not in second.parameters
        assert (it.sync.lists, it.sync.errors) == (1, 0)
        assert autojump_clock.current_time() == 600


async def test_what_is_gone_meanwhile_is_missed_at_the_next_stream(
    autojump_clock: MockClock,
) -> None:
    api = Streaming()
    api.watch_faults.append(Cut("silence", events=3))
    async with following(api) as it:
        assert it.same()
        api.delete(A)
        api.compact()
        await trio.sleep(SILENCE_SECONDS + 5)
        assert it.same()
        assert ("remove", "a") in it.copy.told
        assert (it.sync.lists, api.count("list")) == (2, 0)
        assert autojump_clock.current_time() == SILENCE_SECONDS + 5


@pytest.mark.parametrize(
    ("fault", "seconds"),
    [
        pytest.param(Refused(422, "Invalid", "unknown"), 0, id="refused"),
        pytest.param(Cut(500, events=1), 0, id="an error in the stream"),
        pytest.param(Cut("end", events=1), 0, id="no end of it"),
        pytest.param(Cut("reset", events=1), 0, id="a reset"),
        pytest.param(Cut("silence", events=1), 11, id="silence"),
        pytest.param(None, 11, id="an end that is not marked"),
    ],
)
async def test_what_there_is_comes_in_pages_if_it_does_not_come_as_a_stream(
    autojump_clock: MockClock, fault: KubeError | Cut | None, seconds: float
) -> None:
    """I21: and is not asked for as a stream again; nothing is deleted by half of it."""
    api = Streaming()
    api.watch_faults.append(fault)
    api.marks_initial = fault is not None
    async with following(api) as it:
        await trio.sleep(seconds)
        await wait_all_tasks_blocked()
        assert it.same()
        assert (it.copy.complete, api.count("list")) == (1, 1)
        assert (it.sync.error, it.sync.errors) == ("", 0)
        api.compact()
        await trio.sleep(2400)
        assert api.count("list") == 2
        assert len([each for each in api.asked if "sendInitialEvents" in each.parameters]) == 1
        assert it.same()
        assert autojump_clock.current_time() == 2400 + seconds


@pytest.mark.parametrize(
    "fault", [Unreachable("refused"), Refused(403, "Forbidden", "no"), Refused(429, "Busy", "no")]
)
async def test_who_is_not_let_in_asks_for_a_stream_again(
    autojump_clock: MockClock, fault: KubeError
) -> None:
    api = Streaming()
    api.watch_faults.append(fault)
    async with following(api) as it:
        assert it.sync.error == str(fault)
        await trio.sleep(5)
        assert it.same()
        assert (api.count("list"), it.sync.error) == (0, "")
        assert autojump_clock.current_time() == 5


async def test_a_consumer_that_is_slow_holds_up_the_stream_and_hoards_nothing(
    autojump_clock: MockClock,
) -> None:
    """I10: what happened to an object a thousand times is one thing to look at."""
    queue: WorkQueue[Key] = WorkQueue()
    cache = Cache(load_monitor, queue.add, lambda *_: None)
    chunks = []
    for number in range(10_000):
        monitor = document(f"m{number % 10}", "ns", generation=number + 1)
        monitor["metadata"]["resourceVersion"] = str(number + 2)
        chunks.append(json.dumps({"type": "MODIFIED", "object": monitor}).encode() + b"\n")
    sync = Sync(kind="Monitor")
    with trio.move_on_after(1):
        await run_reflector(Chunked(FakeApi(version=1), chunks), cache, sync)
    assert sync.events == 10_000
    assert len(queue) == len(cache) == 10
    assert autojump_clock.current_time() == 1
