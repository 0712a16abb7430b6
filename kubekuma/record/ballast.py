"""Room kept on the disk of a database, given up when it is full: so that states can be written."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

BYTES: Final = 8 * 1024 * 1024
# Nobody's disk is filled for the sake of room on it.
SPARE: Final = 4


class Ballast:
    """A file of ``size`` bytes, or none while the room that it keeps is needed."""

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self._size = size

    def lay(self) -> bool:
        """Have the file, if there is room for several of it; say whether it is there."""
        if self._path.exists():
            return True
        disk = os.statvfs(self._path.parent)
        if disk.f_bavail * disk.f_frsize < SPARE * self._size:
            return False
        try:
            with self._path.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, self._size)
        except OSError:
            self.throw()
            return False
        return True

    def throw(self) -> None:
        """Give the room back."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
