"""The history store: SQLite, with one writer and a few readers, each in threads of their own."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Concatenate, Final, ParamSpec, Protocol, TypeAlias, TypeVar

import trio

from kubekuma.record.lock import DatabaseLock
from kubekuma.record.opening import open_reader, open_writer

P = ParamSpec("P")
T = TypeVar("T")

Connection: TypeAlias = sqlite3.Connection
Query: TypeAlias = Callable[Concatenate[Connection, P], T]
# Raises if the transaction may not go on. Asked at its begin and right before its commit.
Guard: TypeAlias = Callable[[Connection], None]

READERS: Final = 4


class StoreError(Exception):
    """The database cannot be used at the moment: locked, full or broken. Worth another try."""


class StoreBrokenError(StoreError):
    """The file is no database, or not any more."""


class Reading(Protocol):
    """What is enough for whoever only asks."""

    async def read(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run ``query(connection, ...)`` on one state of the database."""


class Readers:
    """The reading side of one database, whoever writes to it. There need not be one yet."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._reading = trio.CapacityLimiter(READERS)
        self._idle: SimpleQueue[Connection] = SimpleQueue()

    async def read(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run ``query(connection, ...)`` on one state of the database.

        Raises StoreError, also where there is no database, or one without the
        tables that are asked for.
        """

        def run() -> T:
            try:
                with self._reader() as connection:
                    return query(connection, *args, **kwargs)
            except sqlite3.Error as error:
                raise _ours(error) from error

        return await trio.to_thread.run_sync(run, limiter=self._reading)

    def close(self) -> None:
        """Close every connection; nothing is under way any more. The next read opens anew."""
        while True:
            try:
                self._idle.get_nowait().close()
            except Empty:
                return

    @contextmanager
    def _reader(self) -> Iterator[Connection]:
        try:
            connection = self._idle.get_nowait()
        except Empty:
            connection = open_reader(self.path)
        try:
            connection.execute("BEGIN")
            yield connection
            connection.rollback()
        except BaseException:
            # Another file may have taken the place of the one that it has open.
            connection.close()
            raise
        self._idle.put(connection)


class Store:
    """One database, of which we are the only writer, by its lock.

    Threads of its own, so that nobody else's work holds up the history's. A
    file that is no database any more is moved aside: configuration is in the
    cluster, and watching must go on.

    Raises StoreInUseError, unless the ``lock`` is held already, or
    SchemaTooNewError. The lock is the store's from then on.
    """

    def __init__(self, path: Path, lock: DatabaseLock | None = None) -> None:
        self._lock = lock or DatabaseLock(path)
        try:
            self._writer = open_writer(path)
        except BaseException:
            self._lock.release()
            raise
        self._readers = Readers(path)
        self._writing = trio.CapacityLimiter(1)
        self._guard: Guard = lambda _: None

    def guard(self, guard: Guard) -> None:
        """Have every transaction from now on ask ``guard``, which raises in the writer's thread."""
        self._guard = guard

    async def write(self, change: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run ``change(connection, ...)`` in a transaction of its own.

        Raises StoreError, or whatever the guard does, and has changed nothing,
        if it cannot be. Once begun it is not cancelled: a commit must be known
        to have happened. A loss of power may undo the last of these; see
        ``write_durably``.
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
                    self._guard(self._writer)
                    changed = change()
                    # The disk may have kept us for long.
                    self._guard(self._writer)
                    return changed
            except sqlite3.Error as error:
                raise _ours(error) from error

        return await trio.to_thread.run_sync(run, limiter=self._writing)

    async def read(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run ``query(connection, ...)`` on one state of the database."""
        return await self._readers.read(query, *args, **kwargs)

    def close(self) -> None:
        """Close every connection; nothing is under way any more."""
        self._readers.close()
        # A clean end leaves one file behind, not three; if it cannot be had, the next start copes.
        try:
            with closing(self._writer), suppress(sqlite3.Error):
                self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            self._lock.release()


def _ours(error: sqlite3.Error) -> StoreError:
    broken = isinstance(error, sqlite3.DatabaseError) and type(error) is sqlite3.DatabaseError
    return (StoreBrokenError if broken else StoreError)(str(error))
