"""What the database says of the Lease, and taking it as its only writer."""

import shutil
import sqlite3
from pathlib import Path

import attrs
import pytest
import trio
from fakes.lease_store import LeaseStore
from support.history import files, rows

from kubekuma.kube.lease import Facts, Failed, Found, Lease, Missing, Timing
from kubekuma.kube.lease_fence import Leadership, LeaseLostError, Standing
from kubekuma.lead import Throne, ails, lease_key, new_identity, standby_reason
from kubekuma.record.database import Connection, Session, StoreError, StoreInUseError
from kubekuma.record.leadership import place_of
from kubekuma.record.lock import DatabaseLock
from kubekuma.record.postgresql import PostgresDatabase
from kubekuma.record.sqlite import SqliteDatabase
from kubekuma.record.store import Readers, Store


def put(db: Connection) -> None:
    db.execute("INSERT INTO monitor_state VALUES (1, 'up', '{}')")


def throne(
    path: Path, identity: str = "a_1", *, embedded: bool = False, continues: bool = False
) -> Throne:
    leadership = Leadership(lambda: 0.0, lambda: continues)
    leadership.lead(3, 30.0)
    return Throne(
        database=SqliteDatabase(path),
        readers=Readers(SqliteDatabase(path)),
        identity=identity,
        leadership=leadership,
        embedded=embedded,
    )


def lease(holder: str, history: str = "") -> Lease:
    store = LeaseStore()
    store.put_anew({"holderIdentity": holder, "leaseDurationSeconds": 45})
    assert store.document is not None
    store.document["metadata"]["annotations"] = {"monitoring.kubekuma.io/history": history}
    found = store.get()
    assert isinstance(found, Found)
    return found.lease


async def taken(it: Throne, before: Lease | None) -> Store:
    assert await it.reach(trio.Event())
    return await it.open(before)


async def left_behind(path: Path, identity: str = "a_1", *, finished: bool = False) -> str:
    """What one process leaves, killed or not; the name of its history."""
    it = throne(path, identity)
    store = await taken(it, None)
    if finished:
        await it.finish(store)
    await trio.to_thread.run_sync(store.close)
    it.readers.close()
    return it.leadership.history


async def test_of_a_new_database_nothing_speaks_against_a_start(tmp_path: Path) -> None:
    it = throne(tmp_path / "history.db")
    assert await it.gather(Missing()) == Facts(clean=True)
    assert files(tmp_path) == []


