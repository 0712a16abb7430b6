"""From a provider's type to the function that makes its requests."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Final, assert_never

from kubekuma.deliver.discord import discord
from kubekuma.deliver.googlechat import googlechat
from kubekuma.deliver.gotify import gotify
from kubekuma.deliver.matrix import matrix
from kubekuma.deliver.msteams import msteams
from kubekuma.deliver.ntfy import ntfy
from kubekuma.deliver.opsgenie import opsgenie
from kubekuma.deliver.pagerduty import pagerduty
from kubekuma.deliver.pushover import pushover
from kubekuma.deliver.request import Request, Secret
from kubekuma.deliver.slack import mattermost, slack
from kubekuma.deliver.telegram import telegram
from kubekuma.deliver.webhook import webhook
from kubekuma.model.alert import Message
from kubekuma.model.provider import (
    AlertmanagerConfig,
    AppriseConfig,
    DiscordConfig,
    GooglechatConfig,
    GotifyConfig,
    MatrixConfig,
    MattermostConfig,
    MsteamsConfig,
    NtfyConfig,
    OpsgenieConfig,
    PagerdutyConfig,
    ProviderSpec,
    ProviderType,
    PushoverConfig,
    SlackConfig,
    SmtpConfig,
    TelegramConfig,
    WebhookConfig,
)

# What the services allow, or people bear.
_PER_MINUTE: Final = {
    ProviderType.TELEGRAM: 15,
    ProviderType.DISCORD: 25,
    ProviderType.SLACK: 50,
}
# Where the answer names the message, and what such a name looks like.
_RECEIPTS: Final[Mapping[ProviderType, tuple[Sequence[str], str]]] = {
    ProviderType.DISCORD: (("id",), r"[0-9]{1,20}"),
    ProviderType.TELEGRAM: (("result", "message_id"), r"[0-9]{1,20}"),
    ProviderType.MATRIX: (("event_id",), r"\$[!-~]{1,254}"),
}


def requests_of(
    spec: ProviderSpec, message: Message, secret: Secret, answers: str | None = None
) -> Sequence[Request]:
    """The requests that tell ``message``, in order. Raises SecretMissing.

    ``answers``: the receipt of an earlier message of the same outage.
    """
    match spec.config_in_use:
        case SlackConfig() as config:
            return slack(config, message, secret)
        case MattermostConfig() as config:
            return mattermost(config, message, secret)
        case DiscordConfig() as config:
            return discord(config, message, secret, answers)
        case TelegramConfig() as config:
            return telegram(config, message, secret, answers)
        case WebhookConfig() as config:
            return webhook(config, message, secret)
        case GotifyConfig() as config:
            return gotify(config, message, secret)
        case NtfyConfig() as config:
            return ntfy(config, message, secret)
        case PagerdutyConfig() as config:
            return pagerduty(config, message, secret)
        case GooglechatConfig() as config:
            return googlechat(config, message, secret)
        case MsteamsConfig() as config:
            return msteams(config, message, secret)
        case PushoverConfig() as config:
            return pushover(config, message, secret)
        case OpsgenieConfig() as config:
            return opsgenie(config, message, secret)
        case MatrixConfig() as config:
            return matrix(config, message, secret, answers)
        case SmtpConfig() | AppriseConfig() | AlertmanagerConfig():
            raise ValueError(f"{spec.type} is told in ways of its own")
        case _ as never:
            assert_never(never)


def receipt_of(spec: ProviderSpec, answer: bytes) -> str | None:
    """What the service calls the message that it gave this answer to; None: it has no name."""
    path, form = _RECEIPTS.get(spec.type, ((), ""))
    if not path:
        return None
    try:
        found = json.loads(answer)
        for part in path:
            found = found[part]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    return str(found) if re.fullmatch(form, str(found)) else None


def per_minute(spec: ProviderSpec) -> int | None:
    """How many messages a minute it is sent at most; None: as many as there are."""
    return spec.max_per_minute or _PER_MINUTE.get(spec.type)
