"""The database locked, full, cut off or killed: order is kept, and nothing of a state is lost."""

import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from build import WEB, at, checked, monitor
from structlog.testing import capture_logs
from support.embedded import eventually
from support.fault import at_every_cancellation
from support.history import locked, open_store, rows
from support.programs import python

from kubekuma.model.order import Enrol
from kubekuma.model.result import Reason
from kubekuma.model.settings import Flapping
from kubekuma.record.database import Connection
from kubekuma.record.ledger import Ledger, Recorded
from kubekuma.record.service import Event, run_recorder
from kubekuma.record.sqlite import SqliteDatabase
from kubekuma.record.states import load_states
from kubekuma.record.store import Store
from kubekuma.record.writer import Document, StoreHealth, Writer

TIMEOUT = 10.0
MOST = 1000


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> int:
    """So few entries may wait before heartbeats are shed."""
    monkeypatch.setattr("kubekuma.record.writer.MOST_WAITING", MOST)
    return MOST


def judged(ledger: Ledger, seconds: float, reason: Reason = Reason.PASSED) -> Recorded:
    return ledger.checked(checked(seconds, reason), monitor(), TIMEOUT)


def impatient(db: Connection) -> None:
    db.execute("PRAGMA busy_timeout = 20")


def seconds_of(path: Path) -> list[float]:
    found = rows(path, "SELECT at FROM heartbeats ORDER BY at")
    return [milliseconds / 1000 - at(0).timestamp() for (milliseconds,) in found]


