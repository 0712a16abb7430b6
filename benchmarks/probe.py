"""What a check costs: our probe beside a fresh httpx client, against a local nginx.

Run it as ``PYTHONPATH=tests python benchmarks/probe.py [checks]``. Both verify certificates, make
a new connection for each check and share an SSLContext; CPU is this process's alone.
"""

import ssl
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TypeAlias

import httpx
import trio
from fakes.targets import check_context, monitor_of, secret_ref
from support.nginx import Nginx, running_nginx

from kubekuma.check.context import CheckContext
from kubekuma.check.run import run_check
from kubekuma.model.monitor import Monitor, MonitorType
from kubekuma.model.result import Reason
from kubekuma.model.target import HttpTarget, Tls

AT_ONCE = 64
CHECKS = 3000

Once: TypeAlias = Callable[[], Awaitable[None]]


async def main(nginx: Nginx, checks: int) -> None:
    """Measure all four, each twice: the first time warms up."""
    urls = {
        "http": f"http://127.0.0.1:{nginx.http}/index.html",
        "https": f"https://127.0.0.1:{nginx.valid}/index.html",
    }
    context = check_context(secrets={"bundle": nginx.certificates.bundle})
    shared = ssl.create_default_context(cadata=nginx.certificates.bundle.decode())
    print(f"{checks} checks, {AT_ONCE} at once")
    print(f"{'':24}{'checks/s':>10}{'CPU ms/check':>14}")
    for scheme, url in urls.items():
        for name, once in (
            ("kubekuma", partial(probe, monitor(url), context)),
            ("fresh httpx client", partial(client, url, shared)),
        ):
            await measure(once, checks // 10)
            per_second, milliseconds = await measure(once, checks)
            print(f"{scheme:6}{name:18}{per_second:10.0f}{milliseconds:14.3f}")


def monitor(url: str) -> Monitor:
    """A monitor of ``url`` that trusts nginx's authority."""
    tls = Tls(ca_bundle_secret_ref=secret_ref("bundle"))
    return monitor_of(MonitorType.HTTP, HttpTarget(url=url, tls=tls))


async def probe(what: Monitor, context: CheckContext) -> None:
    """Check once, as the product does."""
    result = await run_check(what, context)
    if result.reason is not Reason.PASSED:
        raise RuntimeError(result.message)


async def client(url: str, context: ssl.SSLContext) -> None:
    """Check once, as a program with httpx would."""
    async with httpx.AsyncClient(verify=context, trust_env=False) as fresh:
        (await fresh.get(url)).raise_for_status()


async def measure(once: Once, checks: int) -> tuple[float, float]:
    """Checks per second, and milliseconds of CPU per check."""
    left = checks

    async def work() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await once()

    cpu, wall = time.process_time(), time.perf_counter()
    async with trio.open_nursery() as nursery:
        for _ in range(AT_ONCE):
            nursery.start_soon(work)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return checks / wall, cpu / checks * 1000


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, running_nginx(Path(folder)) as running:
        trio.run(main, running, int(sys.argv[1]) if len(sys.argv) > 1 else CHECKS)
