"""How far something is, on standard error: a bar for people, nothing for files."""

import sys
from typing import Final, TextIO

_WIDTH: Final = 30


class Progress:
    """Called with what is done, and of how much; draws when a percent has been added."""

    def __init__(self, what: str, out: TextIO | None = None) -> None:
        self._what = what
        self._out = out or sys.stderr
        self._shown = -1

    def __call__(self, done: int, whole: int) -> None:
        """Show ``done`` of ``whole``; the last call is the one in which they are equal."""
        if not self._out.isatty():
            return
        percent = 100 * done // whole if whole else 100
        if percent != self._shown:
            bar = "#" * (_WIDTH * percent // 100)
            end = "\n" if done >= whole else ""
            self._out.write(f"\r{self._what} [{bar:.<{_WIDTH}}] {percent:3} %{end}")
            self._out.flush()
        self._shown = percent
