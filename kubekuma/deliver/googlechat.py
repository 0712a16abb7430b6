"""A space of Google Chat (https://developers.google.com/workspace/chat/quickstart/webhooks)."""

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlencode

from kubekuma.deliver.json_post import json_post
from kubekuma.deliver.look import cut, in_angles, links, sign
from kubekuma.deliver.request import Request, Secret
from kubekuma.model.alert import Message
from kubekuma.model.provider import GooglechatConfig

# Of 4096 together.
MOST_TEXT: Final = 3000
MOST_LINKS: Final = 500
_THREADED: Final = urlencode({"messageReplyOption": "REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD"})


def googlechat(config: GooglechatConfig, message: Message, secret: Secret) -> Sequence[Request]:
    """Post the message, in the thread of its outage if there are threads."""
    lines = (
        f"{sign(message)} *{_plain(message.title)}*",
        _plain(cut(message.text, MOST_TEXT)),
        links(message, "<{url}|{name}>", in_angles, MOST_LINKS),
    )
    document: dict[str, Any] = {"text": "\n".join(filter(None, lines))}
    url = secret(config.webhook_url_secret_ref)
    if config.threads:
        document["thread"] = {"threadKey": message.key}
        url += f"{'&' if '?' in url else '?'}{_THREADED}"
    return [json_post(url, document)]


def _plain(text: str) -> str:
    """``text`` without the brackets that call people (``<users/all>``) and make links."""
    return text.translate(
        {
            ord("<"): "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}",
            ord(">"): "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}",
        }
    )
