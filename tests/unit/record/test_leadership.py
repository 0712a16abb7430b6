"""The row that fences off whoever wrote before, and the lock beside the file."""

import shutil
import sqlite3
from pathlib import Path

import pytest
import trio
import trio.testing
from support.history import files, open_store, rows
from support.programs import python

from kubekuma.record.database import Connection, StoreBrokenError, StoreError, StoreInUseError
from kubekuma.record.leadership import begin_reign, finish_reign, place_of, read_reign, reigns
from kubekuma.record.lock import DatabaseLock
from kubekuma.record.sqlite import SqliteDatabase
from kubekuma.record.store import Readers, Store

HOLD = """
import sys, time
from pathlib import Path
from kubekuma.record.lock import DatabaseLock
lock = DatabaseLock(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


class Deposed(Exception):  # noqa: N818 - a state of things
    """Others may write now."""


def put(db: Connection, number: int) -> None:
    db.execute("INSERT INTO monitor_state VALUES (?, 'up', '{}')", (number,))


def numbers(db: Connection) -> list[int]:
    return [number for (number,) in db.execute("SELECT series FROM monitor_state ORDER BY series")]


def test_each_reign_has_a_higher_epoch_and_the_history_keeps_its_name(db: Connection) -> None:
    assert read_reign(db) is None
    first = begin_reign(db, "a_1", 0, "here", "name-1")
    assert (first.epoch, first.holder, first.place) == (1, "a_1", "here")
    assert (first.finished, first.history) == (False, "name-1")
    finish_reign(db)
    assert read_reign(db) is not None
    assert read_reign(db).finished  # type: ignore[union-attr]
    second = begin_reign(db, "b_1", 1, "there", "name-2")
    assert (second.epoch, second.finished, second.history) == (2, False, "name-1")
    assert (reigns(db, 1), reigns(db, 2)) == (False, True)


def test_the_epoch_is_never_below_the_leases_and_goes_on_when_that_begins_anew(
    db: Connection,
) -> None:
    assert begin_reign(db, "a_1", 17, "", "name").epoch == 17
    assert begin_reign(db, "a_2", 3, "", "name").epoch == 18


def test_shards_do_not_know_each_other(db: Connection) -> None:
    begin_reign(db, "a_1", 5, "", "name")
    assert begin_reign(db, "b_1", 1, "", "name", shard=1).epoch == 1
    finish_reign(db, shard=1)
    assert not read_reign(db).finished  # type: ignore[union-attr]
    assert reigns(db, 5)


def test_a_place_is_one_file_on_one_running_machine(tmp_path: Path) -> None:
    boot, other_boot = tmp_path / "boot", tmp_path / "other"
    boot.write_text("b-1\n")
    other_boot.write_text("b-2\n")
    path, copied = tmp_path / "history.db", tmp_path / "copy.db"
    path.write_text("")
    shutil.copy2(path, copied)
    here = place_of(path, boot)
    assert here == place_of(path, boot)
    assert here.startswith("b-1/")
    assert len({here, place_of(copied, boot), place_of(path, other_boot)}) == 3
    assert place_of(tmp_path / "nowhere.db", boot) == ""
    assert place_of(path, tmp_path / "no-such-boot") == ""


async def test_the_lock_is_one_processes_until_it_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    async with python(HOLD, str(path)):
        with pytest.raises(StoreInUseError, match=r"history\.db"):
            DatabaseLock(path)
    lock = DatabaseLock(path)
    with pytest.raises(StoreInUseError):
        DatabaseLock(path)
    lock.release()
    DatabaseLock(path).release()


async def test_the_lock_that_is_held_already_becomes_the_stores(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    lock = DatabaseLock(path)
    store = await trio.to_thread.run_sync(Store, SqliteDatabase(path), lock)
    await store.write(put, 1)
    store.close()
    DatabaseLock(path).release()


async def test_l19_after_another_has_taken_the_database_every_write_fails(tmp_path: Path) -> None:
    def guard(db: Connection) -> None:
        if not reigns(db, 1):
            raise Deposed

    path = tmp_path / "history.db"
    async with open_store(path) as store:
        await store.write(begin_reign, "a_1", 0, "", "name")
        store.guard(guard)
        await store.write(put, 1)
        thief = sqlite3.connect(path, isolation_level=None)
        begin_reign(thief, "b_1", 0, "", "name")
        thief.close()
        for write in (store.write, store.write_durably):
            with pytest.raises(Deposed):
                await write(put, 2)
        assert await store.read(numbers) == [1]


async def test_l18_what_the_disk_has_kept_for_too_long_is_not_committed(tmp_path: Path) -> None:
    """The thread hangs in the middle of a transaction, and by its end others lead."""
    leads = [True]

    def guard(_: Connection) -> None:
        if not leads[0]:
            raise Deposed

    def hangs(db: Connection) -> None:
        put(db, 2)
        trio.from_thread.run(resumed.wait)

    path, resumed = tmp_path / "history.db", trio.Event()
    async with open_store(path) as store:
        store.guard(guard)
        await store.write(put, 1)
        with pytest.RaisesGroup(Deposed):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(store.write, hangs)
                await trio.testing.wait_all_tasks_blocked(0.05)
                leads[0] = False
                resumed.set()
        assert await store.read(numbers) == [1]
    assert rows(path, "SELECT series FROM monitor_state") == [(1,)]


async def test_readers_need_neither_lock_nor_writer_and_make_no_file(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    readers = Readers(SqliteDatabase(path))
    with pytest.raises(StoreError, match="unable to open"):
        await readers.read(numbers)
    assert files(tmp_path) == []
    async with open_store(path) as store:
        await store.write(put, 1)
        assert await readers.read(numbers) == [1]
        with pytest.raises(StoreError, match="readonly"):
            await readers.read(put, 2)
        await store.write(put, 3)
        assert await readers.read(numbers) == [1, 3]
    readers.close()


async def test_readers_find_the_file_that_has_taken_the_place_of_another(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    async with open_store(path) as store:
        await store.write(put, 1)
    readers = Readers(SqliteDatabase(path))
    assert await readers.read(numbers) == [1]
    path.rename(tmp_path / "old.db")
    readers.close()
    async with open_store(path) as store:
        await store.write(put, 2)
        assert await readers.read(numbers) == [2]
    readers.close()


async def test_a_file_that_is_no_database_is_told_from_one_that_is_busy(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    path.write_bytes(b"this is no database at all" * 1000)
    with pytest.raises(StoreBrokenError):
        await Readers(SqliteDatabase(path)).read(numbers)
    path.write_bytes(b"")
    with pytest.raises(StoreError, match="no such table") as caught:
        await Readers(SqliteDatabase(path)).read(numbers)
    assert not isinstance(caught.value, StoreBrokenError)
