"""SQLite: one file, beside it the lock of whoever writes to it."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

import attrs

from kubekuma.record.ballast import BYTES, Ballast
from kubekuma.record.database import (
    Connection,
    Session,
    StoreBrokenError,
    StoreError,
    StoreFullError,
)
from kubekuma.record.leadership import place_of
from kubekuma.record.lock import DatabaseLock
from kubekuma.record.opening import open_reader, open_writer

# Of 4 KiB: so many stay in the file for what comes next, and so many are given back at once.
RESERVE_PAGES: Final = 512
STEP_PAGES: Final = 256
_INCREMENTAL: Final = 2


@attrs.frozen
class SqliteDatabase:
    """The database in the file ``path``."""

    path: Path
    ballast_bytes: int = attrs.field(default=BYTES, kw_only=True)

    @property
    def shown(self) -> str:
        """Where it is."""
        return str(self.path)

    @property
    def place(self) -> str:
        """Which file on which running machine it is."""
        return place_of(self.path)

    def exists(self) -> bool:
        """Whether there is a file."""
        return self.path.exists()

    def is_prepared(self, db: Connection) -> bool:
        """Whether it has a schema already: an older version may have made it, or nobody yet."""
        asked = "SELECT 1 FROM sqlite_master WHERE name = 'leadership'"
        return db.execute(asked).fetchone() is not None

    def lock(self) -> DatabaseLock:
        """Take the kernel's lock. Raises StoreInUseError, OSError."""
        return DatabaseLock(self.path)

    def evict(self) -> None:
        """Do nothing: the kernel's lock lasts as long as its process, and proves that it lives."""

    def make_room(self) -> None:
        """Give up what was kept free on the disk."""
        self._ballast.throw()

    def keep_room(self) -> bool:
        """Keep some of the disk free for later; say whether there is enough of it."""
        return self._ballast.lay()

    @property
    def _ballast(self) -> Ballast:
        return Ballast(self.path.with_name(f"{self.path.name}.ballast"), self.ballast_bytes)

    def size(self, db: Connection) -> int:
        """How long the file is."""
        (pages,) = db.execute("PRAGMA page_count").fetchone()
        (length,) = db.execute("PRAGMA page_size").fetchone()
        return int(pages * length)

    def damage(self, db: Connection) -> Sequence[str]:
        """What is wrong with pages and indexes."""
        found = [text for (text,) in db.execute("PRAGMA integrity_check(20)")]
        return [] if found == ["ok"] else found

    def give_back(self, db: Connection) -> bool:
        """Shorten the file a little, unless what is free in it will soon be used again.

        A file of an earlier version has no order for that, and stays as long as it is.
        """
        (free,) = db.execute("PRAGMA freelist_count").fetchone()
        (pages,) = db.execute("PRAGMA page_count").fetchone()
        (mode,) = db.execute("PRAGMA auto_vacuum").fetchone()
        if mode != _INCREMENTAL or free <= max(RESERVE_PAGES, pages // 20):
            return False
        for _ in range(STEP_PAGES):
            # Without columns, Python takes its first step for its last: a page each time.
            db.execute("PRAGMA incremental_vacuum(1)")
        return True

    def open_reader(self) -> Session:
        """Open the file to read; one that is not there stays so. Raises StoreError."""
        with _ours():
            return _SqliteSession(open_reader(self.path))

    def open_writer(self) -> Session:
        """Open the file; one that is no database any more is moved aside.

        Raises StoreError, SchemaTooNewError.
        """
        with _ours():
            return _SqliteSession(open_writer(self.path), writes=True)


class _SqliteSession:
    usable = True

    def __init__(self, connection: sqlite3.Connection, *, writes: bool = False) -> None:
        self._connection = connection
        self._writes = writes

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        with _ours():
            self._connection.execute("BEGIN")
            yield self._connection
            self._connection.rollback()

    @contextmanager
    def writing(self, *, durable: bool) -> Iterator[Connection]:
        with _ours():
            # Takes effect between transactions only.
            self._connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            with self._connection:
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection

    def close(self) -> None:
        with closing(self._connection):
            # A clean end leaves one file behind, not three; if it cannot be had, the next start
            # copes.
            if self._writes:
                with suppress(sqlite3.Error):
                    self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@contextmanager
def _ours() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        broken = isinstance(error, sqlite3.DatabaseError) and type(error) is sqlite3.DatabaseError
        kind = StoreBrokenError if broken else StoreError
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
            kind = StoreFullError
        raise kind(str(error)) from error
