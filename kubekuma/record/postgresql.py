"""PostgreSQL, by psycopg in threads: for more than one replica, and for backups as usual.

Every wait has an end: connecting, a statement, a lock, a transaction that its
process has forgotten, and a commit that is never answered. A connection on
which anything has failed is thrown away; what was under way may or may not
have been committed, and is written so that doing it twice is once.
"""

import os
import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from functools import lru_cache
from threading import Event, Timer
from typing import Any, Final

import psycopg
from psycopg import IsolationLevel
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from kubekuma.record.database import Connection, Lock, Session, StoreError, StoreInUseError
from kubekuma.record.migrate import migrate_postgresql

CONNECT_SECONDS: Final = 5
STATEMENT_SECONDS: Final = 30
# Longer than the lock of a leader that is no longer one lasts.
LOCK_SECONDS: Final = 15
IDLE_SECONDS: Final = 10
# Of a machine that is gone, packets are answered by nobody.
SILENCE_SECONDS: Final = 15
# What a whole transaction may take, or else the connection is cut, at our end: a COMMIT heeds no
# timeout of the server's, and waits for a replica, or behind a proxy, as long as that is away.
ANSWER_SECONDS: Final = 40.0
# A new schema for a large database has its time, and only this end.
MIGRATE_SECONDS: Final = 3600.0
# Of the lock that a process holds while it works: "kubekuma", as a number.
LOCK_NUMBER: Final = int.from_bytes(b"kubekuma", "big")

# Of a leader: the session with its lock, and the one whose transaction keeps the row of the epoch.
# The server ends neither by itself while it waits for the rest of a batch.
_EVICT: Final = """
    SELECT pg_terminate_backend(pid) FROM pg_locks
    WHERE granted AND pid <> pg_backend_pid()
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND (
        locktype = 'advisory' AND classid = %s AND objid = %s
        OR relation = to_regclass('leadership') AND mode IN ('RowShareLock', 'RowExclusiveLock')
    )
"""

_OURS: Final = re.compile(r"/\* (FOR SHARE|MATERIALIZED) \*/")
_PARAMETER: Final = re.compile(r"\?|:([a-z_]\w*)|%")


class PostgresDatabase:
    """The database at ``url``. What it leaves out, the variables of libpq say (PGPASSWORD, …)."""

    def __init__(self, url: str) -> None:
        """Raises ValueError (a message that starts with "must") for what is no such URL."""
        try:
            parts = conninfo_to_dict(url)
        except psycopg.Error as error:
            raise ValueError("must be postgresql://USER@HOST:PORT/DATABASE") from error
        settings: dict[str, Any] = {
            "application_name": "kubekuma",
            "connect_timeout": CONNECT_SECONDS,
            "tcp_user_timeout": SILENCE_SECONDS * 1000,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            **parts,
            "options": _options(str(parts.get("options") or "")),
        }
        self._conninfo = make_conninfo(**settings)
        self.shown = "postgresql://{user}@{host}:{port}/{dbname}".format(
            **{"user": "", "host": "", "port": "5432", "dbname": "", **parts}
        )

    # A server elsewhere proves nothing of the processes that use it.
    place = ""

    def exists(self) -> bool:
        """There is one, or it is to be waited for."""
        return True

    def is_prepared(self, db: Connection) -> bool:
        """Whether it has a schema already."""
        (found,) = db.execute("SELECT to_regclass('leadership')").fetchone()
        return found is not None

    def lock(self) -> Lock:
        """Take an advisory lock of a session. Raises StoreInUseError, StoreError.

        It refuses others early, and no more: with its session it is lost. What
        must not happen twice is fenced by the epoch.
        """
        lock = _SessionLock(self._connect(autocommit=True))
        try:
            taken = lock.take()
        except BaseException:
            lock.release()
            raise
        if not taken:
            lock.release()
            raise StoreInUseError(f"another KubeKuma works with {self.shown}")
        return lock

    def evict(self) -> None:
        """End the sessions that hold the lock, or keep the row. Raises StoreError."""
        with (
            closing(self._connect(autocommit=True)) as connection,
            _answered(connection, ANSWER_SECONDS),
        ):
            connection.execute(_EVICT, (LOCK_NUMBER >> 32, LOCK_NUMBER & 0xFFFFFFFF))

    def make_room(self) -> None:
        """Do nothing: the server's disk is its own."""

    def keep_room(self) -> bool:
        """The server says it when its disk is full."""
        return True

    def size(self, db: Connection) -> int:
        """What the server says that it takes on its disk."""
        (found,) = db.execute("SELECT pg_database_size(current_database())").fetchone()
        return int(found)

    def damage(self, db: Connection) -> Sequence[str]:  # noqa: ARG002 - part of Database
        """Nothing that could be asked of a server: it looks at its checksums itself."""
        return ()

    def give_back(self, db: Connection) -> bool:  # noqa: ARG002 - part of Database
        """Do nothing: the server's own vacuum sees to it."""
        return False

    def open_reader(self) -> Session:
        """Connect. Raises StoreError."""
        connection = self._connect()
        connection.read_only = True
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        return _PostgresSession(connection)

    def open_writer(self) -> Session:
        """Connect, and bring the schema up to date. Raises StoreError, SchemaTooNewError."""
        connection = self._connect()
        try:
            with _answered(connection, MIGRATE_SECONDS), connection.transaction():
                connection.execute("SET LOCAL statement_timeout = 0")
                migrate_postgresql(_Translating(connection))
        except BaseException:
            connection.close()
            raise
        return _PostgresSession(connection)

    def _connect(self, *, autocommit: bool = False) -> "psycopg.Connection[Any]":
        with _ours():
            return psycopg.connect(self._conninfo, autocommit=autocommit)


