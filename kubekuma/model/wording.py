"""A message in the form in which programs and templates know it. Pure."""

from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Any, Final

from kubekuma.kit.template import Mistake, Names, Shape, Template, Values, parse, render
from kubekuma.model.alert import Message

MOST_TITLE: Final = 500
MOST_TEXT: Final = 16_000
MOST_BODY: Final = 256 * 1024

# What a template may name: the parts of ``message_view``.
NAMES: Final[Names] = {
    **dict.fromkeys(
        (
            "id",
            "key",
            "event",
            "reminder",
            "severity",
            "title",
            "text",
            "reason",
            "message",
            "startedAt",
            "endedAt",
            "duration",
            "monitor.namespace",
            "monitor.name",
            "monitor.displayName",
            "monitor.type",
            "monitor.target",
        ),
        Shape.TEXT,
    ),
    "monitor.tags": Shape.LIST,
    "monitor.labels": Shape.MAP,
    "monitor.links": Shape.MAP,
    "monitor.annotations": Shape.MAP,
}


def message_view(message: Message) -> dict[str, Any]:
    """The JSON form of a message."""
    until = message.until or message.at or message.since
    return {
        "id": message.id,
        "key": message.key,
        "event": "test" if message.is_test else message.happening.value,
        "reminder": message.reminder,
        "monitor": {
            "namespace": message.monitor.namespace,
            "name": message.monitor.name,
            "displayName": message.name,
            "type": message.type,
            "target": message.target,
            "tags": [*message.tags],
            "labels": dict(message.labels),
            "links": dict(message.links),
            "annotations": dict(message.facts),
        },
        "severity": message.severity.value,
        "title": message.title,
        "text": message.text,
        "reason": message.reason,
        "message": message.detail,
        "startedAt": message.since.isoformat(),
        "endedAt": None if message.until is None else message.until.isoformat(),
        "duration": lasting(until - message.since),
    }


def worded(source: str | None, message: Message, most: int) -> str | None:
    """What the template ``source`` makes of ``message``.

    None where there is none, it is wrong, or nothing comes of it: the default
    is told then, for a mistake in a template must keep nobody in the dark.
    """
    template = template_of(source) if source is not None else None
    if not isinstance(template, Template):
        return None
    return render(template, _values(message), most).strip() or None


@lru_cache(maxsize=1024)
def template_of(source: str) -> Template | Mistake:
    """What a resource says in ``source`` of how messages read."""
    return parse(source, NAMES)


def lasting(length: timedelta) -> str:
    """A length for people: its two largest units."""
    seconds = max(0, int(length.total_seconds()))
    parts: list[str] = []
    for unit, letter in ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        count, seconds = divmod(seconds, unit)
        if count or (letter == "s" and not parts):
            parts.append(f"{count} {letter}")
    return " ".join(parts[:2])


def _values(message: Message) -> Values:
    view = message_view(message)
    monitor: Mapping[str, Any] = view.pop("monitor")
    return {**view, **{f"monitor.{name}": part for name, part in monitor.items()}}
