"""Microsoft Teams, by workflow: an Adaptive Card (https://adaptivecards.io/explorer/)."""

from collections.abc import Sequence
from typing import Any, Final

from kubekuma.deliver.json_post import json_post
from kubekuma.deliver.look import cut, is_good, json_bytes, sign
from kubekuma.deliver.request import Request, Secret
from kubekuma.model.alert import Message
from kubekuma.model.provider import MsteamsConfig

# A message has 28 KB at most, and fails well below that.
MOST_TEXT: Final = 8000
MOST_ACTIONS: Final = 6  # more are not shown
MOST_URL: Final = 1024


def msteams(config: MsteamsConfig, message: Message, secret: Secret) -> Sequence[Request]:
    """Post the message as a card; its links are buttons."""
    text = cut(message.text.replace("\n", "\n\n"), MOST_TEXT, json_bytes)
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
            {"type": "TextBlock", "text": text, "wrap": True},
        ],
        "actions": [
            {"type": "Action.OpenUrl", "title": name, "url": url}
            for name, url in [*message.links.items()][:MOST_ACTIONS]
            if len(url) <= MOST_URL
        ],
    }
    content = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    document = {"type": "message", "attachments": [content]}
    return [json_post(secret(config.webhook_url_secret_ref), document)]
