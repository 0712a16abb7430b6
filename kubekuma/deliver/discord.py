"""Discord, by webhook (https://discord.com/developers/docs/resources/webhook#execute-webhook)."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from attrs import evolve

from kubekuma.deliver.json_post import json_post
from kubekuma.deliver.look import colour, cut, in_markdown, is_good, links, sign, utf16_units
from kubekuma.deliver.request import Request, Secret
from kubekuma.model.alert import Message
from kubekuma.model.provider import DiscordConfig

MOST_TITLE: Final = 256
MOST_TEXT: Final = 4096
MOST_LINKS: Final = 512  # of 1024 units
_SILENT: Final = {"allowed_mentions": {"parse": list[str]()}}


def discord(
    config: DiscordConfig, message: Message, secret: Secret, answers: str | None
) -> Sequence[Request]:
    """Post the message as an embed in its colour; nobody is mentioned by it.

    A webhook cannot answer a message: of an outage that is over, the first says so above itself.
    """
    embed: dict[str, Any] = {
        "title": cut(f"{sign(message)} {message.title}", MOST_TITLE, utf16_units),
        "description": cut(message.text, MOST_TEXT, utf16_units),
        "color": int(colour(message).removeprefix("#"), 16),
        "timestamp": (message.until or message.since).isoformat(),
    }
    if linked := links(message, "[{name}]({url})", in_markdown, MOST_LINKS):
        embed["fields"] = [{"name": "Links", "value": linked}]
    document: dict[str, Any] = {"embeds": [embed], **_SILENT}
    if config.username is not None:
        document["username"] = config.username
    if config.avatar_url is not None:
        document["avatar_url"] = config.avatar_url
    url, _, query = secret(config.webhook_url_secret_ref).partition("?")
    thread = {"thread_id": config.thread_id} if config.thread_id is not None else {}
    # Only who waits is told what the message is called.
    post = json_post(_with(url, query, {"wait": "true", **thread}), document)
    if answers is None or not is_good(message):
        return [post]
    over = {"content": f"{sign(message)} {message.title}", **_SILENT}
    first = f"{url.rstrip('/')}/messages/{answers}"
    amend = json_post(_with(first, query, thread), over, method="PATCH")
    return [post, evolve(amend, optional=True)]


def _with(url: str, query: str, more: Mapping[str, str]) -> str:
    return "?".join(filter(None, (url, "&".join(filter(None, (query, urlencode(more)))))))
