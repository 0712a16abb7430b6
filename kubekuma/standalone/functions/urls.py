"""URLs: a URL stays a text, and what it consists of is found by functions of the same names."""

from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit


def is_url(text: str) -> bool:
    """Whether ``text`` is an absolute URI, or an absolute path."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return bool(parts.scheme and parts.netloc) or text.startswith("/")


def _url(text: str) -> str:
    if not is_url(text):
        raise ValueError("URL parse error during conversion from string")
    return text


URLS: Final[Mapping[str, Callable[..., Any]]] = {
    "isURL": is_url,
    "url": _url,
    "getScheme": lambda text: urlsplit(text).scheme,
    "getHost": lambda text: urlsplit(text).netloc.rpartition("@")[2],
    "getHostname": lambda text: urlsplit(text).hostname or "",
    "getPort": lambda text: str(urlsplit(text).port or ""),
    "getEscapedPath": lambda text: urlsplit(text).path,
    "getQuery": lambda text: parse_qs(urlsplit(text).query, keep_blank_values=True),
}
