"""What a check of each type costs, asked of the servers that the tests start for it.

    python benchmarks/checks.py [tests/servers/test_dns.py …]

Runs the tests of the given files (by default all that ask real servers) in this process. The first
check of each type that passes is made again and again, 16 at once, for two seconds; CPU is that of
this process, with whatever of the server runs in it. Where blackbox_exporter knows the probe too,
it is asked for the same of the same server, and its CPU is read from /proc. For dns and ping,
10,000 a minute are made as well: the share of a core is printed.

What came of it: docs/benchmarks.md.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

import attrs
import httpx
import pytest
import trio

from kubekuma.check import run
from kubekuma.check.context import CheckContext
from kubekuma.model.monitor import Monitor, MonitorType
from kubekuma.model.result import CheckResult, Outcome
from kubekuma.model.target import HttpTarget, PingTarget, TcpTarget, Tls

ROOT: Final = Path(__file__).parents[1]
AT_ONCE: Final = 16
SECONDS: Final = 2.0
PACED: Final = {MonitorType.DNS, MonitorType.PING}
PACED_SECONDS: Final = 10
A_MINUTE: Final = 10_000
CLOCK_TICKS: Final = os.sysconf("SC_CLK_TCK")
EXPORTER: Final = "prometheus-blackbox-exporter"

Once: TypeAlias = Callable[[], Awaitable[object]]


@attrs.frozen
class Cost:
    """What so many checks took."""

    checks: int
    seconds: float
    cpu: float

    @property
    def ms(self) -> float:
        """CPU milliseconds a check."""
        return self.cpu / self.checks * 1000


class Bench:
    """Stands in for ``run_check``, and measures the first check of each kind that passes."""

    def __init__(self, exporter: "Exporter | None") -> None:
        self._check = run.run_check
        self._exporter = exporter
        self._done: set[str] = set()

    async def __call__(
        self, monitor: Monitor, context: CheckContext, *, transcript: bool = False
    ) -> CheckResult:
        """Check, as the test wanted, and measure if this is something new."""
        result = await self._check(monitor, context, transcript=transcript)
        secured = " tls" if result.certificate is not None else ""
        name = f"{monitor.spec.type}{secured}"
        if self._exporter is not None and blackbox_query(monitor) is not None:
            # Of each, one that can be compared, besides the first.
            name += ", compared"
        real_time = isinstance(trio.lowlevel.current_clock(), trio._core._run.SystemClock)  # noqa: SLF001 - there is no other way to tell
        if result.outcome is Outcome.PASSED and name not in self._done and real_time:
            self._done.add(name)
            await self._measure(name, monitor, partial(self._check, monitor, context))
        return result

    async def _measure(self, name: str, monitor: Monitor, once: Once) -> None:
        await measured(once, 0.3)
        ours = await measured(once, SECONDS)
        row = f"{name:24}{ours.checks / ours.seconds:10.0f}{ours.ms:9.3f}"
        query = blackbox_query(monitor)
        if self._exporter is not None and query is not None:
            theirs = await self._exporter.measured(query)
            row += f"{theirs.ms:12.3f}" if theirs else "      failed"
        say(row)
        if monitor.spec.type in PACED:
            share = await paced(once)
            say(f"{name:24}{A_MINUTE} a minute: {share:.1%} of a core")


async def measured(once: Once, seconds: float) -> Cost:
    """Do ``once`` again and again, so many at once, for ``seconds``."""
    checks, began, cpu = 0, time.perf_counter(), time.process_time()

    async def work() -> None:
        nonlocal checks
        while time.perf_counter() - began < seconds:
            await once()
            checks += 1

    async with trio.open_nursery() as nursery:
        for _ in range(AT_ONCE):
            nursery.start_soon(work)
    return Cost(checks, time.perf_counter() - began, time.process_time() - cpu)


async def paced(once: Once) -> float:
    """The share of a core that ``A_MINUTE`` checks take."""
    count = A_MINUTE * PACED_SECONDS // 60
    began, cpu = time.perf_counter(), time.process_time()
    async with trio.open_nursery() as nursery:
        start = trio.current_time()
        for number in range(count):
            await trio.sleep_until(start + number * 60 / A_MINUTE)
            nursery.start_soon(once)
    return (time.process_time() - cpu) / (time.perf_counter() - began)


# blackbox_exporter -------------------------------------------------------------------------------


def blackbox_query(monitor: Monitor) -> dict[str, str] | None:
    """What blackbox_exporter is to be asked for the same check; None: it has no such probe."""
    target = monitor.spec.target
    if target.http is not None and target.http == type(target.http)(
        url=target.http.url, tls=target.http.tls
    ):
        return {"module": "http", "target": target.http.url}
    if target.tcp is not None and not (
        target.tcp.send or target.tcp.expect or target.tcp.tls.enabled
    ):
        return {"module": "tcp", "target": f"{target.tcp.host}:{target.tcp.port}"}
    if target.ping is not None:
        return {"module": "icmp", "target": target.ping.host}
    if target.grpc is not None and not target.grpc.tls.enabled:
        return {"module": "grpc", "target": f"{target.grpc.host}:{target.grpc.port}"}
    if target.dns is not None and len(target.dns.resolvers) == 1:
        (resolver,) = target.dns.resolvers
        module = f"dns_{target.dns.record_type}_{target.dns.name.rstrip('.')}"
        return {"module": module, "target": f"{resolver.address}:{resolver.port or 53}"}
    return None


@attrs.define
class Exporter:
    """blackbox_exporter, started anew for each module, as those of DNS hold the question."""

    folder: Path

    async def measured(self, query: dict[str, str]) -> Cost | None:
        """Ask for the probe again and again; None: it fails there."""
        with self._running(query["module"]) as (process, port):
            async with httpx.AsyncClient(trust_env=False) as http:
                ask = partial(http.get, f"http://127.0.0.1:{port}/probe", params=query)
                answer = await ask()
                if "probe_success 1" not in answer.text:
                    return None
                await measured(ask, 0.3)
                before = cpu_of(process.pid)
                done = await measured(ask, SECONDS)
                return Cost(done.checks, done.seconds, cpu_of(process.pid) - before)

    @contextmanager
    def _running(self, module: str) -> Iterator[tuple["subprocess.Popen[bytes]", int]]:
        from support.daemons import free_ports, running  # noqa: PLC0415 - of the tests

        config = self.folder / "blackbox.yml"
        config.write_text(json.dumps({"modules": {module: module_of(module, self.folder)}}))
        (port,) = free_ports(1)
        command = [
            EXPORTER,
            f"--config.file={config}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=error",
        ]
        with running(command, self.folder, ports=[port]) as process:
            yield process, port


def module_of(name: str, folder: Path) -> dict[str, Any]:
    """The configuration of a module."""
    prober, _, question = name.partition("_")
    ipv4 = {"preferred_ip_protocol": "ip4"}
    if prober == "dns":
        kind, _, what = question.partition("_")
        return {"prober": "dns", "dns": {**ipv4, "query_name": what, "query_type": kind}}
    if prober == "http":
        authority = folder / "authority.pem"
        tls = {"ca_file": str(authority)} if authority.exists() else {}
        return {"prober": "http", "http": {**ipv4, "tls_config": tls}}
    return {"prober": prober, prober: ipv4}


def cpu_of(pid: int) -> float:
    """Seconds of CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


