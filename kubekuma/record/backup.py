"""Copies of SQLite's file: taken while it is written to, and put back when nobody does."""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final, TypeAlias

from kubekuma.record.database import StoreBrokenError, StoreError
from kubekuma.record.lock import DatabaseLock
from kubekuma.record.migrate import require_known
from kubekuma.record.opening import BUSY_SECONDS, open_reader

# Done, and of how many.
Progress: TypeAlias = Callable[[int, int], None]

_PAGES: Final = 1024
_SUFFIXES: Final = ("", "-wal", "-shm")


def back_up(source: Path, target: Path, progress: Progress) -> None:
    """Copy the database ``source`` as it is now to the new file ``target``, readable to us alone.

    Whoever writes to ``source`` meanwhile is not held up. Raises StoreError,
    and OSError (FileExistsError).
    """
    partial = _beside(target, "partial")
    if target.exists():
        raise FileExistsError(f"{target} exists already, and is not overwritten")
    with _ours(), closing(open_reader(source)) as connection:
        _copy(connection, partial, progress)
    try:
        # Unlike a rename, this never replaces what somebody else has put there meanwhile.
        os.link(partial, target)
    except FileExistsError:
        partial.unlink()
        raise
    except OSError:
        # Not every file system of a stick has links.
        partial.rename(target)
    else:
        partial.unlink()
    _sync(target.parent)


def restore(backup: Path, target: Path, progress: Progress) -> Path | None:
    """Have ``backup`` take the place of ``target``; return where that was moved, if it was there.

    Raises StoreBrokenError for what is no history, or a damaged one,
    SchemaTooNewError, StoreInUseError while a program works with ``target``,
    StoreError and OSError. Whatever is raised, ``target`` is as it was.
    """
    lock = DatabaseLock(target)
    try:
        with _ours(), closing(_unchanged(backup)) as connection:
            _look_through(connection, backup)
            restored = _beside(target, "restoring")
            _copy(connection, restored, progress)
        aside = _move_aside(target) if target.exists() else None
        restored.replace(target)
        _sync(target.parent)
    finally:
        lock.release()
    return aside


def _unchanged(path: Path) -> sqlite3.Connection:
    """Open a file to read, and leave nothing beside it."""
    path.stat()
    uri = f"{path.resolve().as_uri()}?mode=ro"
    if not Path(f"{path}-wal").exists():
        uri += "&immutable=1"
    return sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None)


def _look_through(connection: sqlite3.Connection, path: Path) -> None:
    named = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    if not {"schema_version", "series", "heartbeats"} <= {name for (name,) in named}:
        raise StoreBrokenError(f"{path} is a database, and no history of KubeKuma")
    require_known(connection)
    (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if found != "ok":
        raise StoreBrokenError(f"{path} is damaged: {found}")


def _copy(connection: sqlite3.Connection, target: Path, progress: Progress) -> None:
    """Copy what ``connection`` sees now to the file ``target``, or leave nothing."""
    target.unlink(missing_ok=True)
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        with closing(sqlite3.connect(target, isolation_level=None)) as copy:
            # One state of it: otherwise, each commit of another would have it begin anew.
            connection.execute("BEGIN")
            connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
            connection.backup(
                copy,
                pages=_PAGES,
                progress=lambda _, left, pages: progress(pages - left, pages),
                sleep=0.0,
            )
            connection.rollback()
            copy.execute("PRAGMA journal_mode = DELETE")
        with target.open("rb") as file:
            os.fsync(file.fileno())
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _move_aside(path: Path) -> Path:
    aside = _beside(path, f"before-restore-{int(time.time())}")
    for suffix in _SUFFIXES:
        with suppress(FileNotFoundError):
            Path(f"{path}{suffix}").rename(f"{aside}{suffix}")
    return aside


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(f"{path.name}.{suffix}")


def _sync(folder: Path) -> None:
    """Have the names in ``folder`` survive a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _ours() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise StoreError(str(error)) from error
    except sqlite3.DatabaseError as error:
        raise StoreBrokenError(str(error)) from error
