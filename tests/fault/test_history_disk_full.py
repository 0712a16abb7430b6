"""A disk of 12 MiB that is full: heartbeats wait, and changes of state are written."""

import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import attrs
import pytest
import trio
import trio.lowlevel
from build import WEB, checked, monitor
from support.history import rows

from kubekuma.model.result import Reason
from kubekuma.model.settings import Flapping
from kubekuma.record.ballast import Ballast
from kubekuma.record.ledger import Ledger, Recorded
from kubekuma.record.sqlite import SqliteDatabase
from kubekuma.record.store import Store
from kubekuma.record.writer import DISK_FULL, StoreHealth, Writer

MIB = 1024 * 1024
TIMEOUT = 10.0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(folder)]
    if subprocess.run(mounted, check=False, capture_output=True).returncode:
        pytest.skip("no disk may be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@attrs.define
class World:
    """A writer on the disk, of which the tests look at what is committed."""

    store: Store
    health: StoreHealth = attrs.field(factory=StoreHealth)
    ledger: Ledger = attrs.field(factory=lambda: Ledger({}, {}))
    writer: Writer = attrs.field(init=False)
    seconds: int = 0

    def __attrs_post_init__(self) -> None:
        self.ledger.flapping = Flapping(enabled=False)
        self.writer = Writer(self.store, self._committed, self.health)

    def _committed(self, recorded: Sequence[Recorded]) -> None:
        del recorded

    def find(self, reason: Reason, message: str = "") -> None:
        self.seconds += 1
        check = checked(self.seconds, reason, message=message)
        self.writer.add(self.ledger.checked(check, monitor(), TIMEOUT))


def fill(folder: Path) -> Path:
    """Take all that is left of the disk."""
    greedy = folder / "greedy"
    with greedy.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    return greedy


def test_room_is_kept_where_there_is_much_of_it(disk: Path) -> None:
    small, large = Ballast(disk / "small", 2 * MIB), Ballast(disk / "large", 8 * MIB)
    assert small.lay()
    assert (disk / "small").stat().st_size == 2 * MIB
    assert small.lay()
    # A quarter of what is free is the most that is taken.
    assert not large.lay()
    assert not (disk / "large").exists()
    small.throw()
    small.throw()
    assert not (disk / "small").exists()


async def test_states_are_written_into_the_room_that_was_kept(
    disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kubekuma.record.writer.ROOM_SECONDS", 0.05)
    path = disk / "history.db"
    database = SqliteDatabase(path, ballast_bytes=2 * MIB)
    world = World(await trio.to_thread.run_sync(Store, database))
    async with trio.open_nursery() as nursery:
        await nursery.start(world.writer.run)
        world.find(Reason.PASSED)
        await _until((disk / "history.db.ballast").exists)
        greedy = fill(disk)
        # Heartbeats alone, until there is no room for one more.
        while not world.health.full:
            world.find(Reason.PASSED, "x" * 1000)
            await trio.sleep(0.002)
        assert world.health.complaint
        world.find(Reason.TIMEOUT, "down")
        world.find(Reason.PASSED, "up again")
        world.find(Reason.PASSED, "waits")
        await _until(lambda: bool(rows(path, "SELECT 1 FROM incidents WHERE ended_at > 0")))
        await _until(lambda: not world.health.error)
        assert world.health.complaint == DISK_FULL
        assert rows(path, "SELECT 1 FROM heartbeats WHERE message = 'up again'")
        waits = "SELECT 1 FROM heartbeats WHERE message = 'waits'"
        assert not rows(path, waits)
        # Somebody tidies up: everything is as before, room is kept again.
        greedy.unlink()

        def is_well() -> bool:
            world.find(Reason.PASSED, "later")
            return not world.health.full

        await _until(is_well)
        await _until(lambda: not world.health.waiting)
        # Nothing was lost.
        assert rows(path, waits)
        assert world.health.shed == 0
        ((count,),) = rows(path, "SELECT COUNT(*) FROM heartbeats")
        assert count == world.seconds
        assert (disk / "history.db.ballast").exists()
        assert world.health.complaint == ""
        assert world.ledger.states[WEB].standing.verdict == "up"
        nursery.cancel_scope.cancel()
    await trio.to_thread.run_sync(world.store.close)


async def _until(holds: Callable[[], bool]) -> None:
    with trio.fail_after(20):
        while not holds():  # noqa: ASYNC110 - a thread has to do it, or the disk
            await trio.sleep(0.02)
