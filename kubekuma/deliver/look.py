"""How messages look where a service has colours, signs and priorities. Pure."""

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
_SIGNS: Final = {
    Happening.UP: "✅",
    Happening.FLAPPING: "〰️",
    Happening.DEGRADED: "🟠",
    Happening.UNKNOWN: "❔",
    Happening.CERT_EXPIRING: "⏳",
    Happening.BUDGET_BURN: "🔥",
    Happening.ACKNOWLEDGED: "👀",
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


def links(message: Message, form: str, fit: Callable[[str], str] = str) -> str:
    """The monitor's links, each in ``form``, such as ``<{url}|{name}>``; empty if it has none."""
    return " · ".join(
        form.format(url=fit(url), name=fit(name)) for name, url in message.links.items()
    )


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
