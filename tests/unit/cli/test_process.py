"""A process that runs until it is told to stop: real signals to a real process."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import trio

from kubekuma.cli.environment import Mistake
from kubekuma.cli.process import CUT_SHORT, SAME_SECONDS, Losing, run_service
from kubekuma.record.database import SchemaTooNewError

# Says what it does, and takes as long to stop as its argument says.
SERVICE = """
import sys
import trio
from kubekuma.cli.process import run_service

async def service(stop, losing):
    print("running", flush=True)
    await stop.wait()
    print("stopping", flush=True)
    await trio.sleep(float(sys.argv[1]))
    print("stopped", flush=True)

sys.exit(run_service(service))
"""
AT_ONCE = "0"
NEVER = "1000"
LIMIT_SECONDS = 20


@contextmanager
def service(stops_after: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", SERVICE, stops_after],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        # Whatever goes wrong, nobody waits for ever: what was killed has said nothing more.
        limit = threading.Timer(LIMIT_SECONDS, process.kill)
        limit.start()
        try:
            assert line_of(process) == "running"
            yield process
        finally:
            limit.cancel()
            process.kill()


def line_of(process: subprocess.Popen[str]) -> str:
    """What it says next, log lines left out."""
    assert process.stdout
    for line in process.stdout:
        if line.rstrip() in {"running", "stopping", "stopped"}:
            return line.rstrip()
    return "(the end)"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_stops_in_order(number: signal.Signals) -> None:
    with service(AT_ONCE) as process:
        process.send_signal(number)
        assert [line_of(process) for _ in range(3)] == ["stopping", "stopped", "(the end)"]
        assert process.wait(LIMIT_SECONDS) == 0


def test_the_second_signal_cuts_it_short() -> None:
    with service(NEVER) as process:
        process.send_signal(signal.SIGTERM)
        assert line_of(process) == "stopping"
        # Not a wait for anything to happen: it is the time that makes it a second signal.
        time.sleep(SAME_SECONDS + 0.1)
        process.send_signal(signal.SIGTERM)
        assert line_of(process) == "(the end)"
        assert process.wait(LIMIT_SECONDS) == CUT_SHORT == 130


def test_a_doubled_signal_counts_once() -> None:
    # A terminal sends one to the whole group, a wrapper passes it on.
    with service("1") as process:
        process.send_signal(signal.SIGINT)
        assert line_of(process) == "stopping"
        process.send_signal(signal.SIGTERM)
        assert line_of(process) == "stopped"
        assert process.wait(LIMIT_SECONDS) == 0


def test_a_service_that_ends_by_itself_ends_the_process() -> None:
    async def service(stop: trio.Event, losing: Losing) -> None:  # noqa: ARG001 - a Service
        await trio.lowlevel.checkpoint()
        assert not stop.is_set()

    assert run_service(service) == 0


@pytest.mark.parametrize(
    "error", [SchemaTooNewError("too new"), PermissionError(13, "not allowed")]
)
def test_what_a_person_can_put_right_is_said_in_one_line(error: Exception) -> None:
    async def service(stop: trio.Event, losing: Losing) -> None:  # noqa: ARG001 - a Service
        async with trio.open_nursery():
            await trio.lowlevel.checkpoint()
            assert not stop.is_set()
            raise error

    with pytest.raises(Mistake) as made:
        run_service(service)
    assert str(made.value) == str(error)


def test_a_bug_is_no_mistake_of_a_person() -> None:
    async def service(stop: trio.Event, losing: Losing) -> None:  # noqa: ARG001 - a Service
        await trio.lowlevel.checkpoint()
        raise KeyError(stop.is_set())

    with pytest.raises(ExceptionGroup) as crashed:
        run_service(service)
    assert crashed.group_contains(KeyError)


def test_signals_are_the_systems_again_afterwards() -> None:
    async def service(stop: trio.Event, losing: Losing) -> None:  # noqa: ARG001 - a Service
        os.kill(os.getpid(), signal.SIGTERM)
        await stop.wait()

    before = signal.getsignal(signal.SIGTERM)
    assert run_service(service) == 0
    assert signal.getsignal(signal.SIGTERM) is before
