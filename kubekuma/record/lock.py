"""One writer for a database: the kernel's lock on a file beside it."""

import fcntl
from pathlib import Path
from typing import IO

from kubekuma.record.database import StoreInUseError


class DatabaseLock:
    """Held as long as the file is open: the kernel frees it when we are killed, not when stopped.

    A copy of the database has a lock of its own, and some network file
    systems keep one for each machine: what must not happen twice is fenced by
    the Lease as well.
    """

    def __init__(self, database: Path) -> None:
        """Take it, at once. Raises StoreInUseError, or OSError."""
        self._file: IO[bytes] = database.with_name(f"{database.name}.lock").open("wb")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.close()
            raise StoreInUseError(f"another KubeKuma works with {database}") from error

    @property
    def held(self) -> bool:
        """Whether it is still ours."""
        return not self._file.closed

    def release(self) -> None:
        """Let others have it."""
        self._file.close()
