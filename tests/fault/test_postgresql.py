"""History in PostgreSQL: whatever becomes of the server and of the way to it, it is there once."""

import signal
import threading
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import trio
from build import WEB, at, checked, monitor
from structlog.testing import capture_logs
from support.postgresql import Postgres, postgres, running_postgres
from support.programs import python
from support.proxy import LOST, Proxy

from kubekuma.model.meta import Key
from kubekuma.model.result import Reason
from kubekuma.model.settings import Flapping
from kubekuma.record.database import Database, StoreError, StoreInUseError
from kubekuma.record.leadership import begin_reign, reigns
from kubekuma.record.ledger import Ledger
from kubekuma.record.migrate import Migration
from kubekuma.record.postgresql import PostgresDatabase
from kubekuma.record.states import load_states
from kubekuma.record.store import READERS, Readers, Store
from kubekuma.record.uptime import uptimes
from kubekuma.record.writer import BATCH_ROWS, StoreHealth, Writer

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


@asynccontextmanager
async def opened_again(database: PostgresDatabase) -> AsyncIterator[Store]:
    """Open it as soon as the session that had the lock before is over."""
    store = await trio.to_thread.run_sync(Store, database, await until_locked(database))
    try:
        yield store
    finally:
        store.close()


def end_sessions(server: Postgres, name: str) -> None:
    """End every session in a database, and wait until it is over."""
    server.run(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
        name,
    )


async def until(holds: Any, seconds: float = 30) -> None:
    with trio.fail_after(seconds):
        while not holds():  # noqa: ASYNC110 - what is waited for tells nobody
            await trio.sleep(0.02)


def errors(logs: Iterable[Mapping[str, Any]]) -> list[Any]:
    return [each["error"] for each in logs if each["log_level"] == "error"]


def stored(server: Postgres, name: str) -> list[int]:
    found = server.run("SELECT at FROM heartbeats ORDER BY at", name)
    return [int(str(each)) for (each,) in found]


async def test_what_came_while_the_server_was_away_is_written_when_it_is_back() -> None:
    with running_postgres() as server:
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
    postgres: Postgres, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit has happened: the server has it, and we do not know."""
    monkeypatch.setattr("kubekuma.record.postgresql.ANSWER_SECONDS", 3.0)
    proxy: Proxy = await nursery.start(Proxy(postgres.port).listen)
    name, ledger = postgres.fresh(), Ledger({}, {})
    database = PostgresDatabase(postgres.url(name, proxy.listens_on))
    asked: list[str] = []

    def cut(db: Any) -> None:
        # Asked at the begin and right before the commit, which is the last that gets through.
        asked.extend(db.execute("SELECT CAST(pg_current_xact_id() AS TEXT)").fetchone())
        if len(asked) == 2:
            proxy.back = LOST

    with capture_logs() as logs:
        async with opened(database) as store, writing(store) as (writer, health):
            for each in beats(ledger, 0):
                writer.add(each)
            await until(lambda: health.commits and not health.waiting)
            store.guard(cut)
            for each in beats(ledger, 60, 120):
                writer.add(each)
            await until(lambda: health.error)
            # What is cut stays cut, and takes what is sent: nobody but we would ever break it.
            proxy.back = 0.0
            await until(lambda: not health.waiting)
    assert "PostgreSQL gave no answer for 3 s" in errors(logs)
    doubtful = asked[1]
    assert postgres.run(f"SELECT pg_xact_status('{doubtful}')", name) == [("committed",)]
    assert asked[2] != doubtful
    assert len(stored(postgres, name)) == len(set(stored(postgres, name))) == 3
    spans = postgres.run("SELECT series, start FROM spans", name)
    assert len(spans) == len(set(spans))


async def test_a_commit_that_waits_for_a_replica_which_is_away_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No timeout of the server's ends it, and the server is there and well."""
    monkeypatch.setattr("kubekuma.record.postgresql.ANSWER_SECONDS", 1.0)
    with running_postgres() as server, capture_logs() as logs:
        name, ledger = server.fresh(), Ledger({}, {})
        url = f"{server.url(name)}?options=-c%20lock_timeout%3D500ms"
        async with (
            opened(PostgresDatabase(url)) as store,
            writing(store) as (writer, health),
        ):
            server.run("ALTER SYSTEM SET synchronous_standby_names = 'away'")
            server.run("SELECT pg_reload_conf()")
            for each in beats(ledger, 0, 60):
                writer.add(each)
            await until(lambda: health.error)
            server.run("ALTER SYSTEM RESET synchronous_standby_names")
            server.run("SELECT pg_reload_conf()")
            await until(lambda: not health.waiting)
        assert "PostgreSQL gave no answer for 1 s" in errors(logs)
        assert len(stored(server, name)) == 2


