"""How large a history grows, and how fast it answers then, in SQLite and in PostgreSQL.

    python benchmarks/history_grown.py [--monitors 1000] [--days 90] [--only sqlite]

First what a heartbeat takes once it is sealed. Then a history of so many monitors, checked each
minute for so many days, in the form that the settings' defaults leave it in; made of 400 different
hours that take turns, inserted hour by hour as they are sealed. It is asked while 10,000 heartbeats
a minute are written by the same store. Then 10,000 monitors with three days of heartbeats and 90 of
spans. Last, the delay of the event loop and of commits while an hour of all of these is sealed, and
while what is too old is dropped.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import trio

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.grown import (
    DAY_MS,
    key_of,
    put_hour,
    put_rows,
    put_series,
    put_spans,
    stored_hours,
)
from support.postgresql import running_postgres

from kubekuma.model.settings import Downsample, Retention
from kubekuma.record.blocks import HOUR_MS, Beat, seal, unseal
from kubekuma.record.database import Connection, Database
from kubekuma.record.days import day_bars
from kubekuma.record.heartbeats import heartbeats
from kubekuma.record.latency import latency_series
from kubekuma.record.sqlite import SqliteDatabase
from kubekuma.record.store import Store
from kubekuma.record.times import Window, epoch_ms
from kubekuma.record.upkeep import UpkeepHealth, keep_up
from kubekuma.record.uptime import uptimes

MANY = 10_000
ROUNDS = 15
# A whole hour, from which the past is counted.
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
NOW_MS = epoch_ms(NOW)
FOUR = ("24h", "7d", "30d", "90d")
BERLIN = ZoneInfo("Europe/Berlin")


def main() -> None:
    """Measure, and print it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--monitors", type=int, default=1000)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--only", choices=("sqlite", "postgresql"))
    options = parser.parse_args()
    codec()
    with ExitStack() as stack:
        if options.only != "postgresql":
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            files = SqliteDatabase(folder / "few.db"), SqliteDatabase(folder / "many.db")
            trio.run(measured, "SQLite", *files, options.monitors, options.days)
        if options.only != "sqlite":
            server = stack.enter_context(running_postgres())
            databases = server.database(), server.database()
            trio.run(measured, "PostgreSQL", *databases, options.monitors, options.days)


def codec() -> None:
    """What a sealed heartbeat takes, and how long it takes to seal it."""
    for interval in (20, 60):
        hours = stored_hours(interval)
        beats = sum(len(hour.beats) for hour in hours)
        began = time.process_time()
        sealed = [seal(0, hour.beats) for hour in hours]
        took = time.process_time() - began
        began = time.process_time()
        for block in sealed:
            unseal(0, *block)
        back = time.process_time() - began
        print(
            f"sealed, each {interval} s: {sum(len(it.beats) for it in sealed) / beats:.2f} bytes a"
            f" heartbeat, phases and messages {sum(len(it.details) for it in sealed) / beats:.2f};"
            f" {took / beats * 1e6:.1f} us to seal, {back / beats * 1e6:.1f} us to read;"
            f" figures of an hour {sum(len(it.figures) for it in hours) / len(hours):.0f} bytes,"
            f" of its buckets {sum(len(it.buckets) for it in hours) / len(hours):.0f}"
        )


async def measured(name: str, few: Database, many: Database, monitors: int, days: int) -> None:
    """Everything about one kind of database."""
    print(f"\n{name}: {monitors} monitors each 60 s for {days} days")
    store = await trio.to_thread.run_sync(Store, few, None)
    await grow(store, few, monitors, days)
    await ask(store, monitors)
    await trio.to_thread.run_sync(store.close)
    print(f"\n{name}: {MANY} monitors")
    store = await trio.to_thread.run_sync(Store, many, None)
    await grow_many(store)
    await ask_many(store)
    await upkeep(store)
    await trio.to_thread.run_sync(store.close)


async def grow(store: Store, database: Database, monitors: int, days: int) -> None:
    """Fill it hour by hour, and print what each form takes."""
    hours = stored_hours()
    usual = Retention()
    await store.write(put_series, monitors)
    before, began = await store.read(database.size), time.perf_counter()
    forms: dict[str, list[int]] = {}
    for back in range(days * 24, 0, -1):
        thinned = back > 24 * usual.downsample.older_than_days
        details = back <= 24 * usual.checks_days
        put = partial(put_hour, details=details, thinned=thinned)
        await store.write(put, hours, monitors, NOW_MS - back * HOUR_MS)
        form = "buckets" if thinned else "details" if details else "beats"
        if back % 24 == 1:
            forms.setdefault(form, []).append(await store.read(database.size))
    for hour in (NOW_MS, NOW_MS + HOUR_MS):
        await store.write(put_rows, hours, range(1, monitors + 1), hour)
    await store.write(put_spans, monitors, NOW_MS - days * DAY_MS, NOW_MS)
    size = await store.read(database.size)
    print(f"  made in {time.perf_counter() - began:.0f} s: {(size - before) / 1e6:.0f} MB")
    names = {
        "buckets": "buckets of 10 minutes and figures of hours",
        "beats": "heartbeats and figures of hours",
        "details": "the same with phases and messages",
    }
    for form, sizes in forms.items():
        if len(sizes) > 4:
            each = (sizes[-1] - sizes[1]) / (len(sizes) - 2) / monitors / 1440
            print(f"  a heartbeat in the file, {names[form]}: {each:.2f} bytes")


