"""Query parameters: read once, refused with their name and what they should be."""

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime

from kubekuma.model.meta import Key
from kubekuma.serve.problem import Problem


def whole_number(query: Mapping[str, str], name: str, *, default: int, low: int, high: int) -> int:
    """The whole number in parameter ``name``."""
    text = query.get(name)
    if text is None:
        return default
    few_digits = text.isascii() and text.isdigit() and len(text) <= len(str(high))
    if not few_digits or not low <= int(text) <= high:
        raise Problem(400, f"{name} must be a whole number between {low} and {high}")
    return int(text)


def instant(query: Mapping[str, str], name: str, *, default: datetime) -> datetime:
    """The instant in parameter ``name``."""
    text = query.get(name)
    if text is None:
        return default
    try:
        found = datetime.fromisoformat(text.replace(" ", "+"))
        if found.tzinfo is not None:
            return found.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise Problem(400, f"{name} must be an RFC 3339 time, such as 2026-01-31T12:00:00Z")


def one_of(query: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str | None:
    """The word in parameter ``name``."""
    text = query.get(name)
    if text is not None and text not in choices:
        raise Problem(400, f"{name} must be one of {', '.join(choices)}")
    return text


def known_only(query: Mapping[str, str], *names: str) -> None:
    """Refuse parameters that nobody reads: most likely they are misspelt."""
    for name in query:
        if name not in names:
            raise Problem(400, f"{name} is not a parameter here: {', '.join(names)}")


def key_cursor(key: Key) -> str:
    """An opaque text to go on from ``key``."""
    return base64.urlsafe_b64encode("\0".join(key).encode()).decode().rstrip("=")


def cursor_key(query: Mapping[str, str], name: str) -> Key | None:
    """The key that a cursor stands for."""
    text = query.get(name)
    if text is None:
        return None
    try:
        decoded = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
        namespace, _, rest = decoded.partition("\0")
    except (binascii.Error, ValueError):
        raise Problem(400, f"{name} must be the text that the last page gave") from None
    return Key(namespace, rest)
