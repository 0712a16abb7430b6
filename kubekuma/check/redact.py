"""What may be shown: secrets out, control characters out, short."""

import json
import re
from collections.abc import Iterable
from html import escape
from typing import Final
from urllib.parse import quote as url_quote
from urllib.parse import quote_plus

HIDDEN: Final = "***"
# A shorter text hides nothing worth hiding, and its replacement would garble everything.
SHORTEST_SECRET: Final = 4
# A longer one costs more to look for in any case than it is worth: nobody writes it by hand.
LONG_SECRET: Final = 256
# A text of more words is no credential, and each of them may be an everyday one.
MOST_WORDS: Final = 64

_CONTROL: Final = dict.fromkeys((*range(32), *range(127, 160)), "�")


def redact(text: str, secrets: Iterable[str]) -> str:
    """Replace every one of ``secrets`` in ``text``, in upper or lower case unless it is long."""
    known = sorted(set(secrets), key=len, reverse=True)
    for secret in known:
        if len(secret) > LONG_SECRET:
            text = text.replace(secret, HIDDEN)
    short = [re.escape(secret) for secret in known if len(secret) <= LONG_SECRET]
    return re.sub("|".join(short), HIDDEN, text, flags=re.IGNORECASE) if short else text


def forms(secret: str) -> tuple[str, ...]:
    """The texts by which ``secret`` could be known again, longest first.

    A header's value is often a scheme and a credential ("Bearer …"), and targets echo either: as
    it is, or as JSON, a URL or HTML write it.
    """
    words = secret.split()
    parts = {secret, *(words if len(words) <= MOST_WORDS else ())}
    found = {form for part in parts for form in _writings(part) if len(form) >= SHORTEST_SECRET}
    return tuple(sorted(found, key=len, reverse=True))


def _writings(text: str) -> tuple[str, ...]:
    as_json = (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1])
    return (
        text,
        *as_json,
        url_quote(text),
        url_quote(text, safe=""),
        quote_plus(text),
        escape(text),
    )


def clean(text: str, limit: int) -> str:
    """Make ``text`` fit for storage and a terminal: one line, no surrogates, at most ``limit``."""
    plain = text.encode("utf-8", "replace").decode().translate(_CONTROL)
    return plain if len(plain) <= limit else plain[: limit - 1] + "…"


def quote(value: object, secrets: Iterable[str], limit: int) -> str:
    """``value`` as JSON for a message: redacted before it is cut, so that no part remains."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    shown = redact(text, secrets)
    if len(shown) > limit:
        shown = shown[: limit - 1] + "…"
    return json.dumps(shown, ensure_ascii=False) if isinstance(value, str) else shown
