"""How fast alerts are decided, and how fast they leave.

    python benchmarks/alerts.py [--monitors 5000] [--policies 1000] [--silences 5000]
        [--messages 2000]

Decided: who is told of an outage, when and in which words, without a database; and what lies over
a monitor while so many silences hold.

Left: the outbox's messages a second, to a receiver in another process. Each message is a row of
the database that is read, sent by a request of its own on a new connection, and recorded. Beside
it, the same requests one after another without an outbox, as programs send that keep what is to be
told in memory.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import trio

from kubekuma.alert.plan import Situation, plan_alerts
from kubekuma.alert.render import message_of
from kubekuma.alert.route import PLAIN, Directory, routes
from kubekuma.deliver.send import Taken
from kubekuma.deliver.service import Deliveries, run_deliveries
from kubekuma.deliver.tell import Teller
from kubekuma.kit.bell import Bell
from kubekuma.model.alert import Delivery, Message, Outage
from kubekuma.model.kinds import MONITOR, POLICY, PROVIDER, Kind
from kubekuma.model.match import Match
from kubekuma.model.meta import API_VERSION, Key, ObjectMeta, SecretKeyRef
from kubekuma.model.monitor import AlertSeverity, Monitor
from kubekuma.model.policy import Happening
from kubekuma.model.provider import Provider, ProviderSpec
from kubekuma.model.reach import selector
from kubekuma.overlays import Overlays
from kubekuma.record.deliveries import insert_deliveries
from kubekuma.record.sqlite import SqliteDatabase
from kubekuma.record.store import Store
from kubekuma.telling import StoredOutbox
from kubekuma.validate.decode import decoded
from kubekuma.validate.load import load
from kubekuma.watch.cache import Cache

HOME = "monitoring"
NAMESPACES = 100
PROVIDERS = (1, 20, 100)
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def main() -> None:
    """Measure, and print a row for each."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--monitors", type=int, default=5000)
    parser.add_argument("--policies", type=int, default=1000)
    parser.add_argument("--silences", type=int, default=5000)
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--receive", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.receive:
        trio.run(receive)
        return
    decisions(options.monitors, options.policies)
    silenced(options.monitors, options.silences)
    outbox_deliveries(options.messages)


def decisions(monitors: int, policies: int) -> None:
    """Decide of an outage of each monitor what is told, and of its end."""
    directory, running = a_directory(policies), [a_monitor(number) for number in range(monitors)]
    print(f"{monitors} monitors, {policies} policies{'':6} {'outages/s':>11} {'messages':>9}")
    for name in ("first outages", "next outages"):
        began, told = time.process_time(), 0
        for each in running:
            told += len(decided(each, directory))
        print(f"{name:29} {monitors / (time.process_time() - began):11.0f} {told:9}")


def decided(monitor: Monitor, directory: Directory) -> list[Message]:
    """What is told of an outage that has just begun, from who it is to the words."""
    at = now()
    outage = Outage(
        id=monitor.meta.key.name,
        key=monitor.meta.key,
        started_at=at,
        confirmed_at=at,
        ended_at=None,
        reason="StatusMismatch",
        message="the status is 500",
    )
    down, over, flapping, seen_to = (
        routes(monitor, each, directory)
        for each in (Happening.DOWN, Happening.UP, Happening.FLAPPING, Happening.ACKNOWLEDGED)
    )
    situation = Situation(
        outage=outage,
        told=(),
        routes=down,
        flapping_routes=flapping,
        deaf=frozenset(it.provider for it in down) - {it.provider for it in over},
        acknowledged_to=frozenset(it.provider for it in seen_to),
        now=at,
    )
    return [
        message_of(each, outage, monitor, at, each.route.formatting if each.route else PLAIN)
        for each in plan_alerts(situation).tell
    ]


def silenced(monitors: int, silences: int) -> None:
    """Find out what lies over each monitor, half of the silences being everybody's."""
    running = [a_monitor(number) for number in range(monitors)]
    print(f"{monitors} monitors, {silences} silences{'':6} {'monitors/s':>11} {'longest ms':>11}")
    overlays = Overlays({each.meta.key: each for each in running}, {}, HOME)
    for number in range(silences):
        owner = HOME if number % 2 else namespace(number)
        match = decoded({"names": [{"name": f"nobody{number}"}]}, Match)
        overlays.silence(Key(owner, f"silence{number}"), selector(match, owner, HOME))
    took = []
    for each in running[:500]:
        began = time.perf_counter()
        overlays.over(each)
        took.append(time.perf_counter() - began)
    print(f"{'looked at':29} {len(took) / sum(took):11.0f} {max(took) * 1000:11.2f}")


def a_directory(policies: int) -> Directory:
    """So many policies in a hundred namespaces, a tenth of them ours; a provider in each."""
    caches = [
        Cache[Any](partial(load, kind), lambda _: None, lambda _, __: None)
        for kind in (POLICY, PROVIDER)
    ]
    for name in (HOME, *(namespace(number) for number in range(NAMESPACES))):
        hook = {"type": "webhook", "config": {"webhook": {"url": "http://hook.example.org/"}}}
        caches[1].put(document(PROVIDER, name, "hook", hook))
    for number in range(policies):
        spec = {
            "match": {"tags": [f"team{number % 7}"], "labels": {"matchLabels": {"app": "shop"}}},
            "priority": number % 10,
            "routing": {"providers": [{"ref": {"name": "hook"}}]},
            "formatting": {"titleTemplate": "{{ severity | upper }} {{ monitor.displayName }}"},
        }
        owner = HOME if number % 10 == 0 else namespace(number)
        caches[0].put(document(POLICY, owner, f"policy{number}", spec))
    return Directory(home=HOME, policies=caches[0], providers=caches[1])


def a_monitor(number: int) -> Monitor:
    """One of those of a hundred namespaces."""
    spec = {
        "type": "tcp",
        "target": {"tcp": {"host": "h", "port": 1}},
        "tags": [f"team{number % 7}"],
    }
    found = load(MONITOR, document(MONITOR, namespace(number), f"web{number}", spec))
    assert isinstance(found, Monitor)  # noqa: S101 - it is valid
    return found


def document(kind: Kind, owner: str, name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    """A resource as the API server has it."""
    metadata = {"name": name, "namespace": owner, "labels": {"app": "shop"}, "generation": 1}
    return {"apiVersion": API_VERSION, "kind": kind.name, "metadata": metadata, "spec": spec}


def namespace(number: int) -> str:
    """One of a hundred."""
    return f"team-{number % NAMESPACES}"


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
    command = [sys.executable, str(Path(__file__)), "--receive"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()


async def receive() -> None:
    """Be that."""
    count = 0

    async def serve(stream: trio.SocketStream) -> None:
        nonlocal count
        async with stream:
            seen = b""
            while b"\r\n\r\n" not in seen:
                seen += await stream.receive_some()
            if seen.startswith(b"GET"):
                # Whoever measures asks how many it had.
                said = str(count).encode()
                await stream.send_all(
                    ANSWER.replace(b"Length: 0", b"Length: %d" % len(said)) + said
                )
                return
            head, _, body = seen.partition(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            while len(body) < length:
                body += await stream.receive_some()
            count += 1
            await stream.send_all(ANSWER)

    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    print(json.dumps(f"http://127.0.0.1:{listener.socket.getsockname()[1]}/"), flush=True)
    await trio.serve_listeners(serve, [listener])


if __name__ == "__main__":
    main()
