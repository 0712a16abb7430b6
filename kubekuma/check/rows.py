"""What a database answered to a query, as text."""

from collections.abc import Iterable
from typing import Final

MOST_ROWS: Final = 100
MOST_CHARACTERS: Final = 64 * 1024


class Rows:
    """The first rows of an answer: a line each, with tabs between the columns.

    What is NULL is empty. A single value is the whole text: so it can be judged as a number.
    """

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._characters = 0

    def add(self, values: Iterable[str]) -> None:
        """Take one more row; there must be room."""
        line = "\t".join(values)[: MOST_CHARACTERS - self._characters]
        self._lines.append(line)
        self._characters += len(line)

    @property
    def full(self) -> bool:
        """Whether no more rows are wanted."""
        return len(self._lines) >= MOST_ROWS or self._characters >= MOST_CHARACTERS

    @property
    def text(self) -> str:
        """All rows; without any, it is empty."""
        return "\n".join(self._lines)
