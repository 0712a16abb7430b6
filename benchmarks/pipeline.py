"""The whole product against a local nginx, and beside it blackbox_exporter at the same rate.

Informer, state, status writes, SQLite and metrics are all on; the embedded
API runs in a process of its own, as a real API server would. Every request is
a new connection. nginx' log says what was checked, and when.

    python benchmarks/pipeline.py --monitors 1000 --interval 20 --scheme https
    python benchmarks/pipeline.py --monitors 1000 --interval 20 --alone --storm

Prints CPU milliseconds a check (user and system time of the process),
checks done of checks due, deviation from the period, and resident memory.
What came of it: docs/benchmarks.md.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.request import urlopen

import attrs
import trio
import trustme

CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
API = Path(__file__).with_name("embedded_api.py")


@attrs.frozen(kw_only=True)
class Load:
    """What is asked of whoever is measured."""

    monitors: int
    interval: int
    scheme: str
    window: float
    settle: int
    storm: bool


@attrs.frozen(kw_only=True)
class Target:
    """The nginx that is checked."""

    http: int
    https: int
    ca: Path
    log: Path
    page: Path

    @contextmanager
    def failing(self, load: Load) -> Iterator[None]:
        """Answer 404 to everything, if a storm is asked for."""
        gone = self.page.with_name("gone.html")
        if load.storm:
            self.page.rename(gone)
        yield
        if load.storm:
            gone.rename(self.page)

    def url(self, load: Load, number: int) -> str:
        """What monitor ``number`` checks."""
        port = self.https if load.scheme == "https" else self.http
        return f"{load.scheme}://127.0.0.1:{port}/m{number}"


@attrs.frozen(kw_only=True)
class Figures:
    """What came of it."""

    name: str
    cpu_ms: float
    done: int
    due: float
    rss_mb: float
    deviations: tuple[float, ...]


def main() -> None:
    """Measure, and print a row for each program."""
    options = parsed()
    load = Load(
        monitors=options.monitors,
        interval=options.interval,
        scheme=options.scheme,
        window=options.window or 2.0 * options.interval + 20,
        settle=options.settle,
        storm=options.storm,
    )
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=memory())))
        target = stack.enter_context(nginx(folder))
        print(f"{load.monitors} {load.scheme} @ {load.interval} s, {load.window:.0f} s measured")
        print(
            f"{'':12} {'CPU ms/check':>12} {'done/due':>15} {'RSS MB':>7}   off by ms p50/p99/max"
        )
        rows = [show(kubekuma(load, target, folder))]
        if not options.alone:
            rows.append(show(blackbox(load, target, folder)))
            print(f"ratio blackbox_exporter / kubekuma: {rows[1].cpu_ms / rows[0].cpu_ms:.2f}")


def parsed() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--monitors", type=int, default=1000)
    parser.add_argument("--interval", type=int, default=20)
    parser.add_argument("--scheme", choices=("http", "https"), default="http")
    parser.add_argument("--window", type=float, help="seconds; default: two intervals and a bit")
    parser.add_argument("--settle", type=int, default=300, help="seconds to wait for quiet at most")
    parser.add_argument(
        "--storm", action="store_true", help="all targets fail while it is measured"
    )
    parser.add_argument("--alone", action="store_true", help="without blackbox_exporter")
    return parser.parse_args()


def show(found: Figures) -> Figures:
    """Print a row."""
    sorted_ms = sorted(1000 * each for each in found.deviations) or [0.0]
    p99 = sorted_ms[min(len(sorted_ms) - 1, int(len(sorted_ms) * 0.99))]
    median = statistics.median(sorted_ms)
    print(
        f"{found.name:12} {found.cpu_ms:12.2f} {found.done:7}/{found.due:7.0f} {found.rss_mb:7.0f}"
        f"   {median:.0f} / {p99:.0f} / {sorted_ms[-1]:.0f}",
        flush=True,
    )
    return found


# Who is measured ----------------------------------------------------------------------------------


def kubekuma(load: Load, target: Target, folder: Path) -> Figures:
    """The program itself, its Kubernetes API in another process."""
    manifests = folder / "manifests"
    manifests.mkdir()
    (manifests / "all.json").write_text(
        json.dumps({"kind": "List", "items": [*objects(load, target)]})
    )
    port = free_port()
    with (
        process([sys.executable, str(API), str(folder / "api"), str(manifests)]) as api,
        process(
            [sys.executable, "-m", "kubekuma", "run"],
            KUBECONFIG=announced(api),
            LISTEN=f"127.0.0.1:{port}",
            DATABASE_URL=f"sqlite:///{folder}/history.db",
        ) as program,
    ):
        say_start(program, load, target)
        return measured("kubekuma", program, load, target, calm=partial(is_calm, port))


def blackbox(load: Load, target: Target, folder: Path) -> Figures:
    """blackbox_exporter, asked for the same probes at the same rate over kept connections."""
    binary = shutil.which("prometheus-blackbox-exporter")
    if binary is None:
        raise SystemExit(
            "blackbox_exporter is not installed: apt-get install prometheus-blackbox-exporter"
        )
    config = folder / "blackbox.yml"
    module = {
        "prober": "http",
        "timeout": "10s",
        "http": {"preferred_ip_protocol": "ip4", "tls_config": {"ca_file": str(target.ca)}},
    }
    config.write_text(json.dumps({"modules": {"probe": module}}))
    port = free_port()
    command = [
        binary,
        f"--config.file={config}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
    ]
    asking = [sys.executable, __file__, "--ask"]
    with process(command) as program:
        wait_for_port(port)
        plan = json.dumps(
            {
                "port": port,
                "interval": load.interval,
                "targets": [target.url(load, n) for n in range(load.monitors)],
            }
        )
        file = folder / "asking.json"
        file.write_text(plan)
        with process([*asking, str(file)]):
            return measured("blackbox", program, load, target)


def measured(
    name: str,
    program: "subprocess.Popen[bytes]",
    load: Load,
    target: Target,
    *,
    calm: Callable[[], bool] = lambda: True,
) -> Figures:
    """Wait until every monitor was checked once, let it settle, then measure for the window."""
    wait_until_all_seen(target, load, program)
    time.sleep(load.interval)
    # The first status of every object goes out at 20 a second: that belongs to the start.
    for _ in range(load.settle):
        if calm():
            break
        time.sleep(1)
    began_cpu, began = cpu_seconds(program.pid), time.time()
    with target.failing(load):
        time.sleep(load.window)
    spent, ended = cpu_seconds(program.pid) - began_cpu, time.time()
    time.sleep(1)  # nginx keeps the last lines for half a second
    arrivals = {
        path: [at for at in times if began <= at < ended] for path, times in seen(target).items()
    }
    done = sum(map(len, arrivals.values()))
    deviations = tuple(
        abs(later - earlier - load.interval)
        for times in arrivals.values()
        for earlier, later in pairwise(times)
    )
    return Figures(
        name=name,
        cpu_ms=1000 * spent / max(done, 1),
        done=done,
        due=load.monitors * (ended - began) / load.interval,
        rss_mb=rss_mb(program.pid),
        deviations=deviations,
    )


def say_start(program: "subprocess.Popen[bytes]", load: Load, target: Target) -> None:
    """Print how long a start takes: until everything is scheduled, and checked once."""
    began = time.time()
    log = follow(program)
    while b"all monitors are scheduled" not in next(log):
        pass
    scheduled = time.time() - began
    Thread(target=deque, args=(log, 0), daemon=True).start()  # read on, so that nothing is stuck
    while len(seen(target)) < load.monitors:
        time.sleep(0.2)
    checked = time.time() - began
    print(f"start: all scheduled after {scheduled:.1f} s, all checked after {checked:.1f} s")


def follow(program: "subprocess.Popen[bytes]") -> Iterator[bytes]:
    """The lines that a program prints."""
    assert program.stdout is not None  # noqa: S101 - asked for in process()
    return iter(program.stdout)


def is_calm(port: int) -> bool:
    """Whether no status waits to be written at once."""
    return "kubekuma_status_queue_depth 0.0" in scraped(port)


def scraped(port: int) -> str:
    """The program's metrics."""
    with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        text: str = answer.read().decode()
        return text


