"""Everything is down at once: how long until all of it is recorded, and told; and who waits.

    python benchmarks/alerts_storm.py [--monitors 5000]

The monitors of ten namespaces fail within a second: results are judged, written, planned and sent
as in the program, which has no cluster here. Some people are told, a message for each namespace;
meanwhile a clock ticks beside that, and notes how late it is.
"""

import argparse
import gc
import math
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, cast

import httpx
import structlog
import trio
from alerts import document, receiver

from kubekuma.alerting import Alerting
from kubekuma.app import COLLECTIONS
from kubekuma.kube.secrets import SecretCache, Values
from kubekuma.model.kinds import MONITOR, POLICY, PROVIDER
from kubekuma.model.meta import Key
from kubekuma.model.monitor import Monitor
from kubekuma.model.result import CheckResult, Reason
from kubekuma.model.state import Checked
from kubekuma.parts import Config, Parts
from kubekuma.record.database import Connection
from kubekuma.record.ledger import Ledger
from kubekuma.record.service import Event, run_recorder
from kubekuma.record.sqlite import SqliteDatabase
from kubekuma.record.store import Readers, Store
from kubekuma.record.writer import Writer
from kubekuma.telling import Telling
from kubekuma.validate.load import load

HOME = "monitoring"
NAMESPACES = 10
WAIT_SECONDS = 5
TICK_SECONDS = 0.002
STEPS = {
    "recorded": "SELECT COUNT(*) FROM incidents",
    "planned": "SELECT COUNT(*) FROM deliveries",
    "told": "SELECT COUNT(*) FROM deliveries WHERE status = 'sent'",
}


def main() -> None:
    """Measure, and print it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--monitors", type=int, default=5000)
    options = parser.parse_args()
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    with receiver() as url, tempfile.TemporaryDirectory() as folder:
        trio.run(storm, Path(folder), url, options.monitors)


async def storm(folder: Path, url: str, count: int) -> None:
    """Have all monitors fail within a second, and wait until everything is told."""
    database = SqliteDatabase(folder / "history.db")
    store = await trio.to_thread.run_sync(Store, database, None)
    parts = await parts_of(database, url)
    monitors = put(parts, count)
    telling = Telling(parts, store)
    alerting = Alerting(parts, store, telling, lambda _: None, {}, lambda _: "")
    writer = Writer(store, alerting.noticed, parts.store_health)
    late: list[float] = []
    gc.set_threshold(*COLLECTIONS)
    gc.freeze()
    async with trio.open_nursery() as nursery:
        events_in, events_out = trio.open_memory_channel[Event](1000)
        recorder = partial(
            run_recorder,
            events_out,
            parts.ledger,
            writer,
            parts.running,
            ask_recheck=lambda _, __: None,
            timeout_of=parts.checking.timeout_of,
            now=lambda: datetime.now(UTC),
        )
        await nursery.start(recorder)
        for run in (telling.run, alerting.run):
            nursery.start_soon(run)
        await all_of(monitors, Reason.PASSED, events_in)
        await until(store, "SELECT COUNT(*) FROM series", count)
        nursery.start_soon(tick, late)
        began, cpu = time.perf_counter(), time.process_time()
        await all_of(monitors, Reason.STATUS_MISMATCH, events_in)
        rows = [("down", time.perf_counter() - began)]
        for name, sql in STEPS.items():
            await until(store, sql, count)
            rows.append((name, time.perf_counter() - began))
        cpu = time.process_time() - cpu
        nursery.cancel_scope.cancel()
    await trio.to_thread.run_sync(store.close)
    late.sort()
    print(f"{count} monitors down, {NAMESPACES} groups of them")
    for name, seconds in rows:
        print(f"{'all ' + name:29} {seconds:11.1f} s")
    print(f"{'messages':29} {await received(url):11}")
    print(f"{'CPU':29} {cpu:11.1f} s")
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        print(f"{'loop delay, ' + name:29} {late[int(share * len(late))] * 1000:11.1f} ms")
    print(f"{'loop delay, longest':29} {late[-1] * 1000:11.1f} ms")


async def all_of(
    monitors: Sequence[Monitor], reason: Reason, events: trio.MemorySendChannel[Event]
) -> None:
    """Have all of them found so, in the course of a second."""
    began = trio.current_time()
    for number, each in enumerate(monitors):
        await trio.sleep_until(began + number / len(monitors))
        await events.send(
            Checked(
                key=each.meta.key,
                uid=each.meta.uid,
                generation=each.meta.generation,
                at=datetime.now(UTC),
                result=CheckResult(reason=reason, message="the status is 500"),
            )
        )


async def tick(late: list[float]) -> None:
    """Note how late it is, again and again."""
    while True:
        due = trio.current_time() + TICK_SECONDS
        await trio.sleep_until(due)
        late.append(trio.current_time() - due)


async def until(store: Store, sql: str, count: int) -> None:
    """Wait until the database has so many."""
    while await store.read(one, sql) < count:  # noqa: ASYNC110 - the database tells nobody
        await trio.sleep(0.05)


def one(db: Connection, sql: str) -> int:
    """The figure that ``sql`` asks for."""
    return int(db.execute(sql).fetchone()[0])


async def received(url: str) -> int:
    """How many messages the receiver has."""
    async with httpx.AsyncClient(trust_env=False) as http:
        return int((await http.get(url)).text)


async def parts_of(database: SqliteDatabase, url: str) -> Parts:
    """What the stages share, without a cluster: one policy of ours, and a chat."""

    async def secret(_: Key) -> Values:
        await trio.lowlevel.checkpoint()
        return {"url": url.encode()}

    nobody = cast("Any", None)
    parts = Parts(
        config=Config(database=database, kube_namespace=HOME),
        credentials=nobody,
        readers=Readers(database),
        lease=nobody,
        client=nobody,
        ledger=Ledger({}, {}),
    )
    parts.secrets = SecretCache(secret)
    ref = {"name": "chat", "key": "url"}
    chat = {"type": "slack", "config": {"slack": {"webhookUrlSecretRef": ref}}}
    routing = {
        "providers": [{"ref": {"name": "chat"}}],
        "group": {"by": ["namespace"], "waitSeconds": WAIT_SECONDS},
    }
    documents: dict[str, list[Mapping[str, Any]]] = {
        PROVIDER.name: [document(PROVIDER, HOME, "chat", chat)],
        POLICY.name: [document(POLICY, HOME, "all", {"routing": routing})],
    }

    async def known(kind: str) -> list[Mapping[str, Any]]:
        await trio.lowlevel.checkpoint()
        return documents.get(kind, [])

    await parts.resources.seed(known)
    parts.leadership.lead(1, math.inf)
    return parts


def put(parts: Parts, count: int) -> list[Monitor]:
    """Have so many monitors watched."""
    spec = {
        "type": "tcp",
        "target": {"tcp": {"host": "h", "port": 1}},
        "schedule": {"retries": {"maxRetries": 0}},
    }
    for number in range(count):
        found = load(
            MONITOR, document(MONITOR, f"team-{number % NAMESPACES}", f"web{number}", spec)
        )
        assert isinstance(found, Monitor)  # noqa: S101 - it is valid
        parts.running[found.meta.key] = found
    return [*parts.running.values()]


if __name__ == "__main__":
    main()
