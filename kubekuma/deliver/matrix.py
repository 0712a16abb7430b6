"""A Matrix room (https://spec.matrix.org/latest/client-server-api/#sending-events-to-a-room)."""

from collections.abc import Sequence
from html import escape
from typing import Any, Final
from urllib.parse import quote

from kubekuma.deliver.json_post import json_post
from kubekuma.deliver.look import links, sign, without_mentions
from kubekuma.deliver.request import Request, Secret
from kubekuma.model.alert import Message
from kubekuma.model.provider import MatrixConfig

MOST_TEXT: Final = 20_000  # of 65,536 bytes for a whole event


def matrix(
    config: MatrixConfig, message: Message, secret: Secret, answers: str | None
) -> Sequence[Request]:
    """Send the message; the homeserver takes one id once, however often it is sent."""
    title = without_mentions(f"{sign(message)} {message.title}")
    text = without_mentions(message.text[:MOST_TEXT])
    plain = (title, text, links(message, "{name}: {url}"))
    html = (
        f"<strong>{escape(title)}</strong>",
        escape(text).replace("\n", "<br>"),
        links(message, '<a href="{url}">{name}</a>', escape),
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
