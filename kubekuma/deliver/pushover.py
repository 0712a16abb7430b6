"""Pushover (https://pushover.net/api)."""

from collections.abc import Sequence
from typing import Any, Final

from kubekuma.deliver.json_post import json_post
from kubekuma.deliver.look import cut, priority
from kubekuma.deliver.request import Request, Secret
from kubekuma.model.alert import Message
from kubekuma.model.monitor import AlertSeverity
from kubekuma.model.provider import PushoverConfig

URL: Final = "https://api.pushover.net/1/messages.json"
MOST_TITLE: Final = 250
MOST_TEXT: Final = 1024
_EMERGENCY: Final = 2
MOST_URL: Final = 512
MOST_URL_TITLE: Final = 100
_PRIORITIES: Final = {
    AlertSeverity.CRITICAL: 1,
    AlertSeverity.WARNING: 0,
    AlertSeverity.INFO: -1,
}


def pushover(config: PushoverConfig, message: Message, secret: Secret) -> Sequence[Request]:
    """Send the message; the first link goes with it."""
    level = priority(message, _PRIORITIES, good=0)
    document: dict[str, Any] = {
        "token": secret(config.token_secret_ref),
        "user": secret(config.user_key_secret_ref),
        "title": cut(message.title, MOST_TITLE),
        "message": cut(message.text, MOST_TEXT),
        "priority": level,
        "timestamp": int((message.until or message.since).timestamp()),
    }
    if level == _EMERGENCY:
        # Asked for with it: how often it sounds until somebody says that it was heard.
        document |= {"retry": 60, "expire": 3600}
    if config.device is not None:
        document["device"] = config.device
    if config.sound is not None:
        document["sound"] = config.sound
    for name, url in list(message.links.items())[:1]:
        if len(url) <= MOST_URL:
            document |= {"url": url, "url_title": cut(name, MOST_URL_TITLE)}
    return [json_post(URL, document)]
