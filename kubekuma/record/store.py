"""The history store: SQLite, with one writer and a few readers, each in threads of their own."""

import fcntl
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO, Concatenate, Final, ParamSpec, TypeAlias, TypeVar

import structlog
import trio

from kubekuma.record.migrate import migrate

_log = structlog.get_logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

Connection: TypeAlias = sqlite3.Connection
Query: TypeAlias = Callable[Concatenate[Connection, P], T]

READERS: Final = 4
# How long a writer waits for another process that holds the lock, a backup for instance.
BUSY_SECONDS: Final = 5.0
# How long a start may look for damage; a large database is only looked at in part.
LOOK_SECONDS: Final = 3.0


class StoreError(Exception):
    """The database cannot be used at the moment: locked, full or broken. Worth another try."""


class StoreInUseError(Exception):
    """Another process works with this database."""


class Store:
    """One database. Threads of its own, so that nobody else's work holds up the history's.

    Raises StoreInUseError, or SchemaTooNewError. A file that is no database
    any more is moved aside: configuration is in the cluster, and watching
    must go on.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = _locked(path)
        try:
            self._writer = _opened(path)
        except BaseException:
            self._lock.close()
            raise
        self._writing = trio.CapacityLimiter(1)
        self._reading = trio.CapacityLimiter(READERS)
        self._idle: SimpleQueue[Connection] = SimpleQueue()

    async def write(self, change: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run ``change(connection, ...)`` in a transaction of its own.

        Raises StoreError, and has changed nothing, if the database refuses.
        Once begun it is not cancelled: a commit must be known to have happened.
        A loss of power may undo the last of these; see ``write_durably``.
        """
        return await self._in_transaction("NORMAL", lambda: change(self._writer, *args, **kwargs))

    async def write_durably(self, change: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As ``write``; and what is committed, and all before it, survives a loss of power."""
        return await self._in_transaction("FULL", lambda: change(self._writer, *args, **kwargs))

    async def _in_transaction(self, synchronous: str, change: Callable[[], T]) -> T:
        def run() -> T:
            try:
                # Takes effect between transactions only.
                self._writer.execute(f"PRAGMA synchronous = {synchronous}")
                with self._writer:
                    self._writer.execute("BEGIN IMMEDIATE")
                    return change()
            except sqlite3.Error as error:
                raise StoreError(str(error)) from error

        return await trio.to_thread.run_sync(run, limiter=self._writing)

    async def read(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run ``query(connection, ...)`` on one state of the database."""

        def run() -> T:
            try:
                with self._reader() as connection:
                    return query(connection, *args, **kwargs)
            except sqlite3.Error as error:
                raise StoreError(str(error)) from error

        return await trio.to_thread.run_sync(run, limiter=self._reading)

    def close(self) -> None:
        """Close every connection; nothing is under way any more."""
        while True:
            try:
                self._idle.get_nowait().close()
            except Empty:
                break
        # A clean end leaves one file behind, not three; if it cannot be had, the next start copes.
        with self._lock, closing(self._writer), suppress(sqlite3.Error):
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @contextmanager
    def _reader(self) -> Iterator[Connection]:
        try:
            connection = self._idle.get_nowait()
        except Empty:
            connection = _connect(self.path)
            connection.execute("PRAGMA query_only = ON")
        try:
            connection.execute("BEGIN")
            yield connection
        finally:
            connection.rollback()
            self._idle.put(connection)


def _locked(path: Path) -> IO[bytes]:
    # Held as long as the file is open: also the kernel's, when we are killed.
    lock = path.with_name(f"{path.name}.lock").open("wb")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise StoreInUseError(f"another KubeKuma works with {path}") from error
    return lock


def _opened(path: Path) -> Connection:
    try:
        return _connect(path, _look_for_damage, migrate)
    except sqlite3.OperationalError:
        raise  # locked, full, or not ours to open: the file itself may be whole
    except sqlite3.DatabaseError as error:
        aside = path.with_name(f"{path.name}.broken-{int(time.time())}")
        _log.error("history is broken, moved aside", file=str(aside), error=str(error))
        for suffix in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                Path(f"{path}{suffix}").rename(f"{aside}{suffix}")
        return _connect(path, migrate)


def _look_for_damage(connection: Connection) -> None:
    """Raise DatabaseError for what can be found in a few seconds."""
    ends_at = time.monotonic() + LOOK_SECONDS
    connection.set_progress_handler(lambda: time.monotonic() > ends_at, 10_000)
    try:
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError as error:
        if "interrupted" not in str(error):
            raise
        return
    finally:
        connection.set_progress_handler(None, 0)
    if found != "ok":
        raise sqlite3.DatabaseError(found)


def _connect(path: Path, *prepare: Callable[[Connection], object]) -> Connection:
    connection = sqlite3.connect(
        path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA wal_autocheckpoint = 4000")
        for step in prepare:
            step(connection)
    except BaseException:
        connection.close()
        raise
    return connection