async def grow_many(store: Store) -> None:
    """10,000 monitors: three days of heartbeats, two hours of them as rows, 90 days of spans."""
    hours = stored_hours()
    await store.write(put_series, MANY)
    for back in range(72, 2, -1):
        put = partial(put_hour, details=True, thinned=False)
        await store.write(put, hours, MANY, NOW_MS - back * HOUR_MS)
    for start in range(1, MANY + 1, 1000):
        for hour in (NOW_MS - 2 * HOUR_MS, NOW_MS - HOUR_MS):
            await store.write(put_rows, hours, range(start, start + 1000), hour)
    spans = await store.write(put_spans, MANY, NOW_MS - 90 * DAY_MS, NOW_MS)
    print(f"  {spans} spans in 90 days")


async def ask(store: Store, monitors: int) -> None:
    """What people ask of some monitors."""
    key = key_of(monitors // 2)
    fifty = [key_of(n) for n in range(1, monitors, max(1, monitors // 50))][:50]
    now = NOW + timedelta(hours=2)

    def last(days: float) -> Window:
        return Window(since=now - timedelta(days=days), until=now)

    async with writing(store, monitors):
        await timed("last 100 heartbeats", lambda: store.read(heartbeats, key, last(90), 100))
        old = Window(since=NOW - timedelta(days=25), until=NOW - timedelta(days=20))
        await timed("100 of three weeks ago", lambda: store.read(heartbeats, key, old, 100))
        await timed(
            "last 100 that failed", lambda: store.read(heartbeats, key, last(90), 100, "failed")
        )
        await timed("90-day bars of 50", lambda: store.read(day_bars, fifty, BERLIN, 90, now))
        await timed(
            "latency, a day, 300 points", lambda: store.read(latency_series, key, last(1), 300)
        )
        await timed("latency, a week, 1008", lambda: store.read(latency_series, key, last(7), 1100))
        await timed("latency, 90 days, 300", lambda: store.read(latency_series, key, last(90), 300))
        await timed(f"uptime 24h 7d 30d 90d of {monitors}", lambda: store.read(uptimes, FOUR, now))


async def ask_many(store: Store) -> None:
    """What is asked of all monitors."""
    async with writing(store, MANY):
        window = Window(since=NOW - timedelta(days=3), until=NOW)
        await timed(
            "last 100 heartbeats", lambda: store.read(heartbeats, key_of(5000), window, 100)
        )
        await timed(f"uptime 24h 7d 30d 90d of {MANY}", lambda: store.read(uptimes, FOUR, NOW))
        fifty = [key_of(n) for n in range(1, MANY, MANY // 50)]
        await timed("90-day bars of 50", lambda: store.read(day_bars, fifty, BERLIN, 90, NOW))


async def upkeep(store: Store) -> None:
    """Seal an hour of 10,000 monitors, then drop a day of them, beside the usual writes."""
    whole = Retention(downsample=Downsample(enabled=False))
    for what, retention, later in (
        ("nothing", None, timedelta()),
        ("sealing an hour", whole, timedelta(hours=2)),
        ("dropping a day", Retention(heartbeats_days=2, checks_days=1), timedelta(hours=2)),
    ):
        health = UpkeepHealth(pruned_at=NOW + later if what == "sealing an hour" else None)
        ticks: list[float] = []
        async with writing(store, MANY) as commits, trio.open_nursery() as nursery:
            nursery.start_soon(tick, ticks)
            began = time.perf_counter()
            if retention is None:
                await trio.sleep(10)
            else:
                await keep_up(store, health, retention, NOW + later)
            took = time.perf_counter() - began
            nursery.cancel_scope.cancel()
        print(
            f"  {what:22} {took:6.1f} s; the loop is late by ms p50 {share(ticks, 50):.1f},"
            f" p99 {share(ticks, 99):.1f}, most {1000 * max(ticks):.1f};"
            f" a commit takes p50 {share(commits, 50):.1f}, p99 {share(commits, 99):.1f},"
            f" most {1000 * max(commits):.1f}"
        )


async def timed(what: str, run: Callable[[], Awaitable[Any]]) -> None:
    """Print how long ``run`` takes: the first time, usually, at most."""
    took = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        await run()
        took.append(1000 * (time.perf_counter() - began))
        await trio.sleep(0.03)
    print(
        f"  {what:34} ms {statistics.median(took):7.1f} (first {took[0]:.1f}, most {max(took):.1f})"
    )


def share(seconds: list[float], percent: int) -> float:
    """A percentile, in ms."""
    return 1000 * statistics.quantiles(seconds, n=100)[percent - 1]


async def tick(found: list[float]) -> None:
    """Note by how much the loop is late, each ms."""
    while True:
        began = time.perf_counter()
        await trio.sleep(0.001)
        found.append(time.perf_counter() - began - 0.001)


@asynccontextmanager
async def writing(store: Store, monitors: int) -> AsyncIterator[list[float]]:
    """Meanwhile 10,000 heartbeats a minute are written, four times a second; how long each took."""
    took: list[float] = []

    async def write() -> None:
        number = 0
        while True:
            began = time.perf_counter()
            await store.write(put_now, number, monitors)
            took.append(time.perf_counter() - began)
            number += 1
            await trio.sleep(0.25)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(write)
        yield took
        nursery.cancel_scope.cancel()


def put_now(db: Connection, number: int, monitors: int) -> None:
    """A quarter of a second's heartbeats of 10,000 a minute."""
    at = epoch_ms(datetime.now(UTC))
    marks = ", ".join("?" * (1 + len(Beat._fields)))
    beat = ("passed", "Passed", "", 69_500, 800, 10_400, 21_300, 34_500, 2_500, 200, 1)
    rows = [(1 + (number * 42 + each) % monitors, at, *beat) for each in range(42)]
    db.executemany(f"INSERT INTO heartbeats VALUES ({marks}) ON CONFLICT DO NOTHING", rows)  # noqa: S608


if __name__ == "__main__":
    main()
