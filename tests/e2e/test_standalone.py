"""``kubekuma standalone`` killed and started again: it knows that it is alone."""

import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from kubekuma.kit.boottime import boottime

COMMAND = [sys.executable, "-m", "kubekuma", "standalone", "--listen", "127.0.0.1:0"]


@asynccontextmanager
async def standalone(data: Path) -> AsyncIterator[trio.Process]:
    process = await trio.lowlevel.open_process(
        [*COMMAND, "--data", str(data)],
        stdout=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()


async def seconds_between(process: trio.Process, first: bytes, second: bytes) -> float:
    """How long after it says ``first`` the program says ``second``."""
    said, began = b"", 0.0
    assert process.stdout is not None
    with trio.fail_after(30):
        while second not in said:
            chunk = await process.stdout.receive_some()
            assert chunk, said
            said += chunk
            if first in said and not began:
                began = boottime()
    return boottime() - began


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
async def test_l10_a_restart_waits_for_nobody(tmp_path: Path, end: signal.Signals) -> None:
    for _ in range(2):
        async with standalone(tmp_path) as process:
            assert await seconds_between(process, b'"serving"', b'"running"') < 3
            process.send_signal(end)
            with trio.fail_after(20):
                status = await process.wait()
            assert status == (0 if end is signal.SIGTERM else -signal.SIGKILL)
            assert process.stdout is not None
            await process.stdout.aclose()


async def test_a_history_that_was_deleted_is_waited_for_by_nobody(tmp_path: Path) -> None:
    for _ in range(2):
        async with standalone(tmp_path) as process:
            assert await seconds_between(process, b'"serving"', b'"running"') < 3
            process.send_signal(signal.SIGTERM)
            with trio.fail_after(20):
                await process.wait()
            assert process.stdout is not None
            await process.stdout.aclose()
        for file in tmp_path.glob("history.db*"):  # noqa: ASYNC240 - a test's own folder
            file.unlink()
