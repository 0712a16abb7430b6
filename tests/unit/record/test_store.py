"""One process, one writer, and a file that may be in any state."""

import resource
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import trio
from structlog.testing import capture_logs
from support.history import files, locked, open_store, rows
from support.programs import python

from kubekuma.record.database import Connection, SchemaTooNewError, StoreError, StoreInUseError
from kubekuma.record.migrate import migrate, migrations
from kubekuma.record.sqlite import SqliteDatabase
from kubekuma.record.store import Store

HOLD = """
import sys, time
from pathlib import Path
from kubekuma.record.sqlite import SqliteDatabase
from kubekuma.record.store import Store
store = Store(SqliteDatabase(Path(sys.argv[1])))
print("open", flush=True)
time.sleep(60)
"""


def put(db: Connection, number: int) -> None:
    db.execute("INSERT INTO monitor_state VALUES (?, 'up', '{}')", (number,))


def numbers(db: Connection) -> list[int]:
    return [number for (number,) in db.execute("SELECT series FROM monitor_state ORDER BY series")]


async def test_what_is_written_is_read_and_survives(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    async with open_store(path) as store:
        await store.write(put, 1)
        await store.write_durably(put, 2)
        assert await store.read(numbers) == [1, 2]
    assert [each.name for each in files(tmp_path)] == ["history.db", "history.db.lock"]
    async with open_store(path) as store:
        assert await store.read(numbers) == [1, 2]


async def test_a_change_that_fails_leaves_nothing_of_itself(tmp_path: Path) -> None:
    def half(db: Connection) -> None:
        put(db, 2)
        db.execute("INSERT INTO no_such_table VALUES (1)")

    def bug(db: Connection) -> None:
        put(db, 3)
        raise KeyError("a bug")

    async with open_store(tmp_path / "history.db") as store:
        await store.write(put, 1)
        with pytest.raises(StoreError, match="no_such_table"):
            await store.write(half)
        with pytest.raises(KeyError):
            await store.write(bug)
        await store.write(put, 4)
        assert await store.read(numbers) == [1, 4]


async def test_a_reader_cannot_write_and_does_not_spoil_its_connection(tmp_path: Path) -> None:
    async with open_store(tmp_path / "history.db") as store:
        with pytest.raises(StoreError, match="readonly"):
            await store.read(put, 1)
        assert await store.read(numbers) == []


async def test_readers_do_not_wait_for_the_writer(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    async with open_store(path) as store:
        await store.write(put, 1)
        with locked(path), trio.fail_after(2):
            assert await store.read(numbers) == [1]


async def test_a_second_process_is_refused_and_the_first_is_not_disturbed(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    async with python(HOLD, str(path)):
        with pytest.raises(StoreInUseError, match=r"history\.db"):
            await trio.to_thread.run_sync(Store, SqliteDatabase(path))
    # The kernel's lock does not outlive its process, which was killed.
    async with open_store(path) as store:
        assert await store.read(numbers) == []


async def test_a_refused_start_does_not_keep_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    async with open_store(path):
        pass
    database = sqlite3.connect(path)
    with database:
        database.execute("INSERT INTO schema_version VALUES (9999)")
    with pytest.raises(SchemaTooNewError, match="9999"):
        await trio.to_thread.run_sync(Store, SqliteDatabase(path))
    with database:
        database.execute("DELETE FROM schema_version WHERE number = 9999")
    database.close()
    async with open_store(path) as store:
        assert await store.read(numbers) == []


async def test_a_newer_schema_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    database = sqlite3.connect(path)
    with database:
        database.execute("CREATE TABLE schema_version (number INTEGER PRIMARY KEY)")
        database.execute("INSERT INTO schema_version VALUES (9999)")
    database.close()
    with pytest.raises(SchemaTooNewError):
        await trio.to_thread.run_sync(Store, SqliteDatabase(path))
    assert rows(path, "SELECT name FROM sqlite_master") == [("schema_version",)]


async def test_a_file_that_is_no_database_is_moved_aside(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    path.write_bytes(b"this is no database at all" * 1000)
    with capture_logs() as logs:
        async with open_store(path) as store:
            await store.write(put, 1)
            assert await store.read(numbers) == [1]
    (aside,) = files(tmp_path, "history.db.broken-*")
    assert aside.read_bytes().startswith(b"this is no database")
    assert [each["log_level"] for each in logs] == ["error"]


async def test_a_database_with_damaged_pages_is_moved_aside(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    async with open_store(path) as store:
        for number in range(0, 3000, 500):
            await store.write(put_many, range(number, number + 500))
    damaged = bytearray(path.read_bytes())
    for page in range(3, len(damaged) // 4096):
        damaged[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    path.write_bytes(damaged)
    with capture_logs() as logs:
        async with open_store(path) as store:
            assert await store.read(numbers) == []
    assert len(files(tmp_path, "history.db.broken-*")) == 1
    assert logs[0]["log_level"] == "error"


def put_many(db: Connection, wanted: range) -> None:
    for number in wanted:
        put(db, number)


async def test_a_file_that_cannot_be_opened_is_not_moved_aside(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    path.mkdir()
    with pytest.raises(StoreError):
        await trio.to_thread.run_sync(Store, SqliteDatabase(path))
    assert path.is_dir()


async def test_it_closes_although_another_process_holds_the_lock(tmp_path: Path) -> None:
    path, holding = tmp_path / "history.db", ExitStack()
    async with open_store(path) as store:
        await store.write(put, 1)
        await store.write(impatient)
        holding.enter_context(locked(path))
    holding.close()
    async with open_store(path) as store:
        assert await store.read(numbers) == [1]


async def test_it_closes_although_there_is_no_room_to_tidy_up(tmp_path: Path) -> None:
    path, room = tmp_path / "history.db", ExitStack()
    async with open_store(path) as store:
        await store.write(put_many, range(5000))
        room.enter_context(files_no_larger_than(4096))
    room.close()
    async with open_store(path) as store:
        assert await store.read(numbers) == list(range(5000))


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def impatient(db: Connection) -> None:
    db.execute("PRAGMA busy_timeout = 10")


async def test_a_commit_that_has_begun_is_not_cancelled(tmp_path: Path) -> None:
    async with open_store(tmp_path / "history.db") as store:
        with trio.CancelScope() as scope:

            def change(db: Connection) -> None:
                put(db, 1)
                trio.from_thread.run_sync(scope.cancel)

            await store.write(change)
        assert await store.read(numbers) == [1]


def test_steps_are_numbered_without_gaps_and_taken_once() -> None:
    steps = list(migrations())
    assert [step.number for step in steps] == list(range(1, len(steps) + 1))
    database = sqlite3.connect(":memory:", isolation_level=None)
    assert migrate(database) == migrate(database) == len(steps)
    taken = database.execute("SELECT number FROM schema_version").fetchall()
    assert taken == [(step.number,) for step in steps]
    database.close()
