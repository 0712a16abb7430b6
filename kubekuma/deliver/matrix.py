"""A Matrix room (https://spec.matrix.org/latest/client-server-api/#sending-events-to-a-room)."""

from collections.abc import Sequence
from html import escape
from typing import Any, Final
from urllib.parse import quote

from kubekuma.deliver.json_post import json_post
from kubekuma.deliver.look import cut, json_bytes, links, sign, without_mentions
from kubekuma.deliver.request import Request, Secret
from kubekuma.model.alert import Message
from kubekuma.model.provider import MatrixConfig

# Bytes in both forms, of 65,536 for a whole event.
MOST_TITLE: Final = 8000
MOST_TEXT: Final = 32_000
MOST_LINKS: Final = 1000


def matrix(
    config: MatrixConfig, message: Message, secret: Secret, answers: str | None
) -> Sequence[Request]:
    """Send the message; the homeserver takes one id once, however often it is sent."""
    title = cut(without_mentions(f"{sign(message)} {message.title}"), MOST_TITLE, _bytes)
    text = cut(without_mentions(message.text), MOST_TEXT, _bytes)
    plain = (title, text, links(message, "{name}: {url}", most=MOST_LINKS))
    html = (
        f"<strong>{escape(title)}</strong>",
        _html(text),
        links(message, '<a href="{url}">{name}</a>', escape, MOST_LINKS),
    )
    document: dict[str, Any] = {
        "msgtype": "m.text",
        "body": "\n".join(filter(None, plain)),
        "format": "org.matrix.custom.html",
        "formatted_body": "<br>".join(filter(None, html)),
    }
    if answers is not None:
        document["m.relates_to"] = {"m.in_reply_to": {"event_id": answers}}
    room = quote(config.room_id, safe="")
    path = f"/_matrix/client/v3/rooms/{room}/send/m.room.message/{quote(message.id, safe='')}"
    token = ("Authorization", f"Bearer {secret(config.access_token_secret_ref)}")
    return [json_post(f"{config.homeserver_url.rstrip('/')}{path}", document, token, method="PUT")]


def _html(text: str) -> str:
    return escape(text).replace("\n", "<br>")


def _bytes(text: str) -> int:
    return json_bytes(text) + json_bytes(_html(text))
