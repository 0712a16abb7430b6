"""Servers written in Go that Debian has not: built once, then run as programs."""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest
from support.built import built

# Where it is set, a machine without Go fails instead of leaving their tests out.
NEED: Final = "KUBEKUMA_TESTS_NEED_GO"
SOURCES: Final = Path(__file__).parents[1] / "servers"
FERRETDB: Final = "v1.24.0"


def mysqld() -> Path:
    """The server of logins in ``tests/servers/mysqld``."""
    return _program(SOURCES / "mysqld")


def kafka() -> Path:
    """The brokers in ``tests/servers/kafka``."""
    return _program(SOURCES / "kafka")


def ferretdb() -> Path:
    """FerretDB, which speaks MongoDB's protocol, with SQLite below."""

    def build(go: str, draft: Path) -> None:
        with TemporaryDirectory(prefix="kubekuma-ferretdb-") as folder:
            said = _run(
                go,
                Path(folder),
                "mod",
                "download",
                "-json",
                f"github.com/FerretDB/FerretDB@{FERRETDB}",
            )
            # It will not start without a file that its releases are built with.
            sources = Path(folder, "sources")
            shutil.copytree(json.loads(said)["Dir"], sources, copy_function=shutil.copyfile)
            for each in (sources, *sources.rglob("*/")):
                each.chmod(0o755)
            sources.joinpath("build", "version", "version.txt").write_text(FERRETDB)
            tags = "-tags=ferretdb_no_postgresql"
            flags = ("-trimpath", "-ldflags=-s -w", "-buildvcs=false", tags)
            _run(go, sources, "build", *flags, "-o", str(draft), "./cmd/ferretdb")

    return _built(f"ferretdb-{FERRETDB}", build)


def _program(sources: Path) -> Path:
    digest = hashlib.sha256()
    for source in sorted(sources.iterdir()):
        digest.update(source.read_bytes())

    def build(go: str, draft: Path) -> None:
        _run(go, sources, "build", "-trimpath", "-ldflags=-s -w", "-o", str(draft), ".")

    return _built(f"{sources.name}-{digest.hexdigest()[:16]}", build)


def _built(name: str, build: Callable[[str, Path], None]) -> Path:
    def make(binary: Path) -> None:
        go = shutil.which("go")
        if go is None:
            missing = f"there is no Go, which builds {name}"
            if os.environ.get(NEED):
                pytest.fail(missing)
            pytest.skip(missing)
        draft = binary.with_suffix(".draft")
        build(go, draft)
        draft.rename(binary)

    return built(name, make)


def _run(go: str, folder: Path, *words: str) -> str:
    # Not the Go that it would download.
    environment = {**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": ""}
    command = ["nice", go, *words]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} fails:\n{done.stderr}")
    return done.stdout
