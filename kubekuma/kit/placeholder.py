"""Texts in which names stand in double braces, such as ``Bearer {{ token }}``."""

import re
from collections.abc import Callable, Sequence
from typing import Final

_NAMED: Final = re.compile(r"\{\{ *([A-Za-z_][A-Za-z0-9_]*) *\}\}")


def names_in(text: str) -> Sequence[str]:
    """The names that ``text`` has, in order; braces around anything else are only braces."""
    return _NAMED.findall(text)


def fill(text: str, value_of: Callable[[str], str]) -> str:
    """Put values in the place of names. What a value contains is not looked at again."""
    return _NAMED.sub(lambda found: value_of(found[1]), text)


def compact(text: str) -> str:
    """Take the blanks out of the braces, so that ``text`` can be parsed as a URL."""
    return _NAMED.sub(lambda found: f"{{{{{found[1]}}}}}", text)
