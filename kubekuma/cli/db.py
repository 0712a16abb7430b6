"""``kubekuma db``: look after the history."""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TextIO

from kubekuma.cli.db_import import import_heartbeats
from kubekuma.cli.environment import Mistake, declare_database, prepare_folder, read_database
from kubekuma.cli.progress import Progress
from kubekuma.model.meta import Key
from kubekuma.record.backup import back_up, restore
from kubekuma.record.database import (
    Database,
    SchemaTooNewError,
    Session,
    StoreError,
    StoreInUseError,
)
from kubekuma.record.export import (
    CSV_COLUMNS,
    Line,
    csv_line,
    csv_row,
    exported,
    json_line,
    portions,
    recorded,
)
from kubekuma.record.inspect import Stats, damage_of, monitors_of, stats
from kubekuma.record.migrate import migrations, require_known
from kubekuma.record.sqlite import SqliteDatabase
from kubekuma.record.times import Window

DONE: Final = 0
FAILED: Final = 1

_LINES: Final[Mapping[str, Line]] = {"csv": csv_line, "jsonl": json_line}


def declare(command: argparse.ArgumentParser) -> None:
    """Declare the command's own commands and their arguments."""
    command.epilog = "Exit status: 0 done, 1 refused, failed, or damage found, 2 called wrongly."
    does = command.add_subparsers(dest="does", required=True, metavar="WHAT")

    def add(
        name: str, purpose: str, run: Callable[[argparse.Namespace, Database], int]
    ) -> argparse.ArgumentParser:
        one = does.add_parser(name, help=purpose, description=purpose)
        declare_database(one)
        one.set_defaults(run=lambda options, environ: _run(run, options, environ))
        return one

    add("stats", "say what there is and how large it is", show_stats).add_argument(
        "--json", action="store_true", help="print it as JSON"
    )
    add("backup", "copy it to a new file, while KubeKuma works", make_backup).add_argument(
        "file", type=Path, metavar="FILE"
    )
    add("restore", "put a backup in its place; KubeKuma must not run", put_back).add_argument(
        "file", type=Path, metavar="FILE"
    )
    export = add("export", "print heartbeats, the oldest first", export_heartbeats)
    export.add_argument("--format", choices=tuple(_LINES), default="csv", help="csv")
    export.add_argument("--namespace", metavar="NAME", help="of these monitors only")
    export.add_argument("--name", metavar="NAME", help="of these monitors only")
    export.add_argument("--since", type=_instant, metavar="TIME", help="RFC 3339, or a date")
    export.add_argument("--until", type=_instant, metavar="TIME", help="the same; not included")
    add(
        "import", "put what was exported as jsonl into the history", import_heartbeats
    ).add_argument("file", metavar="FILE", help="- is standard input")
    add("verify", "read everything, and say what is damaged", verify)


def show_stats(options: argparse.Namespace, database: Database) -> int:
    """Print how large the history is."""
    with _reading(database) as session, session.reading() as db:
        found = stats(db, database)
    if options.json:
        print(json.dumps(_view(found), indent=2))
        return DONE
    print(f"database  {database.shown}")
    print(f"schema    {found.schema}")
    print(f"size      {found.size_bytes / 1e6:,.1f} MB")
    print(f"oldest    {_shown(found.oldest_at)}")
    print(f"newest    {_shown(found.newest_at)}")
    for table, rows in found.rows.items():
        print(f"{table:18}{rows:>14,}")
    return DONE


def make_backup(options: argparse.Namespace, database: Database) -> int:
    """Copy the history to a new file."""
    source = _file(database, "pg_dump --format=custom --file=FILE")
    _must_exist(database)
    back_up(source, options.file, Progress("backup"))
    print(f"{options.file}: {options.file.stat().st_size:,} bytes", file=sys.stderr)
    return DONE


