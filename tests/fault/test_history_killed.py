"""kill -9 at hundreds of random points: one history lives through all of them, and lies never.

A process that has everything imported forks each of those that are killed.
"""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import attrs
import pytest
import trio
from build import WEB, at
from support.history import files
from support.postgresql import Postgres, postgres

from kubekuma.model.result import Reason
from kubekuma.record.database import Connection, Database
from kubekuma.record.heartbeats import heartbeats
from kubekuma.record.incidents import incidents
from kubekuma.record.sqlite import SqliteDatabase
from kubekuma.record.states import load_states
from kubekuma.record.store import Readers
from kubekuma.record.times import Window
from kubekuma.record.uptime import Uptime, uptime_within

__all__ = ["postgres"]

MINUTE = 60
EVER = Window(since=at(-1), until=at(10**9))

# Records a check each minute of its own time, of which two in three fail, as fast as it can; says
# how far it is committed, and seals hours in between.
FORKS = """
import os, sys
sys.path.insert(0, "tests")
import structlog
import trio
from build import WEB, at, checked, monitor
from kubekuma.cli.environment import _database
from kubekuma.model.result import Reason
from kubekuma.model.settings import Downsample, Flapping, Retention
from kubekuma.record import upkeep, writer
from kubekuma.record.database import StoreInUseError
from kubekuma.record.ledger import Ledger
from kubekuma.record.states import load_states
from kubekuma.record.store import Store

structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
writer.BATCH_SECONDS = 0.002
upkeep.PAUSE_SECONDS = 0.0
KEPT = Retention(heartbeats_days=36500, downsample=Downsample(enabled=False))

def say(text):
    os.write(1, text.encode() + b"\\n")

async def opened():
    while True:
        try:
            return await trio.to_thread.run_sync(Store, _database(sys.argv[1]))
        except StoreInUseError:
            await trio.sleep(0.005)

async def main():
    def committed(recorded):
        if recorded:
            say(str(int((recorded[-1].judgement.heartbeat.at - at(0)).total_seconds()) // 60))

    store = await opened()
    states, uids = await store.read(load_states)
    ledger = Ledger(states, uids)
    ledger.flapping = Flapping(enabled=False)
    last = states[WEB].last if WEB in states else None
    number = int((last.at - at(0)).total_seconds()) // 60 + 1 if last else 0
    it = writer.Writer(store, committed, writer.StoreHealth())
    health = upkeep.UpkeepHealth(pruned_at=at(10**8))
    async with trio.open_nursery() as nursery:
        await nursery.start(it.run)
        say("open")
        while True:
            for _ in range(1 + number % 7):
                reason = Reason.TIMEOUT if number % 3 else Reason.PASSED
                it.add(ledger.checked(checked(60 * number, reason), monitor(), 10.0))
                number += 1
            await trio.sleep(0.001)
            if number % 5 == 0:
                await upkeep.keep_up(store, health, KEPT, at(60 * number + 7200))

say("ready")
while sys.stdin.readline():
    child = os.fork()
    if not child:
        trio.run(main)
    say(f"pid {child}")
    os.waitpid(child, 0)
    say("dead")
"""


@attrs.define
class Forks:
    """Whoever forks, and what is said by it and by those that it has forked."""

    process: trio.Process
    rest: bytes = b""

    async def line(self) -> str:
        """What is said next."""
        assert self.process.stdout is not None
        while b"\n" not in self.rest:
            more = await self.process.stdout.receive_some()
            assert more, "it has ended"
            self.rest += more
        line, _, self.rest = self.rest.partition(b"\n")
        return line.decode()

    async def killed(self, random: Random) -> list[int]:
        """Have one forked, and kill it at some point; return what it said that it has committed."""
        assert self.process.stdin is not None
        await self.process.stdin.send_all(b"\n")
        said: list[int] = []
        pid, opened, after = 0, False, random.randrange(12)
        # Some do not live until their first commit.
        early = random.random() < 0.1
        while not (pid and opened and (early or len(said) >= after)):
            line = await self.line()
            if line.startswith("pid "):
                pid = int(line.removeprefix("pid "))
            elif line == "open":
                opened = True
            else:
                said.append(int(line))
        await trio.sleep(random.random() * 0.006)
        os.kill(pid, signal.SIGKILL)
        while (line := await self.line()) != "dead":
            said.append(int(line))
        return said


@asynccontextmanager
async def forking(url: str) -> AsyncIterator[Forks]:
    process = await trio.lowlevel.open_process(
        [sys.executable, "-c", FORKS, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with process.stdin, process.stdout:
            it = Forks(process)
            assert await it.line() == "ready"
            yield it
    finally:
        with trio.CancelScope(shield=True):
            process.kill()
            await process.wait()


def agrees(db: Connection, before: int) -> int:
    """Whether all that is stored tells the same story; return the last of its minutes.

    ``before``: up to there it was looked at before.
    """
    states, _ = load_states(db)
    last = states[WEB].last
    assert last is not None
    minutes = round((last.at - at(0)).total_seconds()) // MINUTE
    window = Window(since=at(max(0, before - 100) * MINUTE), until=at((minutes + 1) * MINUTE))
    found = heartbeats(db, WEB, window, 10**6)
    assert [each.at for each in reversed(found)] == [
        at(minute * MINUTE) for minute in range(max(0, before - 100), minutes + 1)
    ]
    is_down = last.reason is Reason.TIMEOUT
    standing = states[WEB].standing
    assert standing.verdict == ("down" if is_down else "up")
    outages = incidents(db, WEB, EVER.until, 50)
    # Each begins with the second of three, and ends with the first of the next.
    ends = [None] if is_down else []
    for each, expected in zip(outages, ends, strict=False):
        assert (each.ended_at, each.id) == (expected, standing.incident)
    for each in outages[len(ends) :]:
        assert each.ended_at is not None
        assert (each.ended_at - each.started_at).total_seconds() == 2 * MINUTE
    starts = [round((each.started_at - at(0)).total_seconds()) // MINUTE for each in outages]
    newest = next(minute for minute in range(minutes, -3, -1) if minute % 3 == 1)
    assert starts == [minute for minute in range(newest, -1, -3) if minute >= 0][:50]
    # Of three minutes, one is up.
    three = Window(since=at(0), until=at(minutes // 3 * 3 * MINUTE))
    length = minutes // 3 * MINUTE * 1000
    assert uptime_within(db, WEB, three) == Uptime(good_ms=length, down_ms=2 * length)
    return minutes


async def survives(database: Database, url: str, kills: int) -> None:
    random, readers, last = Random(kills), Readers(database), 0  # noqa: S311 - the same each time
    async with forking(url) as it:
        for _ in range(kills):
            said = await it.killed(random)
            if not said and not last:
                continue
            minutes = await readers.read(agrees, last)
            # What was said to be committed is there, and nothing that was there is gone.
            assert minutes >= max([last, *said])
            last = minutes
    readers.close()
    assert last > kills


async def test_killed_at_200_random_points(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    await survives(SqliteDatabase(path), f"sqlite:///{path}", 200)
    # Never the file.
    assert files(tmp_path, "*broken*") == []
    session = SqliteDatabase(path).open_reader()
    with session.reading() as db:
        assert SqliteDatabase(path).damage(db) == []
        assert db.execute("SELECT COUNT(*) FROM heartbeat_blocks").fetchone()[0] > 10
    session.close()


@pytest.mark.servers
async def test_killed_at_50_random_points_of_writing_to_postgresql(postgres: Postgres) -> None:
    database = postgres.database()
    await survives(database, database.shown, 50)
