"""How long fat answers hold up everybody else: 50 monitors that read 1 MiB of JSON each.

    python benchmarks/bodies.py

A ticker wakes each 10 ms and notes how late it is. Once as the product does it, which judges large
bodies in two threads; once with everything on the event loop.
"""

import gc
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Final
from unittest import mock

import trio

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from fakes.targets import check_context, monitor_of
from support.nginx import Nginx, running_nginx

from kubekuma.check import context as checking
from kubekuma.check.run import run_check
from kubekuma.model.criteria import JsonQueryCriteria, SuccessCriteria
from kubekuma.model.monitor import MonitorType
from kubekuma.model.result import Reason
from kubekuma.model.target import HttpTarget

MONITORS: Final = 50
SECONDS: Final = 10.0
TICK: Final = 0.01


async def main(nginx: Nginx) -> None:
    """Measure both ways."""
    gc.set_threshold(20_000, 50, 100)  # as the product does
    gc.freeze()
    url = f"http://127.0.0.1:{nginx.http}/fat.json"
    print(f"{MONITORS} monitors, each asking for 1 MiB of JSON again and again, {SECONDS:.0f} s")
    print(f"{'':26}{'checks/s':>9}   loop late by ms p50 / p99 / max")
    await show("in threads", url)
    with mock.patch.object(checking, "FEW_BYTES", 1 << 30):
        await show("all on the event loop", url)


async def show(name: str, url: str) -> None:
    """Print a row."""
    late: list[float] = []
    checks = 0
    context = check_context()
    criteria = SuccessCriteria(json_query=JsonQueryCriteria(path="$.items[-1].id", equals=LAST))
    monitor = monitor_of(MonitorType.JSON_QUERY, HttpTarget(url=url), criteria, timeout_seconds=60)

    async def check() -> None:
        nonlocal checks
        while True:
            result = await run_check(monitor, context)
            if result.reason is not Reason.PASSED:
                raise RuntimeError(result.message)
            checks += 1

    with trio.move_on_after(SECONDS):
        async with trio.open_nursery() as nursery:
            for _ in range(MONITORS):
                nursery.start_soon(check)
            while True:
                wanted = trio.current_time() + TICK
                await trio.sleep_until(wanted)
                late.append((trio.current_time() - wanted) * 1000)
    ranks = statistics.quantiles(late, n=100)
    print(f"{name:26}{checks / SECONDS:9.0f}   {ranks[49]:.0f} / {ranks[98]:.0f} / {max(late):.0f}")


def body() -> tuple[bytes, int]:
    """1 MiB of JSON, and the last number in it."""
    items = [
        {"id": number, "name": f"item {number}", "tags": ["a", "b"]} for number in range(20_000)
    ]
    whole = json.dumps({"items": items}).encode()
    while len(whole) > 1 << 20:
        items = items[: len(items) * (1 << 20) // len(whole)]
        whole = json.dumps({"items": items}).encode()
    return whole, len(items) - 1


BODY, LAST = body()

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, running_nginx(Path(folder)) as running:
        (Path(folder) / "root" / "fat.json").write_bytes(BODY)
        trio.run(main, running)
