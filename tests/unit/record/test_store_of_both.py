"""The store promises the same of whichever database it is in."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest
import trio
from build import WEB, at

from kubekuma.model.audit import Act
from kubekuma.model.state import Charge
from kubekuma.record.audit import audit_events
from kubekuma.record.database import (
    Connection,
    Database,
    SchemaTooNewError,
    StoreError,
    StoreInUseError,
)
from kubekuma.record.deliveries import open_outages
from kubekuma.record.incidents import incidents
from kubekuma.record.leadership import begin_reign, read_reign, reigns
from kubekuma.record.migrate import migrations
from kubekuma.record.reclassified import reclassify
from kubekuma.record.states import series_of
from kubekuma.record.store import Readers, Store
from kubekuma.record.times import Window, from_epoch_ms
from kubekuma.record.uptime import Uptime, uptime_within


class NoLongerOursError(Exception):
    """Others may write now."""


@asynccontextmanager
async def opened(database: Database) -> AsyncIterator[Store]:
    store = await first_to_open(database)
    try:
        yield store
    finally:
        store.close()


async def first_to_open(database: Database) -> Store:
    """Open it as soon as it is free: PostgreSQL hears of a session's end a moment later."""
    with trio.fail_after(10):
        while True:
            try:
                return await trio.to_thread.run_sync(Store, database)
            except StoreInUseError:
                await trio.sleep(0.01)


@contextmanager
def writing(database: Database) -> Iterator[Connection]:
    session = database.open_writer()
    try:
        with session.writing(durable=True) as db:
            yield db
    finally:
        session.close()


def put(db: Connection, number: int, *, then: Exception | None = None) -> None:
    db.execute("INSERT INTO monitor_state VALUES (?, 'up', '{}')", (number,))
    if then is not None:
        raise then


def numbers(db: Connection) -> list[int]:
    return [number for (number,) in db.execute("SELECT series FROM monitor_state ORDER BY series")]


async def test_what_is_committed_is_there_and_what_failed_never_was(database: Database) -> None:
    async with opened(database) as store:
        await store.write(put, 1)
        await store.write_durably(put, 2)
        with pytest.raises(KeyError):
            await store.write(put, 3, then=KeyError("a bug"))
        with pytest.raises(StoreError):
            await store.write(put, 1)
        await store.write(put, 4)
        assert await store.read(numbers) == [1, 2, 4]
    async with opened(database) as store:
        assert await store.read(numbers) == [1, 2, 4]


async def test_whoever_reads_changes_nothing_and_sees_one_state(database: Database) -> None:
    async with opened(database) as store:
        await store.write(put, 1)
        with pytest.raises(StoreError):
            await store.read(put, 2)
        began, go_on = trio.Event(), trio.Event()

        def twice(db: Connection) -> list[list[int]]:
            first = numbers(db)
            trio.from_thread.run_sync(began.set)
            trio.from_thread.run(go_on.wait)
            return [first, numbers(db)]

        seen: list[list[int]] = []

        async def read() -> None:
            seen.extend(await store.read(twice))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            await began.wait()
            await store.write(put, 3)
            go_on.set()
        assert seen == [[1], [1]]
        assert await store.read(numbers) == [1, 3]


async def test_there_is_one_writer(database: Database) -> None:
    async with opened(database):
        with pytest.raises(StoreInUseError):
            await trio.to_thread.run_sync(Store, database)
    async with opened(database):
        pass


async def test_the_guard_is_asked_before_and_after(database: Database) -> None:
    asked = 0

    def guard(_: Connection) -> None:
        nonlocal asked
        asked += 1
        if asked == 4:
            raise NoLongerOursError

    async with opened(database) as store:
        store.guard(guard)
        await store.write(put, 1)
        with pytest.raises(NoLongerOursError):
            await store.write(put, 2)
        assert asked == 4
        assert await store.read(numbers) == [1]


async def test_a_newer_epoch_fences_off_whoever_led_before(database: Database) -> None:
    async with opened(database) as store:
        mine = await store.write_durably(begin_reign, "a_1", 0, "", "name")

        def guard(db: Connection) -> None:
            if not reigns(db, mine.epoch):
                raise NoLongerOursError

        store.guard(guard)
        await store.write(put, 1)
        # Another process, to which no lock has told that we are there.
        with writing(database) as db:
            begin_reign(db, "b_1", 0, "", "other")
        with pytest.raises(NoLongerOursError):
            await store.write(put, 2)
        assert await store.read(numbers) == [1]
        last = await store.read(read_reign)
        assert last
        assert (last.epoch, last.holder, last.history) == (mine.epoch + 1, "b_1", "name")


async def test_a_newer_schema_is_refused_and_left_alone(database: Database) -> None:
    async with opened(database) as store:
        await store.write(lambda db: db.execute("INSERT INTO schema_version VALUES (9999)"))
    with pytest.raises(SchemaTooNewError, match="9999"):
        await trio.to_thread.run_sync(Store, database)
    readers = Readers(database)
    newest = [step.number for step in migrations()]
    found = await readers.read(
        lambda db: db.execute("SELECT number FROM schema_version ORDER BY number").fetchall()
    )
    readers.close()
    assert found == [(number,) for number in [*newest, 9999]]


async def test_whether_there_is_a_schema_can_be_asked_of_an_empty_one(database: Database) -> None:
    readers = Readers(database)
    if database.exists():
        assert not await readers.read(database.is_prepared)
        with pytest.raises(StoreError):
            await readers.read(numbers)
    async with opened(database):
        assert await readers.read(database.is_prepared)
    readers.close()


async def test_readers_do_not_wait_for_a_writer(database: Database) -> None:
    async with opened(database) as store:
        with writing(database) as db:
            db.execute("INSERT INTO monitor_state VALUES (5, 'up', '{}')")
            with trio.fail_after(5):
                assert await store.read(numbers) == []
        assert await store.read(numbers) == [5]


async def test_what_an_earlier_schema_has_kept_is_there_in_the_newest(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = list(migrations())
    with monkeypatch.context() as earlier:
        earlier.setattr("kubekuma.record.migrate.migrations", lambda: steps[:6])
        with writing(database) as db:
            series = series_of(db, WEB, "u1")
            db.execute("INSERT INTO spans VALUES (?, 0, 'up', NULL)", (series,))
            db.execute(
                "INSERT INTO incidents (id, series, uid, started_at, confirmed_at, reason, message)"
                " VALUES ('i1', ?, 'u1', 1, 2, 'Timeout', 'slow')",
                (series,),
            )
    async with opened(database) as store:
        (found,) = await store.read(incidents, WEB, at(0), 9)
        assert (found.id, found.acknowledgement) == ("i1", None)
        (outage,) = await store.read(open_outages)
        assert (outage.id, outage.acknowledged_by) == ("i1", "")
        act = Act(at=at(0), actor="kim", reason="planned")
        window = Window(since=from_epoch_ms(0), until=from_epoch_ms(10))
        await store.write(reclassify, "r1", WEB, window, Charge.DOWN, act)
        window = Window(since=from_epoch_ms(0), until=from_epoch_ms(30))
        assert await store.read(uptime_within, WEB, window) == Uptime(good_ms=20, down_ms=10)
        assert [each.action for each in await store.read(audit_events, 9)] == ["reclassify"]
