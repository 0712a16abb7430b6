"""Programs in processes of their own, which a test may kill."""

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio


@asynccontextmanager
async def python(code: str, *arguments: str) -> AsyncIterator[trio.Process]:
    """Run ``code``, once it has printed a line; killed at the end."""
    process = await trio.lowlevel.open_process(
        [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with process.stdout:
            with trio.fail_after(20):
                said = b""
                while not said.endswith(b"\n"):
                    chunk = await process.stdout.receive_some()
                    assert chunk, "the program ended before it said anything"
                    said += chunk
            yield process
    finally:
        with trio.CancelScope(shield=True):
            process.kill()
            await process.wait()
