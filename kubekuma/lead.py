"""Leading, as far as the database goes: whose it is, was, and what that says of the Lease."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Final
from uuid import uuid4

import attrs
import structlog
import trio

from kubekuma.kube.lease import Answer, Facts, Failed, Found, Lease, Timing
from kubekuma.kube.lease_fence import Leadership, LeaseLostError, Standing
from kubekuma.model.meta import Condition, Key, Truth
from kubekuma.record.database import (
    Connection,
    Database,
    Lock,
    StoreBrokenError,
    StoreError,
    StoreInUseError,
)
from kubekuma.record.leadership import (
    SHARD,
    Reign,
    begin_reign,
    finish_reign,
    read_reign,
    reigns,
)
from kubekuma.record.store import Readers, Store
from kubekuma.serve.metrics import Figure, counts, gauges

_log = structlog.get_logger(__name__)

LEASE_NAME: Final = "kubekuma"
LOCK_EVERY_SECONDS: Final = 0.25
OPEN_EVERY_SECONDS: Final = 1.0
HISTORY_LOST: Final = "HistoryLost"


def lease_key(namespace: str, shard: int = SHARD) -> Key:
    """The Lease of one shard: the first has the plain name."""
    return Key(namespace, LEASE_NAME if shard == 0 else f"{LEASE_NAME}-{shard}")


def new_identity(pod: str) -> str:
    """A name that no process had before: pods of a StatefulSet come again under the same name."""
    return f"{pod[:200]}_{uuid4()}"


@attrs.define(kw_only=True, eq=False)
class Throne:
    """The database's lock, and the row in it that says who led last.

    ``embedded``: the API server lives and dies with this machine, so nobody
    elsewhere can hold a Lease of it.
    """

    database: Database
    readers: Readers
    identity: str
    leadership: Leadership
    embedded: bool
    history_lost: str = ""  # what the Lease named, if that is not what we have
    unfinished: str = ""  # who led before us, if its work had not ended
    _lock: Lock | None = None

    async def gather(self, answer: Answer | None) -> Facts:
        """What the database has to say to ``answer``; None: there is to be no Lease."""
        self.release()
        try:
            reign = await self._last()
        except StoreBrokenError:
            reign, history, clean = None, None, False
        except StoreError:
            # Locked, perhaps: nothing is known, and so nothing is to be hurried.
            reign, history, clean = None, "", False
        else:
            history = reign.history if reign else ""
            clean = reign is None or reign.finished
        continues = isinstance(answer, Failed) and self.leadership.continues()
        holds = (answer is None or continues) and await self._take_lock()
        gone = reign.holder if reign and await self._has_ended(reign, answer) else ""
        return Facts(
            history=history,
            clean=clean,
            gone=gone,
            holds_database=holds,
            may_begin_alone=holds and continues,
        )

    async def take(self, before: Lease | None, stop: trio.Event) -> Store | None:
        """Reach the database and open it, however long that takes; None: told to ``stop`` first.

        Raises SchemaTooNewError, OSError.
        """
        while await self.reach(stop, before):
            try:
                return await self.open(before)
            except StoreError as error:
                if str(error) != self.leadership.why:
                    _log.warning("waiting for the database", error=str(error))
                self.leadership.why = str(error)
                await self._evict(before)
                with trio.move_on_after(OPEN_EVERY_SECONDS):
                    await stop.wait()
                    return None
        return None

    async def reach(self, stop: trio.Event, before: Lease | None = None) -> bool:
        """Wait for the database's lock; False: told to ``stop`` before that. Raises OSError."""
        waited = False
        while self._lock is None:
            try:
                self._lock = await trio.to_thread.run_sync(self.database.lock)
            except (StoreError, StoreInUseError) as error:
                if not waited:
                    _log.warning("waiting for the database", error=str(error))
                waited = True
                self.leadership.why = str(error)
                await self._evict(before)
                with trio.move_on_after(LOCK_EVERY_SECONDS):
                    await stop.wait()
                    return False
        return True

    async def open(self, before: Lease | None) -> Store:
        """Become the database's only writer, which holds its lock, by an epoch of its own.

        The Lease was claimed over ``before``. Raises StoreError, SchemaTooNewError, OSError.
        """
        lock, self._lock = self._lock, None
        store = await trio.to_thread.run_sync(Store, self.database, lock)
        try:
            former = await store.read(read_reign)
            reign = await store.write_durably(
                begin_reign,
                self.identity,
                self.leadership.epoch,
                self.database.place,
                uuid4().hex,
            )
        except BaseException:
            store.close()
            raise
        store.guard(lambda db: self._guard(db, reign.epoch))
        self.unfinished = former.holder if former is not None and not former.finished else ""
        self.leadership.history = reign.history
        if before is not None and before.history not in {"", reign.history}:
            self.history_lost = before.history
            _log.error("the history is not the one that the Lease names", named=before.history)
        # Another file may have taken the place of the one that was read so far.
        self.readers.close()
        return store

    async def finish(self, store: Store) -> None:
        """Note in the database that our work has ended."""
        with suppress(StoreError):
            await store.write_durably(finish_reign)

    def release(self) -> None:
        """Let go of the lock, unless the store has it."""
        if self._lock is not None:
            self._lock.release()
        self._lock = None

    def conditions(self) -> tuple[Condition, ...]:
        """What the settings' status says of it."""
        if not self.history_lost:
            return ()
        said = (
            f"the Lease named the history {self.history_lost}, which did not come back: "
            f"history begins anew as {self.leadership.history}"
        )
        return (
            Condition(type=HISTORY_LOST, status=Truth.TRUE, reason="AnotherHistory", message=said),
        )

    async def _last(self) -> Reign | None:
        if not self.database.exists():
            return None
        return await self.readers.read(_last_reign, self.database)

    async def _has_ended(self, reign: Reign, answer: Answer | None) -> bool:
        """Whether the holder of the Lease provably works no more.

        It wrote its name into this very database while it held its lock, which
        it keeps until its work has ended, or the kernel frees when it is dead.
        The lock is ours now, and the file is the same one on the same running
        machine: no copy, and no disk that was moved to where we are from where
        the holder may still be at work. With the embedded API there is no
        elsewhere.
        """
        if not isinstance(answer, Found) or answer.lease.holder != reign.holder:
            return False
        here = self.database.place
        same = bool(here) and reign.place == here
        rebooted = self.embedded and reign.place.split("/")[0] != here.split("/")[0]
        if not (same or rebooted) or not await self._take_lock():
            return False
        with suppress(StoreError):
            # Nobody can change it any more: this is how it is, not how it was a moment ago.
            return await self._last() == reign
        return False

    async def _take_lock(self) -> bool:
        if self._lock is None:
            with suppress(StoreError, StoreInUseError, OSError):
                self._lock = await trio.to_thread.run_sync(self.database.lock)
        return self._lock is not None

    async def _evict(self, before: Lease | None) -> None:
        """Have the former holder of our Lease lose the database, if it is that who has it."""
        with suppress(StoreError):
            reign = await self._last()
            if before is not None and reign is not None and before.holder == reign.holder:
                await trio.to_thread.run_sync(self.database.evict)

    def _guard(self, db: Connection, epoch: int) -> None:
        self.leadership.check_work()
        if not reigns(db, epoch):
            raise LeaseLostError("another process has begun to write to our database")


