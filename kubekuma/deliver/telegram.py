"""Telegram, by bot (https://core.telegram.org/bots/api#sendmessage)."""

from collections.abc import Sequence
from html import escape
from typing import Any, Final

from kubekuma.deliver.json_post import json_post
from kubekuma.deliver.look import cut, links, sign, utf16_units
from kubekuma.deliver.request import Request, Secret
from kubekuma.model.alert import Message
from kubekuma.model.provider import TelegramConfig

# Of 4096 together, as they are shown.
MOST_TITLE: Final = 256
MOST_TEXT: Final = 3000
MOST_LINKS: Final = 800


def telegram(
    config: TelegramConfig, message: Message, secret: Secret, answers: str | None
) -> Sequence[Request]:
    """Send the message; what it quotes is text, and no markup."""
    lines = [
        f"{sign(message)} <b>{escape(cut(message.title, MOST_TITLE, utf16_units))}</b>",
        escape(cut(message.text, MOST_TEXT, utf16_units)),
        links(message, '<a href="{url}">{name}</a>', escape, MOST_LINKS),
    ]
    document: dict[str, Any] = {
        "chat_id": config.chat_id,
        "text": "\n".join(filter(None, lines)),
        "parse_mode": "HTML",
        "link_preview_options": {"is_disabled": True},
        "disable_notification": config.silent,
    }
    if config.thread_id is not None:
        document["message_thread_id"] = config.thread_id
    if answers is not None:
        # The chat may be another by now.
        reply = {"message_id": int(answers), "allow_sending_without_reply": True}
        document["reply_parameters"] = reply
    token = secret(config.bot_token_secret_ref)
    return [json_post(f"{config.api_url.rstrip('/')}/bot{token}/sendMessage", document)]