# Past pytest, which keeps what tests print to itself.
OUT: Final = os.fdopen(os.dup(1), "w")


def say(row: str) -> None:
    """Print a row."""
    print(row, file=OUT, flush=True)


async def plain(nginx: Any) -> None:
    """What the tests have in no form that can be compared; pings they make in other processes."""
    from fakes.targets import check_context, monitor_of, secret_ref  # noqa: PLC0415 - of the tests

    context = check_context(secrets={"bundle": nginx.certificates.bundle})
    tls = Tls(ca_bundle_secret_ref=secret_ref("bundle"))
    secure = HttpTarget(url=f"https://127.0.0.1:{nginx.valid}/index.html", tls=tls)
    for monitor in (
        monitor_of(MonitorType.PING, PingTarget(host="127.0.0.1")),
        monitor_of(MonitorType.TCP, TcpTarget(host="127.0.0.1", port=nginx.http)),
        monitor_of(MonitorType.HTTP, HttpTarget(url=f"http://127.0.0.1:{nginx.http}/index.html")),
        monitor_of(MonitorType.HTTP, secure),
    ):
        await run.run_check(monitor, context)


def main(files: Sequence[str]) -> None:
    """Run the tests, with the stand-in in the place of ``run_check``."""
    sys.path.insert(0, str(ROOT / "tests"))
    with tempfile.TemporaryDirectory() as folder:
        found = shutil.which(EXPORTER)
        say(f"{'':24}{'checks/s':>10}{'CPU ms':>9}{'blackbox ms':>12}")
        run.run_check = Bench(Exporter(Path(folder)) if found else None)
        os.chdir(ROOT)
        pytest.main(["-q", "--no-header", "--no-summary", "--timeout=0", "-p", "no:xdist", *files])
        from support.nginx import running_nginx  # noqa: PLC0415 - of the tests

        (Path(folder) / "nginx").mkdir()
        with running_nginx(Path(folder) / "nginx") as nginx:
            (Path(folder) / "authority.pem").write_bytes(nginx.certificates.bundle)
            trio.run(plain, nginx)


if __name__ == "__main__":
    main(sys.argv[1:] or ["tests/nginx", "tests/servers"])
