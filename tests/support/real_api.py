"""The real Kubernetes API machinery as a server for tests: built once, then run as a program."""

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import attrs

SOURCES: Final = Path(__file__).parents[1] / "cluster" / "apiserver"
READY_SECONDS: Final = 60

# Without it kubectl cannot tell how old the server is: that of k8s.io/apiserver in go.mod.
_VERSION_PACKAGE: Final = "k8s.io/component-base/version"


class NoGoError(Exception):
    """There is no Go that could build the server."""


@attrs.frozen(kw_only=True)
class Address:
    """Where a server that was started is."""

    url: str
    ca: Path
    process_id: int


def build_real_api(say: Callable[[str], None]) -> Path:
    """Build the server unless it is built already; return where it is.

    Who comes while it is being built waits. Raises NoGoError, or
    CalledProcessError if the sources do not compile.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "kubekuma-tests")
    cache.mkdir(parents=True, exist_ok=True)
    binary = cache / f"apiserver-{_digest()}"
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not binary.exists():
            go = _fitting_go()
            say(f"building the Kubernetes API machinery into {binary}: minutes, but only once")
            _build(go, binary)
    return binary


def _digest() -> str:
    digest = hashlib.sha256()
    for source in sorted((*SOURCES.glob("*.go"), *SOURCES.glob("go.*"))):
        digest.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _fitting_go() -> str:
    wanted = _required(r"^go (\d+)\.(\d+)")
    go = shutil.which("go")
    if go is None:
        raise NoGoError(f"there is no Go: {'.'.join(wanted)} or newer builds the API machinery")
    # Not the one that it would download.
    environment = {**os.environ, "GOTOOLCHAIN": "local"}
    said = subprocess.run(
        [go, "version"], env=environment, capture_output=True, text=True, check=False
    ).stdout
    found = re.search(r"go(\d+)\.(\d+)", said)
    if found is None or tuple(map(int, found.groups())) < tuple(map(int, wanted)):
        raise NoGoError(f"{go} is {said.strip() or 'broken'}, not {'.'.join(wanted)} or newer")
    return go


def _build(go: str, binary: Path) -> None:
    minor, patch = _required(r"k8s\.io/apiserver v0\.(\d+)\.(\d+)")
    version = {"gitVersion": f"v1.{minor}.{patch}", "gitMajor": "1", "gitMinor": minor}
    stamps = [f"-X {_VERSION_PACKAGE}.{name}={value}" for name, value in version.items()]
    draft = binary.with_suffix(".draft")
    subprocess.run(
        ["nice", go, "build", "-trimpath", "-ldflags", " ".join(["-s -w", *stamps]), "-o", draft],
        cwd=SOURCES,
        env={**os.environ, "GOTOOLCHAIN": "local"},
        check=True,
    )
    draft.rename(binary)


def _required(pattern: str) -> tuple[str, ...]:
    found = re.search(pattern, (SOURCES / "go.mod").read_text(), re.MULTILINE)
    assert found is not None, pattern
    return found.groups()


@contextmanager
def running(command: Sequence[str | Path], folder: Path, **environment: str) -> Iterator[Address]:
    """Run a server that prints a line of JSON once it is ready, until the end of the block.

    What it logs is in ``folder``. It is killed in the end: it keeps nothing of worth.
    """
    log = folder / "server.log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=stderr,
            cwd=folder,
            env={**os.environ, **environment},
        )
    assert process.stdout is not None
    overdue = threading.Timer(READY_SECONDS, process.kill)
    overdue.start()
    try:
        line = process.stdout.readline()
        overdue.cancel()
        if not line:
            raise RuntimeError(f"{command[0]} did not get ready: {log.read_text()[-2000:]}")
        said = json.loads(line)
        yield Address(url=said["server"], ca=Path(said["certificate"]), process_id=process.pid)
    finally:
        overdue.cancel()
        process.kill()
        process.wait()
        process.stdout.close()
