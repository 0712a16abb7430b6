"""The watch: what there is, then what happens, bookmarks, selections, and an end."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from support.embedded import NOW, Verbs, eventually, running_api, verbs, widget

from kubekuma.standalone.api import Api
from kubekuma.standalone.feed import Key
from kubekuma.standalone.listing import Selection, selector
from kubekuma.standalone.views import INITIAL_EVENTS_END, Plain, Tabular, View
from kubekuma.standalone.watch import BOOKMARK_SECONDS, Watch, tell_changes


class Watcher:
    """What a client is told."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.has_ended = False

    async def send(self, lines: bytes) -> None:
        await trio.lowlevel.checkpoint()
        self.events += [json.loads(line) for line in lines.splitlines()]

    async def until(self, count: int) -> list[dict[str, Any]]:
        await eventually(lambda: len(self.events) >= count)
        return self.events

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(each["type"], each["object"]["metadata"].get("name", "")) for each in self.events]


@asynccontextmanager
async def watching(
    api: Api, *, view: View | None = None, labels: str = "", **options: Any
) -> AsyncIterator[Watcher]:
    resource = verbs(api).resource
    wanted = selector(resource, Selection(labels=labels))
    watch = Watch(wanted=wanted, **{"since": None, "namespace": "default", **options})
    watcher = Watcher()

    async def run() -> None:
        view_or_plain = view or Plain(objects=api.objects, resource=resource)
        await tell_changes(api.store, resource, watch, view_or_plain, watcher.send)
        watcher.has_ended = True

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        await trio.testing.wait_all_tasks_blocked()
        yield watcher
        nursery.cancel_scope.cancel()


def labelled(name: str, team: str) -> dict[str, Any]:
    value = widget(name)
    value["metadata"]["labels"] = {"team": team}
    return value


@pytest.fixture
async def widgets(tmp_path: Path) -> AsyncIterator[Verbs]:
    async with running_api(tmp_path) as api:
        yield verbs(api)


async def test_tells_what_there_is_then_what_happens(widgets: Verbs) -> None:
    await widgets.apply(widget("a"))
    async with watching(widgets.api) as watcher:
        await watcher.until(1)
        await widgets.apply(widget("a", size=2))
        await widgets.create(widget("b"))
        await widgets.delete("a")
        await watcher.until(4)
        assert watcher.told == [("ADDED", "a"), ("MODIFIED", "a"), ("ADDED", "b"), ("DELETED", "a")]
        # A deletion has a revision of its own.
        revisions = [int(e["object"]["metadata"]["resourceVersion"]) for e in watcher.events]
        assert revisions == sorted(set(revisions))


async def test_goes_on_where_the_client_was(widgets: Verbs) -> None:
    since = int((await widgets.create(widget("a")))["metadata"]["resourceVersion"])
    await widgets.create(widget("b"))
    async with watching(widgets.api, since=since) as watcher:
        await widgets.create(widget("c"))
        await watcher.until(2)
        assert watcher.told == [("ADDED", "b"), ("ADDED", "c")]


async def test_no_op_writes_are_no_events(widgets: Verbs) -> None:
    since = int((await widgets.apply(widget("a")))["metadata"]["resourceVersion"])
    async with watching(widgets.api, since=since) as watcher:
        await widgets.apply(widget("a"))
        await widgets.create(widget("b"))
        await watcher.until(1)
        assert watcher.told == [("ADDED", "b")]


async def test_objects_come_and_go_as_they_are_selected(widgets: Verbs) -> None:
    await widgets.apply(labelled("a", "x"))
    async with watching(widgets.api, labels="team=x") as watcher:
        await watcher.until(1)
        gone = await widgets.apply(labelled("a", "y"))
        await widgets.apply(labelled("a", "y") | {"spec": {"size": 3}})
        await widgets.apply(labelled("a", "x"))
        await widgets.create(labelled("b", "y"))
        await widgets.delete("a")
        await watcher.until(4)
        kinds = [kind for kind, _ in watcher.told]
        assert kinds == ["ADDED", "DELETED", "ADDED", "DELETED"]
        left = watcher.events[1]["object"]["metadata"]
        # As it was when it was last selected, at the revision at which it left.
        assert left["labels"] == {"team": "x"}
        assert left["resourceVersion"] == gone["metadata"]["resourceVersion"]


