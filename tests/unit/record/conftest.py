"""What the history is kept in: every query is asked of both."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.history import memory
from support.postgresql import Postgres, postgres

from kubekuma.record.database import Connection, Database
from kubekuma.record.sqlite import SqliteDatabase

__all__ = ["postgres"]

BOTH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.servers)]


@pytest.fixture(params=BOTH)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return SqliteDatabase(tmp_path / "history.db")
    server: Postgres = request.getfixturevalue("postgres")
    return server.database()


@pytest.fixture(params=BOTH)
def db(request: pytest.FixtureRequest) -> Iterator[Connection]:
    """A connection to a database of the newest schema, of each kind, within a transaction."""
    if request.param == "sqlite":
        with memory() as connection:
            yield connection
        return
    server: Postgres = request.getfixturevalue("postgres")
    session = server.database().open_writer()
    with session.writing(durable=False) as connection:
        yield connection
    session.close()
