"""From documents to plans and statuses: 10,000 monitors, without an API server's own time.

    python benchmarks/sync.py [--monitors 10000]

Prints what it takes to decode a list, to take in watch events, to reconcile monitors that have all
changed, and how long the status budget holds a storm in which all of them go down (virtual time).
"""

import argparse
import json
import resource
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

import trio
import trio.testing

from kubekuma.kit.workqueue import WorkQueue
from kubekuma.model.kinds import KINDS
from kubekuma.model.meta import Condition, Key
from kubekuma.reconcile.publish import Lanes, run_publisher
from kubekuma.reconcile.worker import Effects, Verdicts, reconcile_monitor
from kubekuma.reconcile.world import World
from kubekuma.validate.load import load
from kubekuma.watch.cache import Cache


def document(index: int, generation: int) -> dict[str, Any]:
    """A monitor as it comes from the API server."""
    metadata = {
        "name": f"site-{index}",
        "namespace": f"team-{index % 20}",
        "uid": f"uid-{index}",
        "generation": generation,
        "resourceVersion": str(generation),
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "labels": {"team": str(index % 20)},
    }
    spec = {
        "type": "http",
        "displayName": f"Site {index}, edition {generation}",
        "target": {"http": {"url": f"https://site-{index}.example.org/health"}},
        "schedule": {"intervalSeconds": 60, "retries": {"maxRetries": 2}},
        "tags": ["prod"],
    }
    return {
        "apiVersion": "monitoring.kubekuma.io/v1",
        "kind": "Monitor",
        "metadata": metadata,
        "spec": spec,
    }


def megabytes() -> float:
    """The most memory that the process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def timed(what: str, count: int, work: Callable[[], None]) -> None:
    """Run ``work`` on ``count`` objects and print what it took."""
    began = time.process_time()
    work()
    took = time.process_time() - began
    print(f"{what}: {took:.2f} s CPU, {count / took:,.0f} a second")


def texts(count: int, generation: int) -> list[bytes]:
    """The lines of a watch."""
    return [json.dumps(document(index, generation)).encode() for index in range(count)]


def take_in(cache: Cache[Any], found: list[bytes]) -> None:
    """What a reflector does with a list or a watch."""
    for line in found:
        cache.put(json.loads(line))


def caches(changed: Callable[[Key], None]) -> Mapping[str, Cache[Any]]:
    """One of each kind."""
    return {
        kind.name: Cache(
            lambda document, kind=kind: load(kind, document),  # type: ignore[misc]
            changed if kind.name == "Monitor" else lambda _: None,
            lambda _, __: None,
        )
        for kind in KINDS
    }


def world_of(found: Mapping[str, Cache[Any]]) -> World:
    """What plans look at."""
    return World(
        home="monitoring",
        settings=found["KubeKumaSettings"],
        singles=found["Monitor"],
        monitors=found["Monitor"],
        sets=found["MonitorSet"],
        providers=found["NotificationProvider"],
        policies=found["NotificationPolicy"],
        pages=found["StatusPage"],
        users=found["LocalUser"],
        keys=found["ApiKey"],
        states={},
        items={},
        delivered=lambda _: {},
        unsendable=lambda _: None,
    )


async def reconcile_all(queue: WorkQueue[Key], effects: Effects, count: int) -> None:
    """Reconcile every key that waits."""
    began = time.process_time()
    done = 0
    while len(queue):
        key = await queue.take()
        await reconcile_monitor(key, effects)
        queue.done(key)
        done += 1
    took = time.process_time() - began
    assert done == count  # noqa: S101 - a figure of anything else would be wrong
    print(f"reconcile {count:,} changed monitors: {took:.2f} s CPU")


async def storm(count: int) -> None:
    """All monitors go down at once, and once more before they are written."""
    lanes: Lanes[int] = Lanes()
    state = dict.fromkeys(range(count), "up")
    written: dict[int, str] = {}

    async def write(item: int) -> None:
        await trio.sleep(0.005)
        written[item] = state[item]

    began, used = trio.current_time(), time.process_time()
    async with trio.open_nursery() as nursery:
        await nursery.start(run_publisher, lanes, write)
        for newest in ("pending", "down"):
            state = dict.fromkeys(range(count), newest)
            for item in range(count):
                lanes.add(item)
        while len(written) < count:  # noqa: ASYNC110 - under virtual time nobody else wakes us
            await trio.sleep(1)
        nursery.cancel_scope.cancel()
    took = trio.current_time() - began
    newest_told = sum(each == "down" for each in written.values())
    print(
        f"status storm of {count:,}: drained in {took:,.0f} s"
        f" (the budget allows {(count - 100) / 20:,.0f} s), "
        f"{newest_told:,} told their newest state, {time.process_time() - used:.2f} s CPU"
    )


async def nothing(*_: Any) -> None:
    """Take an order, or have no Secret."""
    await trio.lowlevel.checkpoint()


async def run(count: int) -> None:
    """Print the figures."""
    queue: WorkQueue[Key] = WorkQueue()
    found = caches(queue.add)
    lines = texts(count, 1)
    before = megabytes()
    timed(
        f"decode and validate a list of {count:,}",
        count,
        partial(take_in, found["Monitor"], lines),
    )
    print(f"memory for them: {megabytes() - before:.0f} MB")
    again = texts(count, 2)
    timed(
        "watch events that change a spec",
        count,
        partial(take_in, found["Monitor"], again),
    )
    published: list[Verdicts] = []
    effects = Effects(
        world=world_of(found),
        running={},
        secret=nothing,
        missing_checker=lambda _: None,
        order=nothing,
        publish=published.append,
        forget=lambda _, __: None,
        holds=lambda _kind, _key, _selects, _until_up: None,
        settings_changed=lambda _: False,
        health=tuple[Condition, ...],
        again_after=lambda _, __, ___: None,
        now=lambda: datetime(2026, 1, 1, tzinfo=UTC),
    )
    await reconcile_all(queue, effects, count)


def main() -> None:
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--monitors", type=int, default=10_000)
    count = parser.parse_args().monitors
    trio.run(run, count)
    trio.run(storm, count, clock=trio.testing.MockClock(autojump_threshold=0))


if __name__ == "__main__":
    main()
