"""How messages look where a service has colours, signs and priorities. Pure."""

import json
from collections.abc import Callable, Mapping
from typing import Final

from kubekuma.model.alert import Message
from kubekuma.model.monitor import AlertSeverity
from kubekuma.model.policy import Happening

_COLOURS: Final = {
    AlertSeverity.CRITICAL: "#d92d20",
    AlertSeverity.WARNING: "#dc6803",
    AlertSeverity.INFO: "#1570ef",
}
_GOOD: Final = "#079455"
_BETWEEN: Final = " · "
_SIGNS: Final = {
    Happening.UP: "✅",
    Happening.FLAPPING: "〰️",
    Happening.DEGRADED: "🟠",
    Happening.UNKNOWN: "❔",
    Happening.CERT_EXPIRING: "⏳",
    Happening.BUDGET_BURN: "🔥",
    Happening.ACKNOWLEDGED: "👀",
    Happening.MAINTENANCE: "🛠️",
}


def is_good(message: Message) -> bool:
    """Whether it is good news."""
    return message.happening is Happening.UP


def is_seen_to(message: Message) -> bool:
    """Whether it says that somebody sees to it."""
    return message.happening is Happening.ACKNOWLEDGED


def colour(message: Message) -> str:
    """The colour of the message, as ``#rrggbb``."""
    return _GOOD if is_good(message) else _COLOURS[message.severity]


def priority(message: Message, by_severity: Mapping[AlertSeverity, int], *, good: int) -> int:
    """How loud the message is, where services count that: as the provider says, or by severity."""
    return good if is_good(message) else int(message.priority or by_severity[message.severity])


def sign(message: Message) -> str:
    """A sign that can be told from the others at a glance."""
    return _SIGNS.get(message.happening, "🔴")


def links(message: Message, form: str, fit: Callable[[str], str] = str, most: int = 2000) -> str:
    """The monitor's links, each in ``form``, such as ``<{url}|{name}>``; empty if it has none.

    As many as fit into ``most`` characters: half a link leads nowhere.
    """
    found: list[str] = []
    for name, url in message.links.items():
        link = form.format(url=fit(url), name=fit(name))
        most -= len(link) + len(_BETWEEN)
        if most < 0:
            break
        found.append(link)
    return _BETWEEN.join(found)


def fitting(parts: Mapping[str, str], most: int) -> Mapping[str, str]:
    """As many of ``parts`` as fit into ``most`` characters, names and all."""
    found: dict[str, str] = {}
    for name, part in parts.items():
        most -= len(name) + len(part)
        if most < 0:
            break
        found[name] = part
    return found


def cut(text: str, most: int, size: Callable[[str], int] = len) -> str:
    """``text``, or as much of it as has no more than ``most`` of ``size``, which adds up."""
    if size(text) <= most:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if size(f"{text[:middle]}…") <= most else (low, middle - 1)
    return f"{text[:low]}…"


def json_bytes(text: str) -> int:
    """How much room ``text`` takes in a document of ``json_post``."""
    return len(json.dumps(text, ensure_ascii=False).encode("utf-8", "replace")) - 2


def utf16_units(text: str) -> int:
    """How Telegram and Discord count."""
    return len(text.encode("utf-16-le", "replace")) // 2


def in_markdown(text: str) -> str:
    """``text`` within ``[name](url)``, where brackets and parentheses would end it."""
    return text.translate({ord("["): "%5B", ord("]"): "%5D", ord("("): "%28", ord(")"): "%29"})


def in_angles(text: str) -> str:
    """``text`` within ``<url|name>``, as Slack and Google Chat have it: a bar ends the URL."""
    return escaped(text).replace("|", "%7C")


def escaped(text: str) -> str:
    """As Slack asks for it: these three, and no others."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def without_mentions(text: str) -> str:
    """``text`` in which nobody is called by an @: what a target said calls nobody."""
    return text.replace("@", "@\N{ZERO WIDTH SPACE}")
