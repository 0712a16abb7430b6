"""KubeKumas that are killed by the dozen: a process that has everything imported forks each."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import attrs
import trio

# Tries again sooner than anybody should, as nobody lives here for long.
_FORKS: Final = """
import os, sys
import kubekuma.check.http, kubekuma.cli.run
from kubekuma.cli.main import main
from kubekuma.deliver import outbox
from kubekuma.kit.backoff import Backoff

outbox.BACKOFF = Backoff(first=0.5, most=2.0, jitter=0.2)

def say(text):
    os.write(1, text.encode() + b"\\n")

say("ready")
while sys.stdin.readline():
    child = os.fork()
    if not child:
        os._exit(main(["run", "--listen", "127.0.0.1:0"]))
    say(f"pid {child}")
    os.waitpid(child, 0)
    say("dead")
"""


@attrs.define
class Forks:
    """Whoever forks, and one KubeKuma at a time."""

    process: trio.Process
    pid: int = 0
    rest: bytes = b""

    async def begin(self) -> None:
        """Have the next one begin."""
        assert self.process.stdin is not None
        await self.process.stdin.send_all(b"\n")
        self.pid = int((await self.line_with("pid ")).removeprefix("pid "))

    async def says(self, event: str) -> None:
        """Wait until it has logged ``event``."""
        with trio.fail_after(20):
            await self.line_with(f'"event": {json.dumps(event)}', f'"event":{json.dumps(event)}')

    async def kill(self) -> None:
        """As ``kill -9`` does."""
        os.kill(self.pid, signal.SIGKILL)
        await self.line_with("dead")

    async def line_with(self, *texts: str) -> str:
        """What it says next that has one of ``texts`` in it."""
        while True:
            line = await self._line()
            if any(text in line for text in texts):
                return line

    async def _line(self) -> str:
        assert self.process.stdout is not None
        while b"\n" not in self.rest:
            more = await self.process.stdout.receive_some()
            assert more, "it has ended"
            self.rest += more
        line, _, self.rest = self.rest.partition(b"\n")
        return line.decode()


@asynccontextmanager
async def forking(environ: Mapping[str, Any]) -> AsyncIterator[Forks]:
    """Nobody runs yet; whoever does at the end is killed."""
    process = await trio.lowlevel.open_process(
        [sys.executable, "-c", _FORKS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **environ},
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with process.stdin, process.stdout:
            it = Forks(process)
            await it.line_with("ready")
            yield it
    finally:
        with trio.CancelScope(shield=True):
            # It and its child.
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