def _last_reign(db: Connection, database: Database) -> Reign | None:
    return read_reign(db) if database.is_prepared(db) else None


def standby_reason(leadership: Leadership) -> str | None:
    """Why we do not lead; None if we do, with a database of our own."""
    if leadership.is_held and leadership.history:
        return None
    return f"{'lost' if leadership.standing is Standing.LOST else 'standby'}: {leadership.why}"


def ails(leadership: Leadership, timing: Timing) -> dict[str, str]:
    """What only a new process can cure."""
    if leadership.is_overdue(timing.lease_seconds):
        return {"leadership": "the Lease ran out long ago, and work has not stopped"}
    return {}


def leadership_figures(leadership: Leadership, stalls: int) -> Iterator[Figure]:
    """Figures of the election."""
    leads = leadership.is_held and bool(leadership.history)
    yield from gauges(
        leader=("1 while this process checks and writes.", float(leads)),
        lease_degraded=(
            "1 while it does so without the Lease, as the API server is away.",
            float(leadership.standing is Standing.DEGRADED),
        ),
        lease_epoch=("How often the Lease has changed hands.", leadership.epoch),
    )
    yield from counts(
        lease_renewals=("Renewals of the Lease.", leadership.renewals),
        lease_errors=("Requests about the Lease that failed.", leadership.errors),
        loop_stalls=("Times the event loop stood still for long.", stalls),
    )
