"""/metrics of many monitors: how long it takes, and for how long it holds up everybody else.

Beside it, prometheus-client rendering as many gauges.

    python benchmarks/metrics.py --monitors 10000
"""

import argparse
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import trio
from prometheus_client import CollectorRegistry, Gauge, generate_latest

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from build import checked, monitor

from kubekuma.model.meta import Key
from kubekuma.model.monitor import Monitor
from kubekuma.model.state import MonitorState
from kubekuma.record.judge import judge
from kubekuma.record.uptime import WINDOWS, Uptime
from kubekuma.serve.board import Board
from kubekuma.serve.metrics import monitor_text
from kubekuma.validate.seen import Seen

ROUNDS = 5


class Objects(dict[Key, Seen[Monitor]]):
    """A cache with nothing behind it."""


def main() -> None:
    """Measure, and print a row for each."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--monitors", type=int, default=10_000)
    count = parser.parse_args().monitors
    board = filled(count)
    print(f"{count} monitors{'':8} {'ms':>8} {'loop held ms':>13} {'lines':>9} {'MB':>6}")
    ours, series = trio.run(measured, "kubekuma", partial(monitor_text, board))
    registry = gauges(series)

    async def theirs() -> bytes:
        return generate_latest(registry)

    client, _ = trio.run(measured, "prometheus-client", theirs)
    print(f"ratio prometheus-client / kubekuma: {client / ours:.1f}")


async def measured(name: str, render: Callable[[], Awaitable[bytes]]) -> tuple[float, int]:
    """Time a few renderings beside a task that wants its turn each millisecond."""
    held = 0.0
    times = []
    text = b""

    async def tick() -> None:
        nonlocal held
        while True:
            began = time.perf_counter()
            await trio.sleep(0.001)
            held = max(held, time.perf_counter() - began - 0.001)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(tick)
        await trio.sleep(0.05)
        held = 0.0
        for _ in range(ROUNDS):
            began = time.perf_counter()
            text = await render()
            times.append(time.perf_counter() - began)
            await trio.sleep(0.01)
        nursery.cancel_scope.cancel()
    best = min(times)
    lines = sum(not line.startswith(b"#") for line in text.splitlines())
    print(
        f"{name:20} {1000 * best:8.0f} {1000 * held:13.1f} {lines:9} {len(text) / 1e6:6.1f}",
        flush=True,
    )
    return best, lines


def filled(count: int) -> Board:
    """A board of monitors that were all checked, and have uptimes."""
    objects, states = Objects(), {}
    for number in range(count):
        each = monitor(f"monitor-{number}", "bench")
        key = each.meta.key
        objects[key] = Seen(latest=each, valid=each)
        check = checked(0, key=key, latency_seconds=0.0123)
        states[key] = judge(MonitorState(), check, each.spec, timeout_seconds=10).state
    uptime = Uptime(good_ms=86_399_000, down_ms=1000)
    uptimes = {name: dict.fromkeys(objects, uptime) for name in WINDOWS}
    return Board(monitors=objects, states=states, uptimes=uptimes)


def gauges(series: int) -> CollectorRegistry:
    """As many series in prometheus-client, spread over as many names as ours have."""
    registry = CollectorRegistry()
    for name in range(12):
        gauge = Gauge(f"bench_{name}", "For comparison.", ("namespace", "name"), registry=registry)
        for number in range(series // 12):
            gauge.labels("bench", f"monitor-{number}").set(number)
    return registry


if __name__ == "__main__":
    main()
