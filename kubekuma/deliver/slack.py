"""Slack by incoming webhook (https://api.slack.com/messaging/webhooks), and what is like it."""

from collections.abc import Sequence
from typing import Any, Final

from kubekuma.deliver.json_post import json_post
from kubekuma.deliver.look import colour, in_markdown, links, sign
from kubekuma.deliver.request import Request, Secret
from kubekuma.model.alert import Message
from kubekuma.model.provider import MattermostConfig, SlackConfig

# Slack refuses a section with more.
MOST_TEXT: Final = 3000


def slack(config: SlackConfig, message: Message, secret: Secret) -> Sequence[Request]:
    """Post the message, with a bar in its colour."""
    shown = {"channel": config.channel, "username": config.username}
    shown["icon_emoji"] = config.icon_emoji
    url = secret(config.webhook_url_secret_ref)
    return [json_post(url, {**_given(shown), **_document(message, "<{url}|{name}>", escaped=True)})]


def mattermost(config: MattermostConfig, message: Message, secret: Secret) -> Sequence[Request]:
    """Post the message: Mattermost takes Slack's form, with Markdown's links."""
    shown = {"channel": config.channel, "username": config.username, "icon_url": config.icon_url}
    url = secret(config.webhook_url_secret_ref)
    document = _document(message, "[{name}]({url})", escaped=False)
    return [json_post(url, {**_given(shown), **document})]


def _document(message: Message, link: str, *, escaped: bool) -> dict[str, Any]:
    title = f"{sign(message)} {message.title}"
    attachment: dict[str, Any] = {
        "color": colour(message),
        "fallback": title,
        "title": _escaped(title) if escaped else title,
        "text": (_escaped(message.text) if escaped else message.text)[:MOST_TEXT],
        "fields": [],
        "ts": int(message.since.timestamp()),
    }
    if message.links:
        attachment["fields"] = [
            {
                "title": "Links",
                "value": links(message, link, _linked if escaped else in_markdown),
                "short": False,
            }
        ]
    return {"attachments": [attachment]}


def _escaped(text: str) -> str:
    """As Slack asks for it: these three, and no others."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _given(fields: dict[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value is not None}


def _linked(text: str) -> str:
    """Within ``<url|name>``, where a bar ends the URL."""
    return _escaped(text).replace("|", "%7C")
