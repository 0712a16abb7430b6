"""Opens a database, whatever state its file is in."""

import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote

import structlog

from kubekuma.record.migrate import migrate

_log = structlog.get_logger(__name__)

# How long a writer waits for another process that holds the lock, a backup for instance.
BUSY_SECONDS: Final = 5.0
# How long a start may look for damage; a large database is only looked at in part.
LOOK_SECONDS: Final = 3.0


def open_writer(path: Path) -> sqlite3.Connection:
    """Open the database of whoever holds its lock, brought to the newest schema.

    A file that is no database any more is moved aside.
    """
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


def open_reader(path: Path) -> sqlite3.Connection:
    """Open the database to read, by whomever it is written; a file that is not there stays so."""
    # Not mode=ro: what a writer left behind that was killed is for the next one to tidy up, which
    # may be us.
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?mode=rw",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.execute("PRAGMA query_only = ON")
    return connection


def _look_for_damage(connection: sqlite3.Connection) -> None:
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


def _connect(path: Path, *prepare: Callable[[sqlite3.Connection], object]) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        # Of a new file only, and before anything is in it: so that it can be made shorter later.
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA wal_autocheckpoint = 4000")
        for step in prepare:
            step(connection)
    except BaseException:
        connection.close()
        raise
    return connection
