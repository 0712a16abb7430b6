"""Discord, by webhook (https://discord.com/developers/docs/resources/webhook#execute-webhook)."""

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlencode

from kubekuma.deliver.json_post import json_post
from kubekuma.deliver.look import colour, in_markdown, links, sign
from kubekuma.deliver.request import Request, Secret
from kubekuma.model.alert import Message
from kubekuma.model.provider import DiscordConfig

MOST_TITLE: Final = 256
MOST_TEXT: Final = 4096


def discord(config: DiscordConfig, message: Message, secret: Secret) -> Sequence[Request]:
    """Post the message as an embed in its colour; nobody is mentioned by it."""
    embed: dict[str, Any] = {
        "title": f"{sign(message)} {message.title}"[:MOST_TITLE],
        "description": message.text[:MOST_TEXT],
        "color": int(colour(message).removeprefix("#"), 16),
        "timestamp": (message.until or message.since).isoformat(),
    }
    if message.links:
        embed["fields"] = [
            {"name": "Links", "value": links(message, "[{name}]({url})", in_markdown)}
        ]
    document: dict[str, Any] = {"embeds": [embed], "allowed_mentions": {"parse": []}}
    if config.username is not None:
        document["username"] = config.username
    if config.avatar_url is not None:
        document["avatar_url"] = config.avatar_url
    url = secret(config.webhook_url_secret_ref)
    if config.thread_id is not None:
        url += f"{'&' if '?' in url else '?'}{urlencode({'thread_id': config.thread_id})}"
    return [json_post(url, document)]
