"""A topic of an ntfy server (https://docs.ntfy.sh/publish/#publish-as-json)."""

from collections.abc import Sequence
from typing import Any, Final

from kubekuma.deliver.authorization import authorization
from kubekuma.deliver.json_post import json_post
from kubekuma.deliver.look import cut, is_good, json_bytes, priority
from kubekuma.deliver.request import Request, Secret
from kubekuma.model.alert import Message
from kubekuma.model.monitor import AlertSeverity
from kubekuma.model.provider import NtfyConfig

# A longer one becomes a file, or is refused; the whole document has twice as much.
MOST_TEXT: Final = 4000
MOST_TITLE: Final = 1000
MOST_URL: Final = 2048
_PRIORITIES: Final = {
    AlertSeverity.CRITICAL: 5,
    AlertSeverity.WARNING: 4,
    AlertSeverity.INFO: 3,
}


def ntfy(config: NtfyConfig, message: Message, secret: Secret) -> Sequence[Request]:
    """Publish the message; the first link is where a tap leads."""
    document: dict[str, Any] = {
        "topic": config.topic,
        "title": cut(message.title, MOST_TITLE, json_bytes),
        "message": cut(message.text, MOST_TEXT, json_bytes),
        "priority": priority(message, _PRIORITIES, good=3),
        "tags": ["white_check_mark" if is_good(message) else "rotating_light", *config.tags],
    }
    url = next(iter(message.links.values()), "")
    # Half of an address leads nowhere.
    if url and json_bytes(url) <= MOST_URL:
        document["click"] = url
    headers = authorization(secret, basic=config.basic_auth, bearer=config.token_secret_ref)
    return [json_post(config.url, document, *headers)]