def objects(load: Load, target: Target) -> Iterator[Mapping[str, Any]]:
    """The settings, the CA, and a Monitor for each URL."""
    head = {"apiVersion": "monitoring.kubekuma.io/v1"}
    yield {
        **head,
        "kind": "KubeKumaSettings",
        "metadata": {"name": "kubekuma"},
        "spec": {
            "scheduler": {"minIntervalSeconds": 1},
            "networking": {"targets": {"allowCidrs": ["127.0.0.0/8"]}},
        },
    }
    yield {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "ca", "namespace": "bench"},
        "data": {"ca.crt": b64encode(target.ca.read_bytes()).decode()},
    }
    tls = {"tls": {"caBundleSecretRef": {"name": "ca", "key": "ca.crt"}}}
    for number in range(load.monitors):
        http = {"url": target.url(load, number), **(tls if load.scheme == "https" else {})}
        yield {
            **head,
            "kind": "Monitor",
            "metadata": {"name": f"m{number}", "namespace": "bench"},
            "spec": {
                "type": "http",
                "schedule": {"intervalSeconds": load.interval},
                "target": {"http": http},
            },
        }


# The target ---------------------------------------------------------------------------------------


@contextmanager
def nginx(folder: Path) -> Iterator[Target]:
    """One worker, a small page, every request in a log that lies in memory."""
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    certificate = authority.issue_cert("127.0.0.1", key_type=trustme.KeyType.ECDSA)
    ca, pem = folder / "ca.pem", folder / "server.pem"
    authority.cert_pem.write_to_path(ca)
    certificate.private_key_and_cert_chain_pem.write_to_path(pem)
    http, https, log = free_port(), free_port(), folder / "access.log"
    page = folder / "www"
    page.mkdir()
    (page / "index.html").write_text("x" * 540)
    (folder / "nginx.conf").write_text(
        f"""
        daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
        events {{ worker_connections 4096; }}
        http {{
          log_format times '$msec $request_uri';
          access_log {log} times buffer=64k flush=500ms;
          keepalive_timeout 0; client_body_temp_path {folder}/a; proxy_temp_path {folder}/b;
          fastcgi_temp_path {folder}/c; uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
          ssl_certificate {pem}; ssl_certificate_key {pem}; ssl_session_cache off;
          server {{
            listen 127.0.0.1:{http} backlog=4096; listen 127.0.0.1:{https} ssl backlog=4096;
            location / {{ root {page}; try_files /index.html =404; }}
          }}
        }}
        """
    )
    os.chmod(folder, 0o755)  # noqa: PTH101, S103 - nginx' worker is nobody in particular
    with process(["nginx", "-c", str(folder / "nginx.conf"), "-p", str(folder)]):
        wait_for_port(http)
        yield Target(http=http, https=https, ca=ca, log=log, page=page / "index.html")


