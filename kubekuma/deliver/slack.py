"""Slack by incoming webhook (https://api.slack.com/messaging/webhooks), and what is like it."""

from collections.abc import Sequence
from typing import Any, Final

from kubekuma.deliver.json_post import json_post
from kubekuma.deliver.look import (
    colour,
    cut,
    escaped,
    in_angles,
    in_markdown,
    links,
    sign,
    without_mentions,
)
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
    return [json_post(url, {**_given(shown), **_document(message, "<{url}|{name}>", markup=True)})]


def mattermost(config: MattermostConfig, message: Message, secret: Secret) -> Sequence[Request]:
    """Post the message: Mattermost takes Slack's form, with Markdown's links."""
    shown = {"channel": config.channel, "username": config.username, "icon_url": config.icon_url}
    url = secret(config.webhook_url_secret_ref)
    document = _document(message, "[{name}]({url})", markup=False)
    return [json_post(url, {**_given(shown), **document})]


def _document(message: Message, link: str, *, markup: bool) -> dict[str, Any]:
    said = escaped if markup else without_mentions
    title = said(f"{sign(message)} {message.title}")
    attachment: dict[str, Any] = {
        "color": colour(message),
        "fallback": title,
        "title": title,
        "text": said(cut(message.text, MOST_TEXT)),
        "fields": [],
        "ts": int(message.since.timestamp()),
    }
    if linked := links(message, link, in_angles if markup else in_markdown):
        attachment["fields"] = [{"title": "Links", "value": linked, "short": False}]
    return {"attachments": [attachment]}


def _given(fields: dict[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value is not None}
