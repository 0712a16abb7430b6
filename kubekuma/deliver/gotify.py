"""A Gotify server (https://gotify.net/docs/pushmsg)."""

from collections.abc import Sequence
from typing import Final

from kubekuma.deliver.json_post import json_post
from kubekuma.deliver.look import priority
from kubekuma.deliver.request import Request, Secret
from kubekuma.model.alert import Message
from kubekuma.model.monitor import AlertSeverity
from kubekuma.model.provider import GotifyConfig

_PRIORITIES: Final = {
    AlertSeverity.CRITICAL: 8,
    AlertSeverity.WARNING: 5,
    AlertSeverity.INFO: 3,
}


def gotify(config: GotifyConfig, message: Message, secret: Secret) -> Sequence[Request]:
    """Post the message."""
    document = {
        "title": message.title,
        "message": message.text,
        "priority": priority(message, _PRIORITIES, good=3),
    }
    key = ("X-Gotify-Key", secret(config.token_secret_ref))
    return [json_post(f"{config.url.rstrip('/')}/message", document, key)]
