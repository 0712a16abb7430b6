"""Providers of every type that is told by HTTP requests, and the values of their Secrets."""

from typing import Any, Final

from kubekuma.model.meta import SecretKeyRef
from kubekuma.model.provider import ProviderSpec
from kubekuma.validate.decode import decoded

REF: Final = {"name": "s", "key": "url"}
TOKEN: Final = {"name": "s", "key": "token"}
SECRETS: Final = {"url": "https://hooks.example.org/a?b=c", "token": "t0ken", "user": "u"}

CONFIGS: Final[dict[str, dict[str, Any]]] = {
    "slack": {"webhookUrlSecretRef": REF, "channel": "#ops", "iconEmoji": ":bear:"},
    "mattermost": {"webhookUrlSecretRef": REF, "username": "kuma"},
    "discord": {"webhookUrlSecretRef": REF, "username": "kuma", "threadId": "42"},
    "telegram": {"botTokenSecretRef": TOKEN, "chatId": "-100", "threadId": 7, "silent": True},
    "webhook": {
        "urlSecretRef": REF,
        "headers": [
            {"name": "X-Team", "value": "shop"},
            {"name": "X-Key", "valueFromSecretRef": TOKEN},
        ],
        "bearerTokenSecretRef": TOKEN,
        "hmacSecretRef": TOKEN,
    },
    "gotify": {"url": "https://gotify.example.org/", "tokenSecretRef": TOKEN},
    "ntfy": {"topic": "shop", "tokenSecretRef": TOKEN, "tags": ["bear"]},
    "pagerduty": {"routingKeySecretRef": TOKEN},
    "googlechat": {"webhookUrlSecretRef": REF},
    "msteams": {"webhookUrlSecretRef": REF},
    "pushover": {
        "userKeySecretRef": TOKEN,
        "tokenSecretRef": TOKEN,
        "device": "phone",
        "sound": "siren",
    },
    "opsgenie": {"apiKeySecretRef": TOKEN, "region": "eu", "teams": ["shop"], "tags": ["kuma"]},
    "matrix": {
        "homeserverUrl": "https://matrix.example.org/",
        "roomId": "!room:example.org",
        "accessTokenSecretRef": TOKEN,
    },
}


def secret(ref: SecretKeyRef) -> str:
    return SECRETS[ref.key]


def spec(kind: str, **more: Any) -> ProviderSpec:
    config = {kind: {**CONFIGS[kind], **more}}
    return decoded({"type": kind, "config": config}, ProviderSpec)
