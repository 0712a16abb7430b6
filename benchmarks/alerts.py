"""How fast alerts leave: the outbox's messages a second, to a receiver in another process.

    python benchmarks/alerts.py [--messages 2000]

Each message is a row of the database that is read, sent by a request of its own on a new
connection, and recorded before the next one to the same provider. Beside it, the same requests one
after another without an outbox, as programs send that keep what is to be told in memory.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import trio

from kubekuma.deliver.send import Taken
from kubekuma.deliver.service import Deliveries, run_deliveries
from kubekuma.deliver.tell import Teller
from kubekuma.kit.bell import Bell
from kubekuma.model.alert import Delivery, Message
from kubekuma.model.meta import Key, ObjectMeta, SecretKeyRef
from kubekuma.model.monitor import AlertSeverity
from kubekuma.model.policy import Happening
from kubekuma.model.provider import Provider, ProviderSpec
from kubekuma.record.deliveries import insert_deliveries
from kubekuma.record.sqlite import SqliteDatabase
from kubekuma.record.store import Store
from kubekuma.telling import StoredOutbox
from kubekuma.validate.decode import decoded

PROVIDERS = (1, 20, 100)
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def main() -> None:
    """Measure, and print a row for each."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--receive", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.receive:
        trio.run(receive)
    else:
        outbox_deliveries(options.messages)


def outbox_deliveries(count: int) -> None:
    """Empty an outbox of ``count`` messages to one provider and to many."""
    print(f"{count} messages{'':15} {'messages/s':>11} {'CPU ms a message':>17}")
    with receiver() as url:
        measured("without an outbox", partial(trio.run, bare, url, count), count)
        for providers in PROVIDERS:
            with tempfile.TemporaryDirectory() as folder:
                database = SqliteDatabase(Path(folder, "history.db"))
                run = partial(trio.run, emptied, database, url, count, providers)
                measured(f"outbox, {providers} providers", run, count)


def measured(name: str, run: partial[float], count: int) -> None:
    """Print a row; ``run`` returns the seconds that count."""
    cpu = time.process_time()
    wall = run()
    each = (time.process_time() - cpu) / count * 1000
    print(f"{name:29} {count / wall:11.0f} {each:17.2f}")


async def bare(url: str, count: int) -> float:
    """Send the messages and record nothing."""
    teller = Teller(now)
    to = provider(url, 0)
    began = time.perf_counter()
    for number in range(count):
        await teller.tell(to.spec, message(number), no_secret)
    took = time.perf_counter() - began
    await teller.aclose()
    return took


async def emptied(database: SqliteDatabase, url: str, count: int, providers: int) -> float:
    """Put the messages into an outbox, and wait until it is empty."""
    store = await trio.to_thread.run_sync(Store, database, None)
    known = {each.meta.key: each for each in (provider(url, it) for it in range(providers))}
    keys, at = [*known], now()
    waiting = [
        Delivery(
            id=str(number),
            outage=str(number),
            provider=keys[number % providers],
            message=message(number),
            created_at=at,
            next_at=at,
        )
        for number in range(count)
    ]
    await store.write_durably(insert_deliveries, waiting)
    teller, deliveries, done = Teller(now), Deliveries(), trio.Event()

    async def tell(to: Provider, told: Message, answers: str | None) -> Taken:
        return await teller.tell(to.spec, told, no_secret, answers)

    def served(_: Key) -> None:
        if sum(deliveries.sent.values()) == count:
            done.set()

    began = time.perf_counter()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(
            partial(
                run_deliveries,
                StoredOutbox(store),
                known.get,
                tell=tell,
                bell=Bell(),
                deliveries=deliveries,
                changed=served,
                now=now,
            )
        )
        await done.wait()
        took = time.perf_counter() - began
        nursery.cancel_scope.cancel()
    await teller.aclose()
    await trio.to_thread.run_sync(store.close)
    return took


def now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


def no_secret(ref: SecretKeyRef) -> str:
    """There are none."""
    raise LookupError(ref)


def provider(url: str, number: int) -> Provider:
    """A webhook, which wants to hear of each outage by itself."""
    spec = decoded({"type": "webhook", "config": {"webhook": {"url": url}}}, ProviderSpec)
    return Provider(meta=ObjectMeta(key=Key("shop", f"hook{number}")), spec=spec)


def message(number: int) -> Message:
    """An outage as it is told."""
    return Message(
        id=str(number),
        key=str(number),
        happening=Happening.DOWN,
        monitor=Key("shop", f"web{number}"),
        name=f"shop/web{number}",
        severity=AlertSeverity.CRITICAL,
        title=f"shop/web{number} is down",
        text="StatusMismatch: the status is 500\nDown since 2026-01-01 00:00:00 UTC.",
        since=datetime(2026, 1, 1, tzinfo=UTC),
        reason="StatusMismatch",
        tags=("prod",),
        links={"Runbook": "https://wiki.example.org/shop"},
    )


@contextmanager
def receiver() -> Iterator[str]:
    """Something that takes every message, in a process of its own."""
    command = [sys.executable, __file__, "--receive"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()


async def receive() -> None:
    """Be that."""

    async def serve(stream: trio.SocketStream) -> None:
        async with stream:
            seen = b""
            while b"\r\n\r\n" not in seen:
                seen += await stream.receive_some()
            head, _, body = seen.partition(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            while len(body) < length:
                body += await stream.receive_some()
            await stream.send_all(ANSWER)

    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    print(json.dumps(f"http://127.0.0.1:{listener.socket.getsockname()[1]}/"), flush=True)
    await trio.serve_listeners(serve, [listener])


if __name__ == "__main__":
    main()
