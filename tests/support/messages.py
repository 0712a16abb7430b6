"""Messages, and deliveries of them."""

from typing import Any

from build import at

from kubekuma.model.alert import Delivery, Message
from kubekuma.model.meta import Key
from kubekuma.model.monitor import AlertSeverity
from kubekuma.model.policy import Happening


def message(name: str = "web", **more: Any) -> Message:
    fields: dict[str, Any] = {
        "id": f"m-{name}",
        "key": f"i-{name}",
        "happening": Happening.DOWN,
        "monitor": Key("shop", name),
        "name": name,
        "severity": AlertSeverity.CRITICAL,
        "title": f"{name} is down",
        "text": "Timeout: slow",
        "since": at(0),
        "reason": "Timeout",
    }
    return Message(**{**fields, **more})


def delivery(**more: Any) -> Delivery:
    fields: dict[str, Any] = {
        "id": "m-web",
        "outage": "i-web",
        "provider": Key("shop", "chat"),
        "message": message(),
        "created_at": at(0),
        "next_at": at(0),
    }
    return Delivery(**{**fields, **more})