async def test_what_is_ended_between_two_transactions_costs_no_error(postgres: Postgres) -> None:
    """Not of the writer, and not of any of the readers that are idle."""
    name = postgres.fresh()
    async with opened(PostgresDatabase(postgres.url(name))) as store:
        together = threading.Barrier(READERS)
        async with trio.open_nursery() as nursery:
            for _ in range(READERS):
                nursery.start_soon(store.read, lambda _: together.wait(10))
        end_sessions(postgres, name)
        assert await store.read(lambda db: db.execute("SELECT 1").fetchone()) == (1,)
        await store.write(lambda db: db.execute("INSERT INTO monitor_state VALUES (1, 'up', '{}')"))


async def test_a_lock_that_went_with_its_session_is_taken_again_by_the_next_write(
    postgres: Postgres,
) -> None:
    name = postgres.fresh()
    database = PostgresDatabase(postgres.url(name))
    async with opened(database) as store:
        end_sessions(postgres, name)
        await trio.to_thread.run_sync(lambda: database.lock().release())
        await store.write(lambda _: None)
        with pytest.raises(StoreInUseError):
            await trio.to_thread.run_sync(database.lock)


async def test_whoever_has_the_lock_meanwhile_does_not_hinder_the_newest_epoch(
    postgres: Postgres,
) -> None:
    """It may be our own session, of whose end the server has not heard."""
    name = postgres.fresh()
    database = PostgresDatabase(postgres.url(name))
    async with opened(database) as store:
        end_sessions(postgres, name)
        other = await trio.to_thread.run_sync(database.lock)
        await store.write(lambda db: db.execute("INSERT INTO monitor_state VALUES (1, 'up', '{}')"))
        other.release()


async def test_what_others_have_locked_is_worth_another_try(postgres: Postgres) -> None:
    name = postgres.fresh()
    url = f"{postgres.url(name)}?options=-c%20lock_timeout%3D100ms"
    put = "INSERT INTO monitor_state VALUES (1, 'up', '{}')"
    async with opened(PostgresDatabase(url)) as store:
        with psycopg.connect(postgres.url(name)) as other:
            other.execute("LOCK TABLE monitor_state")
            with pytest.raises(StoreError, match="lock timeout"):
                await store.write(lambda db: db.execute(put))
        await store.write(lambda db: db.execute(put))
        assert postgres.run("SELECT series FROM monitor_state", name) == [(1,)]


async def test_those_who_start_together_make_one_schema(postgres: Postgres) -> None:
    database = postgres.database()

    async def open_writer() -> None:
        session = await trio.to_thread.run_sync(database.open_writer)
        session.close()

    async with trio.open_nursery() as nursery:
        for _ in range(4):
            nursery.start_soon(open_writer)


