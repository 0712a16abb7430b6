"""Cut off anywhere, sealing loses nothing and doubles nothing."""

from functools import partial
from pathlib import Path

import pytest
import trio
from build import at
from structlog.testing import capture_logs
from support.embedded import eventually
from support.fault import at_every_cancellation
from support.history import locked, open_store, rows
from support.programs import python

from kubekuma.model.meta import Key
from kubekuma.model.result import Outcome, Reason
from kubekuma.model.settings import Downsample, Retention
from kubekuma.model.state import Heartbeat
from kubekuma.record.database import Connection
from kubekuma.record.heartbeats import heartbeat_row, heartbeats, insert_heartbeats
from kubekuma.record.leadership import begin_reign, reigns
from kubekuma.record.sealed import hours_to_seal
from kubekuma.record.states import series_of
from kubekuma.record.store import Store
from kubekuma.record.times import Window
from kubekuma.record.upkeep import UpkeepHealth, keep_up, run_upkeep

HOURS = 30
EVER = Window(since=at(-1), until=at(10**9))
LATER = at(10**8)
KEPT = Retention(heartbeats_days=3650, downsample=Downsample(enabled=False))


def beat(number: int) -> Heartbeat:
    return Heartbeat(at=at(600 * number), outcome=Outcome.PASSED, reason=Reason.PASSED)


BEATS = [beat(number) for number in range(6 * HOURS)]


def fill(db: Connection, monitors: int = 3) -> None:
    for name in range(monitors):
        series = series_of(db, Key("shop", f"m{name}"), "u1")
        insert_heartbeats(db, [heartbeat_row(series, each) for each in BEATS])


def everything(db: Connection) -> list[list[Heartbeat]]:
    names = [Key(*found) for found in db.execute("SELECT namespace, name FROM series ORDER BY id")]
    return [heartbeats(db, key, EVER, 10**6) for key in names]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Little at a time, and again at once."""
    monkeypatch.setattr("kubekuma.record.upkeep.PORTION", 2)
    monkeypatch.setattr("kubekuma.record.upkeep.PAUSE_SECONDS", 0.0)
    monkeypatch.setattr("kubekuma.record.upkeep.EVERY_SECONDS", 0.01)


async def test_cancelled_at_any_step_everything_is_there_once(tmp_path: Path) -> None:
    attempts = 0

    async def attempt() -> None:
        nonlocal attempts
        attempts += 1
        path = tmp_path / f"{attempts}.db"
        async with open_store(path) as store:
            with trio.CancelScope(shield=True):
                await store.write(fill, 1)
            try:
                await keep_up(store, UpkeepHealth(), KEPT, LATER)
            finally:
                with trio.CancelScope(shield=True):
                    assert await store.read(everything) == [BEATS[::-1]]

    assert await at_every_cancellation(attempt) > 3


SEAL = """
import sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
import trio
from build import at
from kubekuma.model.settings import Downsample, Retention
from kubekuma.record import upkeep
from kubekuma.record.sqlite import SqliteDatabase
from kubekuma.record.store import Store

upkeep.PORTION, upkeep.PAUSE_SECONDS = 1, 0.0
KEPT = Retention(heartbeats_days=3650, downsample=Downsample(enabled=False))

class Said(upkeep.UpkeepHealth):
    def __setattr__(self, name, value):
        print(name, value, flush=True)
        super().__setattr__(name, value)

async def main():
    store = Store(SqliteDatabase(Path(sys.argv[1])))
    print("open", flush=True)
    await upkeep.keep_up(store, Said(), KEPT, at(10**8))

trio.run(main)
"""


@pytest.mark.parametrize("after", [1, 5, 30, 60])
async def test_killed_at_any_time_everything_is_there_once(tmp_path: Path, after: int) -> None:
    path = tmp_path / "history.db"
    async with open_store(path) as store:
        await store.write(fill)
    async with python(SEAL, str(path), "tests") as process:
        assert process.stdout is not None
        said = b""
        with trio.fail_after(20):
            while said.count(b"sealed") < after:
                said += await process.stdout.receive_some()
        process.kill()
        await process.wait()
    async with open_store(path) as store:
        assert await store.read(everything) == [BEATS[::-1]] * 3
        assert len(rows(path, "SELECT * FROM heartbeat_blocks")) >= after - 1
        await keep_up(store, UpkeepHealth(), KEPT, LATER)
        assert await store.read(everything) == [BEATS[::-1]] * 3
        assert await store.read(hours_to_seal, 10**15) == []
    # No hour is both.
    assert len(rows(path, "SELECT * FROM heartbeat_blocks")) == 3 * (HOURS - 1)
    assert len(rows(path, "SELECT * FROM heartbeats")) == 3 * 6


async def test_while_the_database_is_locked_it_waits_and_says_so_once(tmp_path: Path) -> None:
    path, health = tmp_path / "history.db", UpkeepHealth()
    async with open_store(path) as store, trio.open_nursery() as nursery:
        await store.write(fill)
        await store.write(lambda db: db.execute("PRAGMA busy_timeout = 5"))
        with capture_logs() as logs:
            with locked(path):
                await nursery.start(
                    partial(run_upkeep, store, health, retention=lambda: KEPT, now=lambda: LATER)
                )
                await eventually(lambda: health.errors >= 3)
                assert "locked" in health.error
            await eventually(lambda: health.sealed == 3 * (HOURS - 1))
            await eventually(lambda: not health.error)
        assert len(logs) == 1
        nursery.cancel_scope.cancel()


async def test_who_does_not_lead_any_more_seals_nothing(tmp_path: Path) -> None:
    class NoLongerOursError(Exception):
        """Others may write now."""

    def guard(db: Connection) -> None:
        if not reigns(db, 1):
            raise NoLongerOursError

    path = tmp_path / "history.db"
    async with open_store(path) as store:
        await store.write(fill)
        await store.write(begin_reign, "other_1", 7, "", "name")
        store.guard(guard)
        with pytest.raises(NoLongerOursError):
            await keep_up(store, UpkeepHealth(), KEPT, LATER)
    assert rows(path, "SELECT * FROM heartbeat_blocks") == []


async def test_what_is_younger_than_two_hours_is_left(tmp_path: Path) -> None:
    async with open_store(tmp_path / "history.db") as store:
        await sealed_at(store, 5 * 3600 - 1, hours=2)
        await sealed_at(store, 5 * 3600, hours=3)


async def sealed_at(store: Store, seconds: float, *, hours: int) -> None:
    health = UpkeepHealth()
    await store.write(lambda db: db.execute("DELETE FROM heartbeat_blocks"))
    await store.write(fill, 1)
    await keep_up(store, health, KEPT, at(seconds))
    assert health.sealed == hours
