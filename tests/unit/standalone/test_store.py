"""The store: durable before it is answered, consistent for who decides, one process at a time."""

import sqlite3
import stat
import threading
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from support.embedded import eventually

from kubekuma.standalone.database import Database, Statement, open_database
from kubekuma.standalone.errors import ApiError
from kubekuma.standalone.feed import Change, Key
from kubekuma.standalone.store import OBJECT_LIMIT, Store, StoreError

A, B, C = Key("one", "a"), Key("one", "b"), Key("two", "a")


def thing(key: Key, size: int = 1) -> dict[str, Any]:
    metadata = {"name": key.name, "namespace": key.namespace, "labels": {"size": str(size)}}
    return {"apiVersion": "v1", "kind": "Thing", "metadata": metadata, "size": size}


def modes(folder: Path) -> set[int]:
    return {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


@asynccontextmanager
async def opened(path: Path, **options: Any) -> AsyncIterator[Store]:
    store = Store(open_database(path / "api.db"), **options)
    async with trio.open_nursery() as nursery:
        await nursery.start(store.run)
        try:
            yield store
        finally:
            nursery.cancel_scope.cancel()


async def test_every_write_has_a_revision_of_its_own(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        first = await store.put("things", A, thing(A))
        second = await store.put("things", B, thing(B))
        gone = await store.delete("things", A, thing(A))
        assert first.revision < second.revision < gone.revision == store.revisions.committed
        assert second.value["metadata"]["resourceVersion"] == str(second.revision)
        assert second.labels == {"size": "1"}


async def test_lists_in_order_of_keys_and_by_namespace(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        for key in (C, B, A):
            await store.put("things", key, thing(key))
        assert [each.key for each in store.select("things")] == [A, B, C]
        assert [each.key for each in store.select("things", "one")] == [A, B]
        assert [each.key for each in store.select("things", "one", after=A)] == [B]
        assert store.select("things", "on") == []
        assert store.select("others") == []


async def test_shows_what_there_was_at_a_revision(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.put("things", A, thing(A, 1))
        at = (await store.put("things", B, thing(B, 1))).revision
        await store.put("things", A, thing(A, 2))
        await store.put("things", A, thing(A, 3))
        await store.delete("things", B, thing(B))
        await store.put("things", C, thing(C))
        then = store.select_at(at, "things")
        assert [(each.key, each.value["size"]) for each in then] == [(A, 1), (B, 1)]
        assert [each.key for each in store.select_at(at, "things", "one", after=A)] == [B]
        assert [each.key for each in store.select("things")] == [A, C]


async def test_what_is_under_way_is_seen_by_who_decides_and_by_nobody_else(tmp_path: Path) -> None:
    async with opened(tmp_path) as store, trio.open_nursery() as nursery:
        nursery.start_soon(store.put, "things", A, thing(A))
        await trio.testing.wait_all_tasks_blocked()
        # The commit waits for its thread.
        latest = store.latest("things", A)
        assert latest is not None
        assert not store.is_empty("things")
        assert store.is_empty("things", "two")
        nursery.start_soon(store.delete, "things", A, thing(A))
        await trio.lowlevel.checkpoint()
        while store.latest("things", A) is not None:
            await trio.lowlevel.checkpoint()
        assert store.is_empty("things") or store.get("things", A) is not None


class CountingDatabase(Database):
    """Counts its transactions."""

    transactions = 0

    def write(self, statements: Iterable[Statement]) -> None:
        self.transactions += 1
        super().write(statements)


async def test_writers_share_a_commit() -> None:
    database = CountingDatabase(sqlite3.connect(":memory:", check_same_thread=False))
    store = Store(database)
    async with trio.open_nursery() as nursery:
        await nursery.start(store.run)
        async with trio.open_nursery() as writers:
            for number in range(100):
                key = Key("one", f"n{number}")
                writers.start_soon(store.put, "things", key, thing(key))
        nursery.cancel_scope.cancel()
    assert database.transactions <= 2
    assert len(store.select("things")) == 100


class FailingDatabase(Database):
    """Waits until it may go on; then its first write fails."""

    def __init__(self) -> None:
        super().__init__(sqlite3.connect(":memory:", check_same_thread=False))
        self.is_full = True
        self.may_go_on = threading.Event()

    def write(self, statements: Iterable[Statement]) -> None:
        assert self.may_go_on.wait(5)
        is_full, self.is_full = self.is_full, False
        if is_full:
            raise sqlite3.OperationalError("database or disk is full")
        super().write(statements)


async def test_what_was_decided_on_a_write_that_failed_fails_with_it() -> None:
    database = FailingDatabase()
    store = Store(database)
    failed: list[int] = []

    async def put(size: int) -> None:
        try:
            await store.put("things", A, thing(A, size))
        except StoreError:
            failed.append(size)

    async with trio.open_nursery() as nursery:
        await nursery.start(store.run)
        async with trio.open_nursery() as writers, store_feed(store) as changes:
            writers.start_soon(put, 1)
            await trio.testing.wait_all_tasks_blocked()
            # The first is on its way to the disk: the second is decided on it.
            writers.start_soon(put, 2)
            await trio.testing.wait_all_tasks_blocked()
            latest = store.latest("things", A)
            assert latest is not None
            assert latest.value["size"] == 2
            database.may_go_on.set()
            await eventually(lambda: len(failed) == 2)
            assert store.latest("things", A) is None
            with pytest.raises(trio.WouldBlock):
                changes.receive_nowait()
            await put(3)
            assert changes.receive_nowait().type == "ADDED"
        nursery.cancel_scope.cancel()
    assert sorted(failed) == [1, 2]


@asynccontextmanager
async def store_feed(store: Store) -> AsyncIterator[trio.MemoryReceiveChannel[Change]]:
    with store.feed("things").following() as changes:
        yield changes


async def test_everything_is_there_again_after_a_restart(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.put("things", A, thing(A, 7))
        await store.put("things", B, thing(B))
        await store.delete("things", B, thing(B))
        await store.keep_setting("port", "1234")
        revision = store.revisions.committed
    async with opened(tmp_path) as store:
        assert [each.value["size"] for each in store.select("things")] == [7]
        assert store.setting("port") == "1234"
        assert store.revisions.committed == revision
        # A deletion counts too: no revision is given twice.
        assert (await store.put("things", B, thing(B))).revision == revision + 1
        # The past before the restart is not remembered, the present is.
        assert store.feed("things").compacted == revision


async def test_only_its_owner_can_read_it_and_only_one_process(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.put("secrets", A, thing(A))
        assert modes(tmp_path) == {0o600}
        other = sqlite3.connect(tmp_path / "api.db", timeout=0)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("SELECT * FROM objects")
        other.close()


async def test_an_object_that_is_too_large_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        with pytest.raises(ApiError) as refused:
            await store.put("things", A, {**thing(A), "note": "x" * OBJECT_LIMIT})
        assert refused.value.code == 413
        assert store.latest("things", A) is None
        await store.put("things", A, thing(A))


async def test_nothing_is_taken_once_it_is_closed(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        pass
    with pytest.raises(StoreError, match="closed"):
        await store.put("things", A, thing(A))


async def test_listeners_are_told_before_anybody_sees_a_change(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        told: list[tuple[str, str]] = []

        def listen(storage: str, change: Any) -> None:
            told.append((storage, change.type))

        store.subscribe(listen)
        with store.feed("things").following() as changes:
            await store.put("things", A, thing(A))
            await store.put("things", A, thing(A, 2))
            await store.delete("things", A, thing(A))
            seen = [(await changes.receive()).type for _ in range(3)]
        assert [kind for _, kind in told] == seen == ["ADDED", "MODIFIED", "DELETED"]
