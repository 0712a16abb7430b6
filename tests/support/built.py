"""Servers that are made once, into a cache outside of the tree, and then run as programs."""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path


def built(name: str, build: Callable[[Path], None]) -> Path:
    """Where ``name`` is; ``build`` makes it, unless that is done. Who comes meanwhile waits."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "kubekuma-tests")
    cache.mkdir(parents=True, exist_ok=True)
    whole = cache / name
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not whole.exists():
            build(whole)
    return whole