def seen(target: Target) -> Mapping[str, list[float]]:
    """When each URL was asked for."""
    found: defaultdict[str, list[float]] = defaultdict(list)
    for line in target.log.read_text().splitlines():
        at, _, path = line.partition(" ")
        found[path].append(float(at))
    return found


def wait_until_all_seen(target: Target, load: Load, program: "subprocess.Popen[bytes]") -> None:
    """Return once every URL was asked for since the call."""
    began, late = time.time(), 0
    while time.time() - began < 60 + 3 * load.interval:
        if program.poll() is not None:
            raise SystemExit(f"ended with {program.returncode}")
        late = sum(times[-1] > began for times in seen(target).values())
        if late >= load.monitors:
            return
        time.sleep(1)
    raise SystemExit(f"only {late} of {load.monitors} were checked")


# Asking blackbox_exporter -------------------------------------------------------------------------


async def ask(plan: Mapping[str, Any]) -> None:
    """Ask for every probe once an interval, each at a time of its own."""
    targets, interval = plan["targets"], plan["interval"]
    idle: list[trio.SocketStream] = []

    async def probe(url: str) -> None:
        stream = idle.pop() if idle else await trio.open_tcp_stream("127.0.0.1", plan["port"])
        await stream.send_all(
            f"GET /probe?module=probe&target={url} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        )
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += await stream.receive_some()
        # Go answers in chunks, or in one piece whose length it gives.
        chunked = b"chunked" in answer
        length = int(answer.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
        body = answer.partition(b"\r\n\r\n")[2]
        while not body.endswith(b"\r\n0\r\n\r\n") if chunked else len(body) < length:
            body += await stream.receive_some()
        if b"probe_success 1" not in body:
            raise SystemExit(body.decode())
        idle.append(stream)

    async with trio.open_nursery() as nursery:
        began = trio.current_time()
        for turn in range(10**6):
            for number, url in enumerate(targets):
                await trio.sleep_until(began + (turn + number / len(targets)) * interval)
                nursery.start_soon(probe, url)


# Processes ----------------------------------------------------------------------------------------


@contextmanager
def process(command: list[str], **environment: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that ends with the block."""
    out = subprocess.PIPE if sys.executable in command else None
    with subprocess.Popen(command, env={**os.environ, **environment}, stdout=out) as program:
        try:
            yield program
        finally:
            program.send_signal(signal.SIGTERM)
            try:
                program.wait(30)
            except subprocess.TimeoutExpired:
                program.kill()


def announced(api: "subprocess.Popen[bytes]") -> str:
    """The kubeconfig that the API prints once it is ready."""
    return next(follow(api)).decode().strip()


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and the children it has waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / CLOCK_TICKS


def rss_mb(pid: int) -> float:
    """Resident memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for_port(port: int) -> None:
    """Return once somebody listens."""
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit(f"nobody listens on {port}")


def memory() -> str | None:
    """A directory in memory, so that nobody's disk is measured."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - a fresh one in it


if __name__ == "__main__":
    if sys.argv[1:2] == ["--ask"]:
        trio.run(partial(ask, json.loads(Path(sys.argv[2]).read_text())))
    else:
        main()
