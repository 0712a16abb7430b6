"""The history store: one writer and a few readers, each in threads of their own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import Concatenate, Final, ParamSpec, Protocol, TypeAlias, TypeVar

import trio

from kubekuma.record.database import (
    Connection,
    Database,
    Lock,
    Session,
    StoreError,
    StoreInUseError,
)

P = ParamSpec("P")
T = TypeVar("T")

Query: TypeAlias = Callable[Concatenate[Connection, P], T]
# Raises if the transaction may not go on. Asked at its begin and right before its commit.
Guard: TypeAlias = Callable[[Connection], None]

READERS: Final = 4


class Reading(Protocol):
    """What is enough for whoever only asks."""

    async def read(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run ``query(connection, ...)`` on one state of the database."""


class Readers:
    """The reading side of one database, whoever writes to it. There need not be one yet."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reading = trio.CapacityLimiter(READERS)
        self._idle: SimpleQueue[Session] = SimpleQueue()

    async def read(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run ``query(connection, ...)`` on one state of the database.

        Raises StoreError, also where there is no database, or one without the
        tables that are asked for.
        """

        def run() -> T:
            with self._session() as session, session.reading() as connection:
                return query(connection, *args, **kwargs)

        return await trio.to_thread.run_sync(run, limiter=self._reading)

    def close(self) -> None:
        """Close every connection; nothing is under way any more. The next read opens anew."""
        while True:
            try:
                self._idle.get_nowait().close()
            except Empty:
                return

    @contextmanager
    def _session(self) -> Iterator[Session]:
        session = self._usable()
        try:
            yield session
        except BaseException:
            # Another file may have taken the place of the one that it has open.
            session.close()
            raise
        self._idle.put(session)

    def _usable(self) -> Session:
        with suppress(Empty):
            while not (session := self._idle.get_nowait()).usable:
                session.close()
            return session
        return self._database.open_reader()


class Store:
    """One database, of which we are the only writer, by its lock.

    Threads of its own, so that nobody else's work holds up the history's. A
    file that is no database any more is moved aside: configuration is in the
    cluster, and watching must go on.

    Raises StoreInUseError, unless the ``lock`` is held already, StoreError or
    SchemaTooNewError. The lock is the store's from then on.
    """

    def __init__(self, database: Database, lock: Lock | None = None) -> None:
        self._database = database
        self._lock = lock or database.lock()
        try:
            self._writer = database.open_writer()
        except BaseException:
            self._lock.release()
            raise
        self._readers = Readers(database)
        self._writing = trio.CapacityLimiter(1)
        self._guard: Guard = lambda _: None

    def guard(self, guard: Guard) -> None:
        """Have every transaction from now on ask ``guard``, which raises in the writer's thread."""
        self._guard = guard

    async def write(self, change: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run ``change(connection, ...)`` in a transaction of its own.

        Raises StoreError, or whatever the guard does. Once begun it is not
        cancelled: a commit must be known to have happened. After a StoreError
        it is not, where the answer was lost: so what is written twice must be
        written once. A loss of power may undo the last of these; see
        ``write_durably``.
        """
        return await self._in_transaction(lambda db: change(db, *args, **kwargs), durable=False)

    async def write_durably(self, change: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As ``write``; and what is committed, and all before it, survives a loss of power."""
        return await self._in_transaction(lambda db: change(db, *args, **kwargs), durable=True)

    async def make_room(self) -> None:
        """Give up what was kept free on the disk, which is full."""
        await trio.to_thread.run_sync(self._database.make_room, limiter=self._writing)

    async def keep_room(self) -> bool:
        """Keep some of the disk free for later; say whether there is enough of it."""
        return await trio.to_thread.run_sync(self._database.keep_room, limiter=self._writing)

    async def _in_transaction(self, change: Callable[[Connection], T], *, durable: bool) -> T:
        def run() -> T:
            self._reconnect()
            with self._writer.writing(durable=durable) as connection:
                self._guard(connection)
                changed = change(connection)
                # The disk may have kept us for long.
                self._guard(connection)
                return changed

        return await trio.to_thread.run_sync(run, limiter=self._writing)

    async def give_back(self) -> bool:
        """Return some of the room that is free to the file system; whether there was any.

        Raises as ``write``.
        """
        return await self.write(self._database.give_back)

    def _reconnect(self) -> None:
        """Have again what the database has let go of."""
        if not self._writer.usable:
            self._writer.close()
            self._writer = self._database.open_writer()
        if not self._lock.held:
            self._lock.release()
            # Whoever has it is another, or we ourselves, of whose end the server has not heard.
            # The guard knows: by the epoch.
            with suppress(StoreError, StoreInUseError):
                self._lock = self._database.lock()

    async def read(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run ``query(connection, ...)`` on one state of the database."""
        return await self._readers.read(query, *args, **kwargs)

    def close(self) -> None:
        """Close every connection; nothing is under way any more."""
        self._readers.close()
        try:
            self._writer.close()
        finally:
            self._lock.release()