async def test_after_a_kill_nothing_is_clean_and_after_an_end_it_is(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    history = await left_behind(path)
    assert await throne(path, "b_1").gather(Missing()) == Facts(history=history, clean=False)
    assert await left_behind(path, "b_1", finished=True) == history
    assert await throne(path, "c_1").gather(Missing()) == Facts(history=history, clean=True)


async def test_a_holder_whose_own_lock_is_free_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    await left_behind(path)
    it = throne(path, "b_1")
    assert (await it.gather(Found(lease("a_1")))).gone == "a_1"
    # Whoever is gone cannot come back before we have decided.
    with pytest.raises(Exception, match="another KubeKuma"):
        DatabaseLock(path)
    assert (await it.gather(Found(lease("z_1")))).gone == ""
    DatabaseLock(path).release()


async def test_a_holder_that_has_its_lock_is_not_gone(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    await left_behind(path)
    alive = DatabaseLock(path)
    assert (await throne(path, "b_1").gather(Found(lease("a_1")))).gone == ""
    alive.release()


async def test_of_a_copy_of_its_database_nobody_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    await left_behind(path)
    shutil.copytree(tmp_path, tmp_path / "elsewhere")
    for embedded in (False, True):
        it = throne(tmp_path / "elsewhere" / "history.db", "b_1", embedded=embedded)
        assert (await it.gather(Found(lease("a_1")))).gone == ""


@pytest.mark.parametrize("embedded", [False, True])
async def test_on_another_machine_or_after_a_reboot_only_the_embedded_api_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, embedded: bool
) -> None:
    path = tmp_path / "history.db"
    await left_behind(path)
    monkeypatch.setattr("kubekuma.record.sqlite.place_of", elsewhere)
    it = throne(path, "b_1", embedded=embedded)
    assert (await it.gather(Found(lease("a_1")))).gone == ("a_1" if embedded else "")
    it.release()


def elsewhere(path: Path) -> str:
    return "another-boot/" + place_of(path).partition("/")[2]


async def test_a_broken_database_waits_for_no_other(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    path.write_bytes(b"this is no database at all" * 1000)
    assert await throne(path).gather(Missing()) == Facts(history=None, clean=False)


async def test_of_a_database_that_cannot_be_reached_nothing_is_known() -> None:
    """Which is not the same as that it is empty: a start would hurry, and history begin anew."""
    nowhere = PostgresDatabase("postgresql://127.0.0.1:1/k")
    it = attrs.evolve(
        throne(Path("unused")),
        database=nowhere,
        readers=Readers(nowhere),
    )
    for answer in (Missing(), Found(lease("a_1", "history-1"))):
        assert await it.gather(answer) == Facts(history="", clean=False)


async def test_who_may_begin_alone_has_the_database(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    history = await left_behind(path)
    away = Failed("no answer")
    it = throne(path, "b_1", continues=True)
    assert await it.gather(away) == Facts(
        history=history, holds_database=True, may_begin_alone=True
    )
    other = throne(path, "c_1", continues=True)
    assert not (await other.gather(away)).holds_database
    it.release()
    assert not (await throne(path, "d_1").gather(away)).may_begin_alone
    assert (await other.gather(None)).holds_database
    other.release()


async def test_the_database_is_waited_for_and_taken(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    await left_behind(path)
    other, it = DatabaseLock(path), throne(path, "b_1")
    async with trio.open_nursery() as nursery:

        async def open_it() -> None:
            store = await taken(it, None)
            await store.write(put)
            store.close()

        nursery.start_soon(open_it)
        await trio.sleep(0.1)
        assert "another KubeKuma works with" in it.leadership.why
        assert standby_reason(it.leadership) is not None
        other.release()
    assert standby_reason(it.leadership) is None
    # Above what the Lease says, and above what was there.
    assert rows(path, "SELECT shard, epoch, holder, finished FROM leadership") == [(0, 4, "b_1", 0)]
    it.readers.close()


async def test_told_to_stop_it_waits_for_no_database(tmp_path: Path) -> None:
    path, stop = tmp_path / "history.db", trio.Event()
    other, it = DatabaseLock(path), throne(path)
    async with trio.open_nursery() as nursery:

        async def wait() -> None:
            assert not await it.reach(stop)

        nursery.start_soon(wait)
        await trio.sleep(0.1)
        stop.set()
    other.release()


async def test_without_leadership_or_epoch_nothing_is_written(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    it = throne(path)
    store = await taken(it, None)
    it.leadership.lose("taken")
    with pytest.raises(LeaseLostError, match="taken"):
        await store.write(put)
    it.leadership.lead(3, 30.0)
    thief = sqlite3.connect(path, isolation_level=None)
    thief.execute("UPDATE leadership SET epoch = epoch + 1")
    thief.close()
    with pytest.raises(LeaseLostError, match="another process has begun to write"):
        await store.write(put)
    store.close()
    it.readers.close()
    assert rows(path, "SELECT series FROM monitor_state") == []


async def test_a_history_that_is_not_the_named_one_is_said_in_a_condition(tmp_path: Path) -> None:
    it = throne(tmp_path / "history.db")
    store = await taken(it, lease("", "history-before"))
    store.close()
    it.readers.close()
    (condition,) = it.conditions()
    assert (condition.type, condition.status) == ("HistoryLost", "True")
    assert "history-before" in condition.message
    again = throne(tmp_path / "history.db", "b_1")
    store = await taken(again, lease("", it.leadership.history))
    store.close()
    again.readers.close()
    assert again.conditions() == ()


def test_names() -> None:
    assert lease_key("shop") == ("shop", "kubekuma")
    assert lease_key("shop", shard=2) == ("shop", "kubekuma-2")
    assert new_identity("pod") != new_identity("pod")
    assert len(new_identity("p" * 300)) <= 253


def test_whoever_leads_on_long_after_its_fence_ails() -> None:
    clock = [0.0]
    leadership = Leadership(lambda: clock[0], lambda: False)
    assert ails(leadership, Timing()) == {}
    leadership.lead(1, 30.0)
    clock[0] = 74.0
    assert ails(leadership, Timing()) == {}
    clock[0] = 76.0
    assert "leadership" in ails(leadership, Timing())
    leadership.lead_without_lease(Standing.DEGRADED, "away")
    assert ails(leadership, Timing()) == {}


@attrs.frozen
class Occupied(SqliteDatabase):
    """A database that its former leader keeps, until it is evicted: by its lock, or by a row."""

    keeps: str
    # Set when somebody who could not have it comes back.
    tried_again: trio.Event = attrs.field(factory=trio.Event)
    refusals: list[str] = attrs.field(factory=list)
    evictions: list[str] = attrs.field(factory=list)

    def lock(self) -> DatabaseLock:
        self._keep("lock", StoreInUseError("another KubeKuma works with it"))
        return super().lock()

    def open_writer(self) -> Session:
        self._keep("row", StoreError("the row is locked"))
        return super().open_writer()

    def evict(self) -> None:
        self.evictions.append(self.keeps)

    def _keep(self, what: str, refusal: Exception) -> None:
        if what != self.keeps or self.evictions:
            return
        if self.refusals:
            trio.from_thread.run_sync(self.tried_again.set)
        self.refusals.append(what)
        raise refusal


@pytest.mark.parametrize("keeps", ["lock", "row"])
@pytest.mark.parametrize("before", ["a_1", "z_1"])
async def test_only_the_former_holder_of_our_lease_is_evicted(
    tmp_path: Path, keeps: str, before: str
) -> None:
    path = tmp_path / "history.db"
    await left_behind(path)
    database = Occupied(path, keeps)
    it = attrs.evolve(throne(path, "b_1"), database=database)
    store = await it.take(lease(before), database.tried_again)
    assert database.evictions == ([keeps] if before == "a_1" else [])
    assert (store is None) == (before == "z_1")
    if store is not None:
        await trio.to_thread.run_sync(store.close)
    it.release()
    it.readers.close()