def put_back(options: argparse.Namespace, database: Database) -> int:
    """Have a backup take the history's place."""
    target = _file(database, "pg_restore --clean --dbname=URL FILE")
    prepare_folder(database)
    aside = restore(options.file, target, Progress("restore"))
    print(f"{target} is now what {options.file} was", file=sys.stderr)
    if aside is not None:
        print(f"what it was before is {aside}: delete it when all is well", file=sys.stderr)
    return DONE


def export_heartbeats(options: argparse.Namespace, database: Database) -> int:
    """Print heartbeats."""

    def wanted(key: Key) -> bool:
        return options.namespace in {None, key.namespace} and options.name in {None, key.name}

    with _reading(database) as session:
        with session.reading() as db:
            todo = recorded(db, wanted, options.since, options.until)
        _export(session, todo, options.format, sys.stdout)
    return DONE


def verify(_: argparse.Namespace, database: Database) -> int:
    """Say what is damaged."""
    progress = Progress("verify")
    with _reading(database) as session:
        with session.reading() as db:
            found = [f"{database.shown}: {each}" for each in database.damage(db)]
            series = monitors_of(db)
        for done, (number, key) in enumerate(series, 1):
            # A transaction each: a long one would keep others from tidying up.
            with session.reading() as db:
                for each in damage_of(db, number, key):
                    found.append(f"{key} {_shown(each.at)}: {each.error}")  # noqa: PERF401 - reads well
            progress(done, len(series))
    print(*found, sep="\n", end="\n" if found else "")
    print(f"{len(found)} damaged, {len(series)} monitors read", file=sys.stderr)
    return FAILED if found else DONE


def _run(
    run: Callable[[argparse.Namespace, Database], int],
    options: argparse.Namespace,
    environ: Mapping[str, str],
) -> int:
    try:
        return run(options, read_database(options, environ))
    except BrokenPipeError:
        raise
    except (OSError, StoreError, StoreInUseError, SchemaTooNewError) as error:
        print(f"kubekuma: {error}", file=sys.stderr)
        return FAILED


@contextmanager
def _reading(database: Database) -> Iterator[Session]:
    """A session to read by, of a database of the newest schema."""
    _must_exist(database)
    session = database.open_reader()
    try:
        with session.reading() as db:
            schema, newest = require_known(db), max(step.number for step in migrations())
        if schema < newest:
            raise StoreError(
                f"{database.shown} has schema {schema}, an earlier version's: start KubeKuma of "
                "this version once, which brings it up to date"
            )
        yield session
    finally:
        session.close()


def _export(session: Session, todo: list[tuple[Key, Window]], form: str, out: TextIO) -> None:
    progress, line = Progress("export"), _LINES[form]
    if form == "csv":
        out.write(csv_row(CSV_COLUMNS))
    for done, (key, window) in enumerate(todo, 1):
        for portion in portions(window):
            with session.reading() as db:
                beats = exported(db, key, portion)
            out.writelines(line(key, beat) for beat in beats)
        progress(done, len(todo))


def _file(database: Database, instead: str) -> Path:
    if not isinstance(database, SqliteDatabase):
        raise Mistake(f"{database.shown} is PostgreSQL, which has its own tools: {instead}")
    return database.path


def _must_exist(database: Database) -> None:
    if not database.exists():
        raise Mistake(f"there is no history at {database.shown}: see --data and --database-url")


def _instant(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("must be a time such as 2026-01-31T12:00:00Z") from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)


def _shown(at: datetime | None) -> str:
    return "-" if at is None else at.isoformat(timespec="seconds").replace("+00:00", "Z")


def _view(found: Stats) -> Mapping[str, object]:
    return {
        "schema": found.schema,
        "sizeBytes": found.size_bytes,
        "oldestAt": None if found.oldest_at is None else _shown(found.oldest_at),
        "newestAt": None if found.newest_at is None else _shown(found.newest_at),
        "rows": dict(found.rows),
    }
