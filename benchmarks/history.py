"""How fast heartbeats are written, to SQLite and to PostgreSQL, by the product's own store.

    python benchmarks/history.py [--rows 100000]

Batches of 500 rows, as the recorder makes them under load. Beside it, the same rows with a
transaction each, as programs write that insert each heartbeat when it comes (SQLite, WAL,
synchronous=NORMAL; a tenth of the rows).
"""

import argparse
import sqlite3
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trio

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.postgresql import running_postgres

from kubekuma.model.meta import Key
from kubekuma.model.result import Outcome, Reason, Timings
from kubekuma.model.state import Heartbeat
from kubekuma.record.database import Connection, Database
from kubekuma.record.heartbeats import Row, heartbeat_row, insert_heartbeats
from kubekuma.record.migrate import migrate
from kubekuma.record.sqlite import SqliteDatabase
from kubekuma.record.states import series_of
from kubekuma.record.store import Store

BATCH = 500
SERIES = 1000
START = datetime(2026, 1, 1, tzinfo=UTC)


def main() -> None:
    """Measure, and print a row for each."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100_000)
    count = parser.parse_args().rows
    print(f"{count} heartbeats of {SERIES} monitors{'':4} {'rows/s':>9} {'CPU µs a row':>13}")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        trio.run(measured, "SQLite", SqliteDatabase(folder / "history.db"), count)
        one_by_one(folder / "naive.db", count // 10)
        server = stack.enter_context(running_postgres())
        trio.run(measured, "PostgreSQL", server.database(), count)


async def measured(name: str, database: Database, count: int) -> None:
    """Write ``count`` heartbeats by the store."""
    store = await trio.to_thread.run_sync(Store, database, None)
    try:
        series = await store.write(made)
        beats = rows(series, count)
        wall, cpu = time.perf_counter(), time.process_time()
        for start in range(0, count, BATCH):
            await store.write(insert_heartbeats, beats[start : start + BATCH])
        show(name, count, time.perf_counter() - wall, time.process_time() - cpu)
    finally:
        await trio.to_thread.run_sync(store.close)


def one_by_one(path: Path, count: int) -> None:
    """Write ``count`` heartbeats, each in a transaction of its own."""
    with sqlite3.connect(path, isolation_level=None) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=NORMAL")
        migrate(database)
        beats = rows(made(database), count)
        wall, cpu = time.perf_counter(), time.process_time()
        for beat in beats:
            insert_heartbeats(database, [beat])
        show("SQLite, one by one", count, time.perf_counter() - wall, time.process_time() - cpu)


def show(name: str, count: int, wall: float, cpu: float) -> None:
    """Print a row."""
    print(f"{name:37} {count / wall:9.0f} {cpu / count * 1e6:13.1f}")


def made(db: Connection) -> list[int]:
    """The series of the monitors."""
    return [series_of(db, Key("shop", f"m{number}"), f"u{number}") for number in range(SERIES)]


def rows(series: list[int], count: int) -> list[Row]:
    """Heartbeats, a minute apart for each of ``series``, as they come."""
    timings = Timings(dns=0.0012, connect=0.0104, tls=0.0213, first_byte=0.0345, transfer=0.0021)
    return [
        heartbeat_row(
            series[number % len(series)],
            Heartbeat(
                at=START + timedelta(milliseconds=60_000 * number // len(series)),
                outcome=Outcome.PASSED,
                reason=Reason.PASSED,
                latency_seconds=0.0695,
                timings=timings,
                status_code=200,
            ),
        )
        for number in range(count)
    ]


if __name__ == "__main__":
    main()
