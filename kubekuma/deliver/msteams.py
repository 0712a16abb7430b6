"""Microsoft Teams, by workflow: an Adaptive Card (https://adaptivecards.io/explorer/)."""

from collections.abc import Sequence
from typing import Any

from kubekuma.deliver.json_post import json_post
from kubekuma.deliver.look import is_good, sign
from kubekuma.deliver.request import Request, Secret
from kubekuma.model.alert import Message
from kubekuma.model.provider import MsteamsConfig


def msteams(config: MsteamsConfig, message: Message, secret: Secret) -> Sequence[Request]:
    """Post the message as a card; its links are buttons."""
    card: dict[str, Any] = {
        "type": "AdaptiveCard",
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "version": "1.4",
        "body": [
            {
                "type": "TextBlock",
                "text": f"{sign(message)} {message.title}",
                "weight": "bolder",
                "size": "medium",
                "color": "good" if is_good(message) else "attention",
                "wrap": True,
            },
            {"type": "TextBlock", "text": message.text.replace("\n", "\n\n"), "wrap": True},
        ],
        "actions": [
            {"type": "Action.OpenUrl", "title": name, "url": url}
            for name, url in message.links.items()
        ],
    }
    content = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    document = {"type": "message", "attachments": [content]}
    return [json_post(secret(config.webhook_url_secret_ref), document)]
