"""Brings a database to the newest schema: numbered files, forward only."""

import sqlite3
from collections.abc import Iterator
from importlib.resources import files

import attrs


class SchemaTooNewError(Exception):
    """The database was written by a newer KubeKuma than this one."""


@attrs.frozen
class Migration:
    """One step: its number, its title, its statements."""

    number: int
    title: str
    sql: str


def migrations() -> Iterator[Migration]:
    """All steps, in order."""
    folder = files("kubekuma.record") / "migrations"
    for file in sorted(folder.iterdir(), key=lambda each: each.name):
        number, _, title = file.name.removesuffix(".sql").partition("_")
        if number.isdigit():
            yield Migration(int(number), title, file.read_text(encoding="utf-8"))


def migrate(database: sqlite3.Connection) -> int:
    """Take every step that ``database`` has not taken; return the schema's number.

    Each step is a transaction of its own. Raises SchemaTooNewError, and
    changes nothing, if the database has taken steps that we do not know.
    """
    database.execute("CREATE TABLE IF NOT EXISTS schema_version (number INTEGER PRIMARY KEY)")
    (taken,) = database.execute("SELECT COALESCE(MAX(number), 0) FROM schema_version").fetchone()
    steps = list(migrations())
    newest = steps[-1].number
    if taken > newest:
        raise SchemaTooNewError(
            f"the database has schema {taken}, and this program knows {newest} at most: "
            "start the newer version that wrote it, or restore a backup made before it"
        )
    for step in steps:
        if step.number > taken:
            database.executescript(
                f"BEGIN IMMEDIATE;\n{step.sql}\n"
                f"INSERT INTO schema_version VALUES ({step.number});\nCOMMIT;"
            )
    return newest
