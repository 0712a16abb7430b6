"""History in PostgreSQL: whatever becomes of the server and of the way to it, it is there once."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import trio
from build import WEB, checked, monitor
from support.postgresql import Postgres, postgres, running_postgres
from support.proxy import LOST, Proxy

from kubekuma.model.result import Reason
from kubekuma.record.database import Database, StoreError
from kubekuma.record.leadership import begin_reign, reigns
from kubekuma.record.ledger import Ledger
from kubekuma.record.postgresql import PostgresDatabase
from kubekuma.record.store import Readers, Store
from kubekuma.record.writer import StoreHealth, Writer

__all__ = ["postgres"]

pytestmark = pytest.mark.servers


@asynccontextmanager
async def opened(database: Database) -> AsyncIterator[Store]:
    store = await trio.to_thread.run_sync(Store, database)
    try:
        yield store
    finally:
        store.close()


@asynccontextmanager
async def writing(store: Store) -> AsyncIterator[tuple[Writer, StoreHealth]]:
    """A writer at work."""
    health = StoreHealth()
    writer = Writer(store, lambda _: None, health)
    async with trio.open_nursery() as nursery:
        await nursery.start(writer.run)
        yield writer, health
        nursery.cancel_scope.cancel()


def beats(ledger: Ledger, *seconds: int) -> list[Any]:
    return [
        ledger.checked(checked(each, Reason.PASSED, key=WEB), monitor(*WEB[::-1]), 10.0)
        for each in seconds
    ]


async def until(holds: Any, seconds: float = 30) -> None:
    with trio.fail_after(seconds):
        while not holds():  # noqa: ASYNC110 - what is waited for tells nobody
            await trio.sleep(0.02)


def stored(server: Postgres, name: str) -> list[int]:
    found = server.run("SELECT at FROM heartbeats ORDER BY at", name)
    return [int(str(each)) for (each,) in found]


async def test_what_came_while_the_server_was_away_is_written_when_it_is_back(
    tmp_path: Path,
) -> None:
    with running_postgres(tmp_path) as server:
        name, ledger = server.fresh(), Ledger({}, {})
        async with (
            opened(PostgresDatabase(server.url(name))) as store,
            writing(store) as (writer, health),
        ):
            for each in beats(ledger, 0, 60):
                writer.add(each)
            await until(lambda: health.commits and not health.waiting)
            server.control("stop", "-m", "immediate")
            for each in beats(ledger, 120, 180):
                writer.add(each)
            await until(lambda: health.error)
            with pytest.raises(StoreError):
                await store.read(lambda db: db.execute("SELECT 1").fetchone())
            server.control("start")
            await until(lambda: not health.waiting)
            assert health.error == ""
            assert await store.read(lambda db: db.execute("SELECT 1").fetchone()) == (1,)
        assert len(stored(server, name)) == 4


async def test_a_backend_that_is_ended_within_a_transaction_leaves_nothing_of_it(
    postgres: Postgres,
) -> None:
    name = postgres.fresh()
    async with opened(PostgresDatabase(postgres.url(name))) as store:

        def ended(db: Any) -> None:
            db.execute("INSERT INTO monitor_state VALUES (1, 'up', '{}')")
            (pid,) = db.execute("SELECT pg_backend_pid()").fetchone()
            postgres.run(f"SELECT pg_terminate_backend({pid})")
            db.execute("INSERT INTO monitor_state VALUES (2, 'up', '{}')")

        with pytest.raises(StoreError):
            await store.write(ended)
        # The next one connects anew.
        await store.write(lambda db: db.execute("INSERT INTO monitor_state VALUES (3, 'up', '{}')"))
        assert postgres.run("SELECT series FROM monitor_state", name) == [(3,)]


async def test_a_commit_whose_answer_is_lost_is_given_up_and_what_it_wrote_is_there_once(
    postgres: Postgres, nursery: trio.Nursery
) -> None:
    """The commit has happened: the server has it, and we do not know."""
    proxy: Proxy = await nursery.start(Proxy(postgres.port).listen)
    name, ledger = postgres.fresh(), Ledger({}, {})
    database = PostgresDatabase(postgres.url(name, proxy.listens_on))
    async with opened(database) as store, writing(store) as (writer, health):
        for each in beats(ledger, 0):
            writer.add(each)
        await until(lambda: health.commits and not health.waiting)
        asked = 0

        def cut(_: Any) -> None:
            # Asked at the begin and right before the commit, which is the last that gets through.
            nonlocal asked
            asked += 1
            if asked == 2:
                proxy.back = LOST

        store.guard(cut)
        for each in beats(ledger, 60, 120):
            writer.add(each)
        await until(lambda: len(stored(postgres, name)) == 3)
        assert health.waiting == 2
        # Nothing more comes from there; whoever breaks it at last is the network.
        proxy.back = 0.0
        await proxy.reset()
        await until(lambda: not health.waiting)
        assert health.errors >= 1
    assert stored(postgres, name) == sorted(set(stored(postgres, name)))
    assert len(stored(postgres, name)) == 3
    spans = postgres.run("SELECT series, start FROM spans", name)
    assert len(spans) == len(set(spans))


async def test_a_server_without_a_place_for_us_is_worth_another_try(tmp_path: Path) -> None:
    with running_postgres(tmp_path) as server:
        database = server.database()
        held = [psycopg.connect(server.url("postgres")) for _ in range(30)]
        with pytest.raises(StoreError, match="too many clients"):
            await trio.to_thread.run_sync(Store, database)
        for each in held:
            each.close()
        async with opened(database):
            pass


async def test_a_server_that_only_reads_is_said_to(postgres: Postgres) -> None:
    name = postgres.fresh()
    async with opened(PostgresDatabase(postgres.url(name))) as store:
        postgres.run(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        others = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        )
        postgres.run(f"{others} AND query NOT LIKE '%advisory%'", name)
        put = "INSERT INTO monitor_state VALUES (1, 'up', '{}')"
        with pytest.raises(StoreError):
            await store.write(lambda db: db.execute(put))
        with pytest.raises(StoreError, match="read-only"):
            await store.write(lambda db: db.execute(put))


async def test_a_new_leader_waits_for_the_transaction_of_the_last_and_then_it_is_over(
    postgres: Postgres,
) -> None:
    database = postgres.database()
    async with opened(database) as store:
        mine = await store.write(begin_reign, "a_1", 0, "", "name")
        store.guard(lambda db: None if reigns(db, mine.epoch) else _stop())
        inside, go_on = trio.Event(), trio.Event()

        def slow(db: Any) -> None:
            db.execute("INSERT INTO monitor_state VALUES (1, 'up', '{}')")
            trio.from_thread.run_sync(inside.set)
            trio.from_thread.run(go_on.wait)

        began = trio.Event()

        async def succeed() -> None:
            session = await trio.to_thread.run_sync(database.open_writer)

            def begin() -> None:
                with session.writing(durable=True) as db:
                    begin_reign(db, "b_1", 0, "", "name")

            await trio.to_thread.run_sync(begin)
            session.close()
            began.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.write, slow)
            await inside.wait()
            nursery.start_soon(succeed)
            with trio.move_on_after(0.3):
                await began.wait()
            assert not began.is_set()
            go_on.set()
        with pytest.raises(RuntimeError):
            await store.write(lambda db: db.execute("DELETE FROM monitor_state"))


def _stop() -> None:
    raise RuntimeError


async def test_whoever_holds_the_lock_can_be_evicted(postgres: Postgres) -> None:
    database = postgres.database()
    held = database.lock()
    database.evict()
    second = await until_locked(database)
    held.release()
    second.release()


async def until_locked(database: PostgresDatabase) -> Any:
    found: list[Any] = []

    def taken() -> bool:
        try:
            found.append(database.lock())
        except Exception:  # noqa: BLE001 - the session takes a moment to end
            return False
        return True

    await until(taken)
    return found[0]


@pytest.mark.parametrize(
    "url",
    ["postgresql://127.0.0.1:1/k", "postgresql://alice:s3cret@127.0.0.1:1/k?sslmode=disable"],
)
async def test_nobody_there_is_worth_another_try_and_no_password_is_shown(url: str) -> None:
    database = PostgresDatabase(url)
    with pytest.raises(StoreError) as caught:
        await trio.to_thread.run_sync(Store, database)
    readers = Readers(database)
    with pytest.raises(StoreError):
        await readers.read(database.is_prepared)
    assert "s3cret" not in f"{caught.value} {database.shown} {database!r}"