class _SessionLock:
    def __init__(self, connection: "psycopg.Connection[Any]") -> None:
        self._connection = connection

    @property
    def held(self) -> bool:
        return _is_there(self._connection)

    def take(self) -> bool:
        with _answered(self._connection, ANSWER_SECONDS):
            asked = "SELECT pg_try_advisory_lock(%s)"
            (taken,) = self._connection.execute(asked, (LOCK_NUMBER,)).fetchone() or (False,)
            return bool(taken)

    def release(self) -> None:
        with suppress(psycopg.Error):
            self._connection.close()


class _PostgresSession:
    def __init__(self, connection: "psycopg.Connection[Any]") -> None:
        self._connection = connection

    @property
    def usable(self) -> bool:
        return _is_there(self._connection)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        with self._used(), self._connection.transaction(force_rollback=True):
            yield _Translating(self._connection)

    @contextmanager
    def writing(self, *, durable: bool) -> Iterator[Connection]:
        with self._used(), self._connection.transaction():
            if not durable:
                self._connection.execute("SET LOCAL synchronous_commit = off")
            yield _Translating(self._connection)

    def close(self) -> None:
        with suppress(psycopg.Error):
            self._connection.close()

    @contextmanager
    def _used(self) -> Iterator[None]:
        try:
            with _answered(self._connection, ANSWER_SECONDS):
                yield
        except BaseException:
            self.close()
            raise


class _Translating:
    """Takes statements as SQLite writes their parameters."""

    def __init__(self, connection: "psycopg.Connection[Any]") -> None:
        self._connection = connection

    def execute(self, sql: str, parameters: Any = (), /) -> "psycopg.Cursor[Any]":
        return self._connection.execute(translated(sql).encode(), parameters)

    def executemany(self, sql: str, rows: Any, /) -> object:
        with self._connection.cursor() as cursor:
            cursor.executemany(translated(sql).encode(), rows)
        return None


@lru_cache(maxsize=256)
def translated(sql: str) -> str:
    """The statement ``sql`` with psycopg's marks for parameters.

    ``/* FOR SHARE */`` is what SQLite, whose writer is alone, takes for a comment, and
    ``/* MATERIALIZED */`` what it would only be slower by.
    """
    return _OURS.sub(r"\1", _PARAMETER.sub(_mark, sql))


def _mark(found: re.Match[str]) -> str:
    if found.group() == "%":
        return "%%"
    return f"%({found.group(1)})s" if found.group(1) else "%s"


def _options(given: str) -> str:
    bounds = {
        "statement_timeout": f"{STATEMENT_SECONDS}s",
        "lock_timeout": f"{LOCK_SECONDS}s",
        "idle_in_transaction_session_timeout": f"{IDLE_SECONDS}s",
        # The server, too, is to notice soon that a machine is gone: by default, after two hours.
        "tcp_keepalives_idle": "10",
        "tcp_keepalives_interval": "5",
        "tcp_keepalives_count": "3",
        "tcp_user_timeout": f"{SILENCE_SECONDS}s",
    }
    ours = " ".join(f"-c {name}={value}" for name, value in bounds.items())
    return f"{ours} {given}".strip()


def _is_there(connection: "psycopg.Connection[Any]") -> bool:
    """Whether the server has not ended ``connection``, as far as was heard of it; asks nobody."""
    try:
        # The first may read its farewell, the second that nothing follows.
        connection.pgconn.consume_input()
        connection.pgconn.consume_input()
    except psycopg.Error:
        return False
    return True


@contextmanager
def _answered(connection: "psycopg.Connection[Any]", seconds: float) -> Iterator[None]:
    """Cut ``connection`` if what is done with it takes longer than ``seconds``."""
    late = Event()
    # A descriptor of our own: that of a connection which fails may be another's a moment later.
    with _ours(), socket.socket(fileno=os.dup(connection.fileno())) as plug:

        def cut() -> None:
            late.set()
            with suppress(OSError):
                plug.shutdown(socket.SHUT_RDWR)

        timer = Timer(seconds, cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        except psycopg.Error as error:
            if late.is_set():
                raise StoreError(f"PostgreSQL gave no answer for {seconds:g} s") from error
            raise
        finally:
            timer.cancel()
            timer.join()


@contextmanager
def _ours() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        # The first line says what; the others may quote a row.
        said = str(error).strip().partition("\n")[0]
        raise StoreError(said or type(error).__name__) from error
