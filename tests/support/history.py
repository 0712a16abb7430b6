"""A history store in a folder of the test's own."""

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import trio

from kubekuma.record.database import Connection
from kubekuma.record.migrate import migrate
from kubekuma.record.sqlite import SqliteDatabase
from kubekuma.record.store import Store


@asynccontextmanager
async def open_store(path: Path) -> AsyncIterator[Store]:
    """The store, closed again at the end."""
    store = await trio.to_thread.run_sync(Store, SqliteDatabase(path))
    try:
        yield store
    finally:
        store.close()


@contextmanager
def memory() -> Iterator[Connection]:
    """A database of the newest schema, in memory."""
    database = sqlite3.connect(":memory:", isolation_level=None)
    migrate(database)
    try:
        yield database
    finally:
        database.close()


def rows(path: Path, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """What another connection to the same file sees."""
    database = sqlite3.connect(path)
    try:
        return database.execute(sql, parameters).fetchall()
    finally:
        database.close()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another process that holds the database's lock."""
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.rollback()
        other.close()


def files(folder: Path, pattern: str = "*") -> list[Path]:
    """The files in ``folder``, in order."""
    return sorted(folder.glob(pattern))