async def test_other_namespaces_are_not_told_of(widgets: Verbs) -> None:
    async with watching(widgets.api, namespace="kube-system") as watcher:
        await widgets.create(widget("a"))
        await trio.testing.wait_all_tasks_blocked()
        assert watcher.events == []


async def test_ends_with_the_definition_and_is_told_of_its_objects_first(widgets: Verbs) -> None:
    await widgets.create(widget("a"))
    crds = verbs(widgets.api, "apiextensions.k8s.io/v1", "CustomResourceDefinition")
    async with watching(widgets.api) as watcher:
        await watcher.until(1)
        await widgets.api.delete(crds.resource, Key("", widgets.resource.storage))
        await eventually(lambda: watcher.has_ended)
        assert watcher.told == [("ADDED", "a"), ("DELETED", "a")]


async def test_a_forgotten_revision_is_an_error_event(tmp_path: Path) -> None:
    async with running_api(tmp_path, window=2) as api:
        widgets = verbs(api)
        since = int((await widgets.create(widget("a")))["metadata"]["resourceVersion"])
        for name in "bcd":
            await widgets.create(widget(name))
        async with watching(api, since=since) as watcher:
            (event,) = await watcher.until(1)
            assert event["type"] == "ERROR"
            assert event["object"]["code"] == 410
            assert event["object"]["reason"] == "Expired"
            assert watcher.has_ended


async def test_a_revision_of_the_future_is_an_error_event(widgets: Verbs) -> None:
    async with watching(widgets.api, since=10**6) as watcher:
        (event,) = await watcher.until(1)
        assert event["object"]["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"


async def test_a_bookmark_says_where_the_beginning_ends(widgets: Verbs) -> None:
    await widgets.create(widget("a"))
    async with watching(widgets.api, marks_initial=True, bookmarks=True) as watcher:
        added, mark = await watcher.until(2)
        assert added["type"] == "ADDED"
        assert mark["type"] == "BOOKMARK"
        assert mark["object"]["metadata"]["annotations"] == {INITIAL_EVENTS_END: "true"}
        assert mark["object"]["kind"] == "Widget"


async def test_ends_when_the_feeds_are_closed(widgets: Verbs) -> None:
    async with watching(widgets.api) as watcher:
        widgets.api.store.close_feeds()
        await eventually(lambda: watcher.has_ended)


async def test_rows_of_a_table_have_their_head_once(widgets: Verbs) -> None:
    view = Tabular(objects=widgets.api.objects, resource=widgets.resource, now=lambda: NOW)
    async with watching(widgets.api, view=view) as watcher:
        await widgets.create(widget("a"))
        await widgets.create(widget("b"))
        first, second = await watcher.until(2)
        assert first["object"]["kind"] == "Table"
        assert len(first["object"]["columnDefinitions"]) == 5
        assert second["object"]["columnDefinitions"] == []
        assert second["object"]["rows"][0]["cells"] == ["b", 1, None, "red", "0s"]


async def test_bookmarks_come_regularly_and_before_the_end(
    tmp_path: Path, mock_clock: trio.testing.MockClock
) -> None:
    async with running_api(tmp_path) as api:
        widgets = verbs(api)
        at = int((await widgets.create(widget("a")))["metadata"]["resourceVersion"])
        options: dict[str, Any] = {
            "since": at,
            "bookmarks": True,
            "timeout_seconds": 2.5 * BOOKMARK_SECONDS,
        }
        async with watching(api, **options) as watcher:
            for seconds, count in ((0.5, 0), (0.5, 1), (1, 2), (0.5, 3)):
                mock_clock.jump(seconds * BOOKMARK_SECONDS)
                await trio.testing.wait_all_tasks_blocked()
                assert len(watcher.events) == count
            assert {each["type"] for each in watcher.events} == {"BOOKMARK"}
            marks = {each["object"]["metadata"]["resourceVersion"] for each in watcher.events}
            assert marks == {str(at)}
            assert watcher.has_ended


async def test_without_bookmarks_only_the_end_comes(
    tmp_path: Path, mock_clock: trio.testing.MockClock
) -> None:
    async with running_api(tmp_path) as api, watching(api, timeout_seconds=600) as watcher:
        mock_clock.jump(599)
        await trio.testing.wait_all_tasks_blocked()
        assert not watcher.has_ended
        mock_clock.jump(1)
        await trio.testing.wait_all_tasks_blocked()
        assert watcher.has_ended
        assert watcher.events == []
