"""``kubekuma db import``: heartbeats that were exported, back into a history."""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final, ParamSpec, Protocol, TypeVar

from kubekuma.cli.environment import prepare_folder
from kubekuma.cli.progress import Progress
from kubekuma.model.meta import Key
from kubekuma.record.blocks import Beat
from kubekuma.record.database import Database, StoreInUseError
from kubekuma.record.importing import parse_line, put_beats
from kubekuma.record.leadership import read_reign, reigns
from kubekuma.record.store import Query
from kubekuma.record.times import epoch_ms
from kubekuma.record.upkeep import SEAL_AFTER
from kubekuma.validate.rule import Refused

DONE: Final = 0
FAILED: Final = 1

# So many heartbeats of a monitor are imported in one transaction.
PORTION: Final = 2000
LONGEST_LINE: Final = 1 << 20

P = ParamSpec("P")
T = TypeVar("T")


class Write(Protocol):
    """Runs what it is given on a connection, in a transaction of its own."""

    def __call__(self, change: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what it returns."""


def import_heartbeats(options: argparse.Namespace, database: Database) -> int:
    """Put heartbeats into the history; again, if need be: what is there stays as it is."""
    prepare_folder(database)
    with _opened(options.file) as file, _writing(database) as write:
        return _import(file, options.file, write)


def _import(file: BinaryIO, name: str, write: Write) -> int:
    read = new = dropped = 0
    waiting: tuple[Key, list[Beat]] | None = None
    progress = _Reading(file)
    now = datetime.now(UTC)
    border = epoch_ms(now - SEAL_AFTER)

    def flush() -> None:
        nonlocal waiting, new, dropped
        if waiting is not None:
            put = write(put_beats, *waiting, border)
            new, dropped, waiting = new + put.new, dropped + put.dropped, None
            progress()

    refused = None
    for number, line in enumerate(iter(partial(file.readline, LONGEST_LINE), b""), 1):
        found = parse_line(line, now)
        if isinstance(found, Refused):
            refused = f"{name}, line {number}: {'; '.join(map(str, found.errors))}"
            break
        key, beat = found
        if waiting is not None and (waiting[0] != key or len(waiting[1]) >= PORTION):
            flush()
        waiting = waiting or (key, [])
        waiting[1].append(beat)
        read += 1
    flush()
    print(f"{read} heartbeats read, {new} of them new", file=sys.stderr)
    if dropped:
        print(f"{dropped} are of hours that retention has dropped, and stay so", file=sys.stderr)
    if refused:
        print(f"kubekuma: {refused}", file=sys.stderr)
        print("what stands before it is imported, and may be so again", file=sys.stderr)
    return FAILED if refused else DONE


class _Reading:
    """How far a file is read, if it has an end."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._progress = file, Progress("import")
        self._bytes = os.fstat(file.fileno()).st_size if file.seekable() else 0

    def __call__(self) -> None:
        if self._bytes:
            self._progress(self._file.tell(), self._bytes)


@contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    if name == "-":
        yield sys.stdin.buffer
        return
    with Path(name).open("rb") as file:
        yield file


@contextmanager
def _writing(database: Database) -> Iterator[Write]:
    """What writes to a database of which we are the only writer, until another leads with it."""
    lock = database.lock()
    try:
        session = database.open_writer()
        try:
            with session.reading() as db:
                reign = read_reign(db)

            def write(change: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
                with session.writing(durable=True) as db:
                    if reigns(db, reign.epoch) if reign else read_reign(db) is None:
                        return change(db, *args, **kwargs)
                raise StoreInUseError(f"another KubeKuma works with {database.shown} now")

            yield write
        finally:
            session.close()
    finally:
        lock.release()