async def test_the_schema_of_a_large_database_may_take_its_time(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise it would be begun, and ended, again and again."""
    monkeypatch.setattr("kubekuma.record.postgresql.ANSWER_SECONDS", 0.3)
    slow = [Migration(1, "slow", "SELECT pg_sleep(0.5)")]
    monkeypatch.setattr("kubekuma.record.migrate.migrations", lambda: slow)
    name = postgres.fresh()
    url = f"{postgres.url(name)}?options=-c%20statement_timeout%3D100ms"
    session = await trio.to_thread.run_sync(PostgresDatabase(url).open_writer)
    with pytest.raises(StoreError, match="statement timeout"), session.reading() as db:
        db.execute("SELECT pg_sleep(0.2)")


async def test_an_hour_without_a_server_sheds_heartbeats_and_no_state(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Sixty monitors, each minute, and memory for a sixth of it."""
    monkeypatch.setattr("kubekuma.record.writer.MOST_WAITING", 600)
    with running_postgres() as server:
        name, ledger, sizes = server.fresh(), Ledger({}, {}), []
        ledger.flapping = Flapping(enabled=False)
        keys = [Key("shop", f"web-{number}") for number in range(60)]
        async with (
            opened(PostgresDatabase(server.url(name))) as store,
            writing(store) as (writer, health),
        ):
            server.control("stop", "-m", "fast")
            for minute in range(60):
                for number, key in enumerate(keys):
                    # Each is down for ten minutes once, every other at the same time.
                    down = number // 2 <= minute < number // 2 + 10
                    found = checked(
                        60 * minute + number / 60,
                        Reason.TIMEOUT if down else Reason.PASSED,
                        key=key,
                    )
                    writer.add(ledger.checked(found, monitor(key.name, key.namespace), 10.0))
                sizes.append(health.waiting)
                await trio.sleep(0.01)
            assert health.error
            server.control("start")
            await until(lambda: not health.waiting)
            states, _ = await store.read(load_states)
            assert {key: states[key].standing for key in keys} == {
                key: ledger.states[key].standing for key in keys
            }
            now = at(3600)
            of_all = (await store.read(uptimes, ("1h",), now))["1h"]
        # What was under way when it went is a batch more.
        assert max(sizes) <= 600 + BATCH_ROWS
        assert health.shed > 2000
        assert len(stored(server, name)) == 3600 - health.shed
        ended = server.run("SELECT ended_at - started_at FROM incidents", name)
        assert ended == [(600_000,)] * 60
        assert [of_all[key].down_ms for key in keys] == [600_000] * 60


async def test_a_server_that_stands_still_is_given_up_and_what_it_did_is_there_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("kubekuma.record.postgresql.ANSWER_SECONDS", 0.5)
    with running_postgres() as server, capture_logs() as logs:
        name, ledger = server.fresh(), Ledger({}, {})
        async with (
            opened(PostgresDatabase(server.url(name))) as store,
            writing(store) as (writer, health),
        ):
            for each in beats(ledger, 0, 60):
                writer.add(each)
            await until(lambda: health.commits and not health.waiting)
            with server.standing_still():
                for each in beats(ledger, 120, 180):
                    writer.add(each)
                await until(lambda: health.error)
            await until(lambda: not health.waiting)
        assert "PostgreSQL gave no answer for 0.5 s" in errors(logs)
        assert len(stored(server, name)) == 4


async def test_a_server_without_a_place_for_us_is_worth_another_try() -> None:
    with running_postgres() as server:
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


STOPS_WITHIN_A_BATCH = """
import sys
from kubekuma.record.leadership import begin_reign, reigns
from kubekuma.record.postgresql import PostgresDatabase
database = PostgresDatabase(sys.argv[1])
lock, session = database.lock(), database.open_writer()
with session.writing(durable=True) as db:
    begin_reign(db, "a_1", 0, "", "name")
print("leads", flush=True)
with session.writing(durable=True) as db:
    assert reigns(db, 1)
    rows = [(number,) for number in range(500)]
    db.executemany("INSERT INTO monitor_state VALUES (?, 'up', '{}')", rows)
"""


async def test_whoever_stands_still_within_a_batch_does_not_keep_the_row_either(
    postgres: Postgres,
) -> None:
    """No timeout of an idle transaction begins while the server waits for the rest of a batch."""
    name = postgres.fresh()
    database = PostgresDatabase(postgres.url(name))
    (await trio.to_thread.run_sync(database.open_writer)).close()
    with psycopg.connect(postgres.url(name)) as other:
        other.execute("LOCK TABLE monitor_state")
        async with python(STOPS_WITHIN_A_BATCH, postgres.url(name)) as stopped:
            waits = (
                "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                " AND datname = current_database()"
            )
            await until(lambda: postgres.run(waits, name))
            stopped.send_signal(signal.SIGSTOP)
            other.rollback()
            with pytest.raises(StoreInUseError):
                await trio.to_thread.run_sync(database.lock)
            await trio.to_thread.run_sync(database.evict)
            lock = await until_locked(database)
            store = await trio.to_thread.run_sync(Store, database, lock)
            with trio.fail_after(5):
                reign = await store.write(begin_reign, "b_1", 0, "", "name")
            assert (reign.epoch, reign.holder) == (2, "b_1")
            store.close()
    assert postgres.run("SELECT COUNT(*) FROM monitor_state", name) == [(0,)]


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


async def test_a_password_comes_as_libpq_has_it_and_is_never_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a user that owns this database, and nothing else."""
    with running_postgres() as server:
        name = server.fresh()
        server.run("CREATE ROLE kuma LOGIN PASSWORD 's3cret'")
        server.run(f"ALTER DATABASE {name} OWNER TO kuma")
        rules = server.folder / "data" / "pg_hba.conf"
        rules.write_text(f"host all kuma all scram-sha-256\n{rules.read_text()}")
        server.run("SELECT pg_reload_conf()")
        place = f"127.0.0.1:{server.port}/{name}"
        with pytest.raises(StoreError, match="password") as refused:
            await trio.to_thread.run_sync(Store, PostgresDatabase(f"postgresql://kuma@{place}"))
        async with opened(PostgresDatabase(f"postgres://kuma:s3cret@{place}")):
            pass
        monkeypatch.setenv("PGPASSWORD", "wr0ng")
        with pytest.raises(StoreError, match="authentication failed") as wrong:
            await trio.to_thread.run_sync(Store, PostgresDatabase(f"postgresql://kuma@{place}"))
        assert not any(word in f"{refused.value} {wrong.value}" for word in ("s3cret", "wr0ng"))
        monkeypatch.setenv("PGPASSWORD", "s3cret")
        async with opened_again(PostgresDatabase(f"postgresql://kuma@{place}")):
            pass
        monkeypatch.delenv("PGPASSWORD")
        file = tmp_path / "pgpass"
        file.write_text("*:*:*:kuma:s3cret\n")
        file.chmod(0o600)
        monkeypatch.setenv("PGPASSFILE", str(file))
        async with opened_again(PostgresDatabase(f"postgresql://kuma@{place}")):
            pass


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
