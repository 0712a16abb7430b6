"""The file behind the store: objects and settings in SQLite, written in transactions."""

import os
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, TypeAlias

from kubekuma.standalone.feed import Key, Stored

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS objects (
    storage TEXT, namespace TEXT, name TEXT, revision INTEGER NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (storage, namespace, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""

Statement: TypeAlias = tuple[str, tuple[Any, ...]]


class Database:
    """A database with our tables in it. Used by one thread at a time."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        connection.executescript(_SCHEMA)

    def objects(self) -> Iterator[tuple[str, Key, bytes]]:
        """Every object with its storage and key, in order of these."""
        rows = self._connection.execute(
            "SELECT storage, namespace, name, data FROM objects ORDER BY storage, namespace, name"
        )
        for storage, namespace, name, data in rows:
            yield storage, Key(namespace, name), data

    def settings(self) -> dict[str, str]:
        """All settings."""
        return dict(self._connection.execute("SELECT name, value FROM settings"))

    def write(self, statements: Iterable[Statement]) -> None:
        """Execute all ``statements``, or none of them. Raises sqlite3.Error."""
        with self._connection:
            for statement in statements:
                self._connection.execute(*statement)

    def close(self) -> None:
        """Let others have the file."""
        self._connection.close()


def putting(storage: str, version: Stored) -> Statement:
    """What puts an object into the database."""
    values = (storage, *version.key, version.revision, version.data)
    return "INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?)", values


def deleting(storage: str, key: Key) -> Statement:
    """What removes an object from the database."""
    return "DELETE FROM objects WHERE storage = ? AND namespace = ? AND name = ?", (storage, *key)


def setting(name: str, value: str) -> Statement:
    """What remembers a setting."""
    return "INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, value)


def open_database(path: Path) -> Database:
    """Open the database at ``path``, or make it; nobody else can open it meanwhile.

    Raises sqlite3.Error: it is no database, or another process has it open.
    """
    # It holds Secrets. SQLite gives the files beside it the same mode.
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    connection = sqlite3.connect(path, timeout=2, check_same_thread=False)
    try:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = WAL")
        # What is answered survives a power cut too.
        connection.execute("PRAGMA synchronous = FULL")
        return Database(connection)
    except BaseException:
        connection.close()
        raise
