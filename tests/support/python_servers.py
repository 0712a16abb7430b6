"""Servers written in Python that Debian has not: installed once, each with what it needs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from support.built import built
from support.daemons import NEED

SYNAPSE: Final = "1.163.2"


def synapse() -> Path:
    """The Python that Matrix' homeserver is installed for."""
    return _installed(f"synapse-{SYNAPSE}", f"matrix-synapse=={SYNAPSE}") / "bin" / "python"


def _installed(name: str, *packages: str) -> Path:
    def build(folder: Path) -> None:
        # Its paths are absolute: it cannot be moved, but it is there only when it is whole.
        try:
            _run(sys.executable, "-m", "venv", folder)
            _run(folder / "bin" / "pip", "install", "-q", "--only-binary=:all:", *packages)
        except subprocess.CalledProcessError as error:
            shutil.rmtree(folder, ignore_errors=True)
            missing = f"{', '.join(packages)} cannot be installed:\n{error.stderr}"
            if os.environ.get(NEED):
                pytest.fail(missing)
            pytest.skip(missing)

    return built(name, build)


def _run(*words: str | Path) -> None:
    # Nothing of ours is to be seen in there.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = ["nice", *map(str, words)]
    subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
