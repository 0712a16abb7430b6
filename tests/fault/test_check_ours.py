"""What this process or machine lacks is never the target's fault."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kubekuma.model.result import Outcome, Reason, outcome_of

ROOT = Path(__file__).parents[2]

PREAMBLE = """
import resource
import socket
import sys
import trio
from fakes.targets import check_context, monitor_of
from kubekuma.check.run import run_check
from kubekuma.model.monitor import MonitorType
from kubekuma.model.target import HttpTarget, TcpTarget

async def main():
    context = check_context()
    prepare()
    for host in sys.argv[1:]:
        http = monitor_of(MonitorType.HTTP, HttpTarget(url=f"http://{host}:9/"))
        tcp = monitor_of(MonitorType.TCP, TcpTarget(host=host.strip("[]"), port=9))
        for monitor in (http, tcp):
            result = await run_check(monitor, context)
            print(result.reason, "|", result.message)
"""
NO_DESCRIPTORS = """
def prepare():
    resource.setrlimit(resource.RLIMIT_NOFILE, (1000, 1000))
    held = []
    try:
        while True:
            held.append(socket.socket())
    except OSError:
        globals()["held"] = held
"""
NOTHING = """
def prepare():
    pass
"""


def reasons(how: str, *hosts: str, prefix: tuple[str, ...] = ()) -> list[Reason]:
    """What checks of ``hosts`` say in a process prepared by ``how``."""
    script = PREAMBLE + how + "\ntrio.run(main)\n"
    done = subprocess.run(
        [*prefix, sys.executable, "-c", script, *hosts],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [Reason(line.partition(" | ")[0]) for line in done.stdout.splitlines()]


def alone() -> tuple[str, ...]:
    """The command that runs another one without a network."""
    for command in (("unshare", "-n"), ("unshare", "-rn")):
        try:
            subprocess.run([*command, "true"], check=True, capture_output=True, timeout=10)
        except (OSError, subprocess.SubprocessError):
            continue
        return command
    pytest.skip("this machine lets nobody have a network of their own")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "no-such-name.invalid"])
def test_without_descriptors_nothing_is_said_of_the_target(host: str) -> None:
    assert reasons(NO_DESCRIPTORS, host) == [Reason.NO_DESCRIPTORS] * 2


@pytest.mark.parametrize("host", ["192.0.2.1", "[2001:db8::1]", "127.0.0.1"])
def test_without_a_route_nothing_is_said_of_the_target(host: str) -> None:
    assert reasons(NOTHING, host, prefix=alone()) == [Reason.NO_ROUTE] * 2


def test_without_a_network_no_name_is_called_wrong() -> None:
    found = reasons(NOTHING, "www.example.org", prefix=alone())
    assert found == [Reason.NO_RESOLVER] * 2


@pytest.mark.parametrize(
    "reason",
    [
        Reason.NO_DESCRIPTORS,
        Reason.NO_ROUTE,
        Reason.NO_RESOLVER,
        Reason.NO_MEMORY,
        Reason.SECRET_MISSING,
    ],
)
def test_what_we_lack_leaves_the_target_unknown(reason: Reason) -> None:
    assert outcome_of(reason) is Outcome.UNKNOWN
