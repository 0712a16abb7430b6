"""The disk is full: a write that cannot be stored has never happened, and the rest goes on."""

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio
from support.embedded import NOW, OPTIONS, WIDGETS, Verbs, eventually, verbs, widget

from kubekuma.standalone.api import Api
from kubekuma.standalone.catalog import Catalog
from kubekuma.standalone.database import Database
from kubekuma.standalone.deletion import finish_deletions
from kubekuma.standalone.documents import ManifestProblem
from kubekuma.standalone.manifests import follow_manifests
from kubekuma.standalone.server import install
from kubekuma.standalone.store import Store, StoreError

NOTE = "x" * 10_000


class Disk:
    """A database that may grow to a number of pages only, as on a small disk."""

    def __init__(self, path: Path) -> None:
        self.connection = sqlite3.connect(path, check_same_thread=False)

    def limit(self, more_pages: int) -> None:
        (pages,) = self.connection.execute("PRAGMA page_count").fetchone()
        self.connection.execute(f"PRAGMA max_page_count = {pages + more_pages}")


@asynccontextmanager
async def small_disk(folder: Path) -> AsyncIterator[tuple[Verbs, Disk]]:
    disk = Disk(folder / "api.db")
    store = Store(Database(disk.connection))
    api = Api(store, Catalog(), lambda: NOW)
    async with trio.open_nursery() as nursery:
        await nursery.start(store.run)
        await nursery.start(finish_deletions, api.objects)
        await install(api, [WIDGETS], ["default"])
        yield verbs(api), disk
        nursery.cancel_scope.cancel()


async def fill(widgets: Verbs) -> int:
    """Create widgets until the disk is full, and tell how many there are."""
    for number in range(1000):
        try:
            await widgets.create(widget(f"w{number}", note=NOTE))
        except StoreError as error:
            assert "full" in str(error)  # noqa: PT017 (this and no other failure)
            return number
    raise AssertionError("the disk never became full")


async def test_a_write_that_finds_no_room_has_not_happened(tmp_path: Path) -> None:
    async with small_disk(tmp_path) as (widgets, disk):
        store = widgets.api.store
        disk.limit(30)
        with store.feed(widgets.resource.storage).following() as changes:
            count = await fill(widgets)
            assert 0 < count < 30
            told = [changes.receive_nowait().after.key.name for _ in range(count)]
            with pytest.raises(trio.WouldBlock):
                changes.receive_nowait()
        assert sorted(told) == widgets.names() == sorted(f"w{n}" for n in range(count))
        revision = store.revisions.committed
        # Everything can be read still.
        assert widgets.get("w0")["spec"]["note"] == NOTE
        with pytest.raises(StoreError):
            await widgets.apply(widget("w0", note=NOTE * 2), force=True)
        assert widgets.get("w0")["spec"]["note"] == NOTE
        assert store.latest(widgets.resource.storage, widgets.key("w0")) is not None
        # Once there is room, it goes on, and no revision comes twice.
        disk.limit(100)
        made = await widgets.create(widget("later", note=NOTE))
        assert int(made["metadata"]["resourceVersion"]) > revision


async def test_writes_decided_on_a_failed_one_fail_with_it(tmp_path: Path) -> None:
    async with small_disk(tmp_path) as (widgets, disk):
        disk.limit(3)
        failed: list[str] = []

        async def create(name: str) -> None:
            try:
                await widgets.create(widget(name, note=NOTE))
            except StoreError:
                failed.append(name)

        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(create, f"w{number}")
        assert failed
        assert sorted({f"w{number}" for number in range(20)} - set(failed)) == widgets.names()
        assert all(
            widgets.api.store.latest(widgets.resource.storage, widgets.key(name)) is None
            for name in failed
        )


async def test_a_deletion_goes_on_when_there_is_room_again(tmp_path: Path) -> None:
    async with small_disk(tmp_path) as (widgets, disk):
        namespaces = verbs(widgets.api, "v1", "Namespace")
        await namespaces.create({"metadata": {"name": "blue"}})
        await widgets.api.create(widgets.resource, "blue", widget("a"), OPTIONS)
        refused: list[int] = []
        is_full = True

        def authorize(action: int, *_: object) -> int:
            # In the thread of the store.
            if action != sqlite3.SQLITE_DELETE or not is_full:
                return sqlite3.SQLITE_OK
            refused.append(action)
            return sqlite3.SQLITE_DENY

        disk.connection.set_authorizer(authorize)
        await namespaces.delete("blue")
        await eventually(lambda: bool(refused))
        is_full = False
        await eventually(lambda: "blue" not in namespaces.names())
        assert widgets.names() == []


async def test_manifests_are_applied_when_there_is_room_again(tmp_path: Path) -> None:
    folder = tmp_path / "manifests"
    folder.mkdir()
    items = [widget(f"w{number}", note=NOTE) for number in range(10)]
    (folder / "a.json").write_text(json.dumps({"kind": "List", "items": items}))
    async with small_disk(tmp_path) as (widgets, disk), trio.open_nursery() as nursery:
        disk.limit(2)
        problems: list[ManifestProblem] = []
        follow = partial(
            follow_manifests, folder, widgets.api, report=problems.append, poll_seconds=0.01
        )
        await nursery.start(follow)
        assert problems
        assert widgets.names() == []
        disk.limit(1000)
        await eventually(lambda: len(widgets.names()) == 10)
        (folder / "a.json").unlink()
        await eventually(lambda: widgets.names() == [])
        nursery.cancel_scope.cancel()