class Committed:
    """Everything that was said to be committed, in order."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self, recorded: Sequence[Recorded]) -> None:
        beats = [each.judgement.heartbeat for each in recorded]
        self.seconds += [(beat.at - at(0)).total_seconds() for beat in beats if beat]


@asynccontextmanager
async def writing(store: Store, committed: Committed, health: StoreHealth) -> AsyncIterator[Writer]:
    writer = Writer(store, committed, health)
    async with trio.open_nursery() as nursery:
        await nursery.start(writer.run)
        yield writer
        nursery.cancel_scope.cancel()


async def test_while_the_database_is_locked_entries_wait_in_their_order(tmp_path: Path) -> None:
    path, committed, health = tmp_path / "history.db", Committed(), StoreHealth()
    ledger = Ledger({}, {})
    async with open_store(path) as store:
        await store.write(impatient)
        async with writing(store, committed, health) as writer:
            with locked(path), capture_logs() as logs:
                for number in range(5):
                    writer.add(judged(ledger, number))
                await eventually(lambda: health.errors >= 2)
                writer.add(judged(ledger, 5, Reason.TIMEOUT))
                assert "locked" in health.error
                assert (health.waiting, health.commits) == (6, 0)
                assert committed.seconds == []
                # Said once, however often it is tried.
                complaints = [each for each in logs if each["log_level"] == "error"]
                assert len(complaints) == 1
            await eventually(lambda: health.waiting == 0)
            assert health.error == ""
            assert committed.seconds == [0, 1, 2, 3, 4, 5]
    assert seconds_of(path) == [0, 1, 2, 3, 4, 5]
    ((verdict,),) = rows(path, "SELECT verdict FROM monitor_state")
    assert verdict == "down"


LOCKS = """
import signal, sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
signal.pause()
"""


async def test_a_process_that_stands_still_with_the_lock_is_waited_for_until_it_is_dead(
    tmp_path: Path,
) -> None:
    path, committed, health = tmp_path / "history.db", Committed(), StoreHealth()
    ledger = Ledger({}, {})
    async with open_store(path) as store:
        await store.write(impatient)
        async with writing(store, committed, health) as writer:
            async with python(LOCKS, str(path)) as process:
                process.send_signal(signal.SIGSTOP)
                writer.add(judged(ledger, 0, Reason.TIMEOUT))
                await eventually(lambda: health.errors >= 2)
                assert "locked" in health.error
                # Whoever reads is not hindered.
                assert await store.read(load_states) == ({}, {})
            await eventually(lambda: health.waiting == 0)
    assert committed.seconds == seconds_of(path) == [0]


async def test_a_full_disk_loses_nothing_and_is_said_until_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kubekuma.record.writer.ROOM_SECONDS", 0.05)

    def bound(db: Connection, pages: int) -> None:
        db.execute(f"PRAGMA max_page_count = {pages}")

    path, committed, health = tmp_path / "history.db", Committed(), StoreHealth()
    ledger = Ledger({}, {})
    async with open_store(path) as store:
        ((pages,),) = rows(path, "PRAGMA page_count")
        await store.write(bound, pages + 1)
        async with writing(store, committed, health) as writer:
            for number in range(600):
                writer.add(judged(ledger, number))
            writer.add(judged(ledger, 600, Reason.TIMEOUT))
            await eventually(lambda: health.errors >= 1)
            assert "full" in health.error
            before = len(committed.seconds)
            assert health.waiting == 601 - before
            # What is there can still be read.
            states, _ = await store.read(load_states)
            assert len(states) <= 1
            await store.write(bound, 2**30)
            await eventually(lambda: health.waiting == 0)
        # Whose they are was made in the same breath as what failed, and is there all the same.
        states, _ = await store.read(load_states)
        assert states == ledger.states
    # A change of state goes before heartbeats that wait.
    assert sorted(committed.seconds) == list(range(601))
    assert seconds_of(path) == list(range(601))
    ((started, ended),) = rows(path, "SELECT started_at, ended_at FROM incidents")
    assert (started / 1000 - at(0).timestamp(), ended) == (600, None)


async def test_too_much_that_waits_sheds_heartbeats_and_no_state(tmp_path: Path, few: int) -> None:
    path, committed, health = tmp_path / "history.db", Committed(), StoreHealth()
    ledger = Ledger({}, {})
    ledger.flapping = Flapping(enabled=False)
    async with open_store(path) as store:
        writer = Writer(store, committed, health)
        changes = []
        for number in range(few + 100):
            # Down and up again, once in a while.
            reason = Reason.TIMEOUT if number % 100 == 50 else Reason.PASSED
            recorded = judged(ledger, number, reason)
            if recorded.judgement.standing_changed:
                changes.append(float(number))
            writer.add(recorded)
        writer.add(Document(kind="Monitor", key=WEB, document={"spec": 1}))
        assert health.shed == few - len([each for each in changes if each < few])
        await writer.flush()
        states, _ = await store.read(load_states)
    assert set(changes) <= set(committed.seconds)
    assert committed.seconds == sorted(committed.seconds)
    assert committed.seconds[-1] == few + 99
    assert states[WEB].standing == ledger.states[WEB].standing
    assert len(rows(path, "SELECT 1 FROM incidents WHERE ended_at IS NOT NULL")) == 11


async def test_state_is_kept_however_much_of_it_waits(tmp_path: Path, few: int) -> None:
    health, ledger = StoreHealth(), Ledger({}, {})
    change = judged(ledger, 0)
    beat = judged(ledger, 1)
    async with open_store(tmp_path / "history.db") as store:
        writer = Writer(store, lambda _: None, health)
        with capture_logs() as logs:
            for _ in range(few + 50):
                writer.add(change)
            writer.add(beat)
    assert (health.waiting, health.shed) == (few + 51, 0)
    assert len(logs) == 1


async def test_a_monitor_made_anew_goes_on_in_its_series_under_its_new_uid(tmp_path: Path) -> None:
    path, ledger = tmp_path / "history.db", Ledger({}, {})
    async with open_store(path) as store:
        writer = Writer(store, lambda _: None, StoreHealth())
        for uid in ("u1", "u2"):
            found = checked(int(uid[1]), uid=uid)
            writer.add(ledger.checked(found, monitor(uid=uid), TIMEOUT))
            await writer.flush()
    assert rows(path, "SELECT namespace, name, uid FROM series") == [("shop", "web", "u2")]


async def test_documents_and_beats_share_their_batch_and_its_fate(tmp_path: Path) -> None:
    path, health, ledger = tmp_path / "history.db", StoreHealth(), Ledger({}, {})
    async with open_store(path) as store:
        await store.write(impatient)
        writer = Writer(store, Committed(), health)
        writer.add(Document(kind="Monitor", key=WEB, document={"spec": 1}))
        writer.add(judged(ledger, 0))
        with locked(path), trio.move_on_after(0.1):
            await writer.flush()
        assert rows(path, "SELECT * FROM crd_cache") == rows(path, "SELECT * FROM heartbeats") == []
        assert health.waiting == 2
        await writer.flush()
    assert len(rows(path, "SELECT * FROM crd_cache")) == len(seconds_of(path)) == 1


async def test_cancelled_at_any_step_everything_judged_is_written(tmp_path: Path) -> None:
    attempts = 0

    async def attempt() -> None:
        nonlocal attempts
        attempts += 1
        path = tmp_path / f"{attempts}.db"
        ledger, asked = Ledger({}, {}), []
        events_in, events = trio.open_memory_channel[Event](10)
        events_in.send_nowait(
            Enrol(key=WEB, uid="u1", generation=1, interval_seconds=60, jitter_percent=0)
        )
        for number in range(3):
            events_in.send_nowait(checked(number, Reason.TIMEOUT if number else Reason.PASSED))
        events_in.close()
        store = Store(SqliteDatabase(path))
        try:
            await run_recorder(
                events,
                ledger,
                Writer(store, Committed(), StoreHealth()),
                {WEB: monitor()},
                ask_recheck=lambda key, seconds: asked.append((key, seconds)),
                timeout_of=lambda _: TIMEOUT,
                now=lambda: at(0),
            )
        finally:
            with pytest.raises(trio.ClosedResourceError):
                events.receive_nowait()
            store.close()
            known = ledger.states.get(WEB)
            stored = rows(path, "SELECT verdict FROM monitor_state")
            assert stored == ([] if known is None else [(known.standing.verdict.value,)])
            beats = seconds_of(path)
            last = None if known is None or known.last is None else known.last.at
            assert (at(beats[-1]) if beats else None) == last
            assert beats == list(range(len(beats)))

    assert await at_every_cancellation(attempt) > 3


async def test_a_database_that_stays_away_holds_the_end_up_only_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kubekuma.record.service.FLUSH_SECONDS", 0.3)
    path, health, ledger = tmp_path / "history.db", StoreHealth(), Ledger({}, {})
    events_in, events = trio.open_memory_channel[Event](1)
    events_in.send_nowait(checked(0))
    events_in.close()
    async with open_store(path) as store:
        await store.write(impatient)
        with locked(path), capture_logs() as logs, trio.fail_after(5):
            await run_recorder(
                events,
                ledger,
                Writer(store, Committed(), health),
                {WEB: monitor()},
                ask_recheck=lambda _, __: None,
                timeout_of=lambda _: TIMEOUT,
                now=lambda: at(0),
            )
    assert "history was not written to the end" in [each["event"] for each in logs]
