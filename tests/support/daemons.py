"""Servers of Debian's, started on free ports of loopback for the tests of a process."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Final

import pytest

# Where it is set, a machine without a server fails instead of leaving its tests out.
NEED: Final = "KUBEKUMA_TESTS_NEED_SERVERS"
_PATH: Final = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin"
_START_SECONDS: Final = 30


def installed(program: str, package: str) -> str:
    """Where ``program`` is; without it, the test is skipped and says which ``package`` has it."""
    found = shutil.which(program, path=_PATH) if "/" not in program else _existing(program)
    if found is not None:
        return found
    missing = f"there is no {program}: apt-get install {package}"
    if os.environ.get(NEED):
        pytest.fail(missing)
    pytest.skip(missing)


def free_ports(count: int) -> Sequence[int]:
    """Ports of loopback that nobody listens on."""
    held = [socket.socket() for _ in range(count)]
    for each in held:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports


@contextmanager
def running(
    command: Sequence[str | Path],
    folder: Path,
    *,
    ports: Sequence[int] = (),
    says: str = "",
    stdin: bytes | None = None,
    env: Mapping[str, str] | None = None,
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a server with its output in ``folder``/log, from when it listens on ``ports``.

    ``says``: what it logs when it is ready, if it listens before that.
    """
    log = folder / "log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
    try:
        if stdin is not None and process.stdin is not None:
            process.stdin.write(stdin)
            process.stdin.close()
        for port in ports:
            _await(partial(_listens, port), process, log)
        _await(lambda: says in log.read_text("utf-8", "replace"), process, log)
        yield process
    finally:
        _stop(process)


def _existing(path: str) -> str | None:
    return path if Path(path).exists() else None


def _await(holds: Callable[[], bool], process: "subprocess.Popen[bytes]", log: Path) -> None:
    ends_at = time.monotonic() + _START_SECONDS
    while not holds():
        if process.poll() is not None or time.monotonic() > ends_at:
            said = log.read_text("utf-8", "replace")
            raise RuntimeError(f"{process.args!r} does not start:\n{said}")
        time.sleep(0.02)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def open_folders() -> Iterator[Callable[[], Path]]:
    """Make folders for servers that give up root.

    Not in pytest's, which every session that starts closes to others than its owner.
    """
    with TemporaryDirectory(prefix="kubekuma-servers-") as root:
        Path(root).chmod(0o755)

        def make() -> Path:
            folder = Path(mkdtemp(dir=root))
            folder.chmod(0o755)
            return folder

        yield make
