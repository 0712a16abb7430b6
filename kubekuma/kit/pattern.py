"""User-written patterns: RE2 only, since the standard library's ``re`` may run for ever."""

from functools import lru_cache
from typing import Protocol

import re2

MAX_MEMORY_BYTES = 8 * 1024 * 1024


class Pattern(Protocol):
    """The part of a compiled pattern that we use."""

    @property
    def groups(self) -> int:
        """How many groups it has."""

    def search(self, text: str) -> "Found | None":
        """Find the first match anywhere in ``text``."""

    def fullmatch(self, text: str) -> object | None:
        """Match all of ``text``."""


class Found(Protocol):
    """The part of a match that we use."""

    def group(self, number: int) -> str | None:
        """What the group ``number`` matched; None: nothing."""


@lru_cache(maxsize=1024)
def pattern(text: str) -> Pattern:
    """Compile ``text``; raise ValueError if it is no RE2 pattern."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = MAX_MEMORY_BYTES
    try:
        compiled: Pattern = re2.compile(text, options)
    except (re2.error, UnicodeEncodeError) as error:
        raise ValueError(f"must be an RE2 pattern ({_told(error)})") from error
    return compiled


def occurs(text: str, within: str) -> bool:
    """Whether the pattern ``text`` matches anywhere in ``within``."""
    # RE2 takes UTF-8, which has no lone surrogates; JSON strings may.
    return pattern(text).search(within.encode("utf-8", "replace").decode()) is not None


def first_group(text: str, within: str) -> str | None:
    """What the first group of the pattern ``text`` matches in ``within``; None: nothing."""
    found = pattern(text).search(within.encode("utf-8", "replace").decode())
    return None if found is None else found.group(1)


def pattern_with_group(text: str) -> Pattern:
    """Compile ``text``; raise ValueError if it is no RE2 pattern, or one without a group."""
    compiled = pattern(text)
    if not compiled.groups:
        raise ValueError("must have a group, in parentheses")
    return compiled


def _told(error: Exception) -> str:
    said = error.args[0] if isinstance(error, re2.error) and error.args else str(error)
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
