"""What the store needs of a database, whichever it is: SQLite or PostgreSQL.

The text of every statement is the same for both. Parameters are ``?`` in order
or ``:name``; times are whole milliseconds, JSON is text.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeAlias

Parameters: TypeAlias = Sequence[Any] | Mapping[str, Any]


class StoreError(Exception):
    """The database cannot be used at the moment: locked, full or away. Worth another try."""


class StoreBrokenError(StoreError):
    """The file is no database, or not any more."""


class StoreFullError(StoreError):
    """There is no room on the disk."""


class StoreInUseError(Exception):
    """Another process works with this database."""


class SchemaTooNewError(Exception):
    """The database was written by a newer KubeKuma than this one."""


class Rows(Protocol):
    """What a statement has found."""

    def __iter__(self) -> Iterator[Any]:
        """Each row, as a tuple."""

    def fetchone(self) -> Any:
        """The next row; None if there is none."""

    def fetchall(self) -> list[Any]:
        """All rows that are left."""


class Connection(Protocol):
    """Where statements go, within a transaction."""

    def execute(self, sql: str, parameters: Any = ..., /) -> Rows:
        """Run one statement."""

    def executemany(self, sql: str, rows: Any, /) -> object:
        """Run one statement for each of ``rows``."""


class Session(Protocol):
    """One connection, used by one thread at a time. Errors of the driver become StoreError."""

    @property
    def usable(self) -> bool:
        """Whether it can be used again."""

    def reading(self) -> AbstractContextManager[Connection]:
        """A transaction that sees one state of the database, and changes nothing."""

    def writing(self, *, durable: bool) -> AbstractContextManager[Connection]:
        """A transaction that is committed at its end, or rolled back by what is raised.

        ``durable``: what is committed, and all before it, survives a loss of power.
        """

    def close(self) -> None:
        """Close it; what is not committed is gone."""


class Lock(Protocol):
    """Held: nobody else works with the database."""

    @property
    def held(self) -> bool:
        """Whether it still is, as far as is known."""

    def release(self) -> None:
        """Let others have it."""


class Database(Protocol):
    """One database, at one place. Whatever blocks is called in threads."""

    @property
    def shown(self) -> str:
        """Where it is, for logs: without a password."""

    @property
    def place(self) -> str:
        """Which file on which running machine it is; empty if that proves nothing."""

    def exists(self) -> bool:
        """Whether there is one to read; reading one that is away fails."""

    def is_prepared(self, db: Connection) -> bool:
        """Whether it has a schema already, with who leads in it."""

    def lock(self) -> Lock:
        """Take the lock, at once. Raises StoreInUseError, StoreError, OSError."""

    def evict(self) -> None:
        """Have whoever holds the lock, or hinders a new reign, lose it. Raises StoreError.

        For whoever has taken its place, as the Lease says: it may be stopped, or its machine gone.
        """

    def make_room(self) -> None:
        """Give up what was kept free on the disk, which is full."""

    def keep_room(self) -> bool:
        """Keep some of the disk free for later; say whether there is enough of it."""

    def size(self, db: Connection) -> int:
        """How many bytes it takes."""

    def damage(self, db: Connection) -> Sequence[str]:
        """What the database itself finds wrong with how it is stored."""

    def give_back(self, db: Connection) -> bool:
        """Return some of the room that is free to the file system; whether there was any."""

    def open_reader(self) -> Session:
        """Open it to read, by whomever it is written. Raises StoreError."""

    def open_writer(self) -> Session:
        """Open it, brought to the newest schema. Raises StoreError, SchemaTooNewError."""
