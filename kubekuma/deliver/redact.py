"""What a service says to a message, without what it repeats of our credentials. Pure.

Many answer a wrong address with that address: ``Cannot POST /hooks/s3cr3t``.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import unquote

HIDDEN: Final = "***"
# What is shorter is no credential, and would tear texts apart.
LEAST: Final = 6
_BETWEEN: Final = re.compile(r"[/?&=;:@]")


def redacted(text: str, secrets: Iterable[str]) -> str:
    """``text`` in which no secret is shown, nor a part of one that is a URL."""
    pieces = {piece for secret in secrets for piece in _pieces(secret) if len(piece) >= LEAST}
    for piece in sorted(pieces, key=len, reverse=True):
        text = text.replace(piece, HIDDEN)
    return text


def _pieces(secret: str) -> Iterator[str]:
    yield secret
    _, is_url, rest = secret.partition("://")
    if not is_url:
        # Such as "Bearer s3cr3t".
        yield from secret.split()
        return
    place, _, tail = rest.partition("/")
    login, _, _ = place.rpartition("@")
    for part in (tail, unquote(tail), login, unquote(login)):
        yield part
        yield from _BETWEEN.split(part)
