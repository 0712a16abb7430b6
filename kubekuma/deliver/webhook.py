"""Any HTTP endpoint: the message as JSON, signed if there is a key."""

import hmac
import json
from collections.abc import Sequence
from typing import Any

from kubekuma.deliver.authorization import authorization
from kubekuma.deliver.request import Request, Secret
from kubekuma.model.alert import Message
from kubekuma.model.provider import WebhookConfig


def webhook(config: WebhookConfig, message: Message, secret: Secret) -> Sequence[Request]:
    """Post the message. ``Idempotency-Key`` is the same however often it is sent."""
    url = config.url or (secret(config.url_secret_ref) if config.url_secret_ref else "")
    body = json.dumps(view(message), separators=(",", ":")).encode()
    headers = [
        ("Content-Type", config.content_type),
        ("Idempotency-Key", message.id),
    ]
    for each in config.headers:
        ref = each.value_from_secret_ref
        headers.append((each.name, secret(ref) if ref is not None else each.value or ""))
    headers += authorization(secret, basic=config.basic_auth, bearer=config.bearer_token_secret_ref)
    if config.hmac_secret_ref is not None:
        key = secret(config.hmac_secret_ref).encode()
        headers.append(("X-KubeKuma-Signature", f"sha256={hmac.digest(key, body, 'sha256').hex()}"))
    return [Request(url=url, method=config.method, headers=tuple(headers), body=body)]


def view(message: Message) -> dict[str, Any]:
    """The JSON form of a message."""
    return {
        "id": message.id,
        "key": message.key,
        "event": message.happening.value,
        "reminder": message.reminder,
        "monitor": {
            "namespace": message.monitor.namespace,
            "name": message.monitor.name,
            "displayName": message.name,
            "tags": [*message.tags],
            "links": dict(message.links),
            "annotations": dict(message.facts),
        },
        "severity": message.severity.value,
        "title": message.title,
        "text": message.text,
        "reason": message.reason,
        "startedAt": message.since.isoformat(),
        "endedAt": None if message.until is None else message.until.isoformat(),
    }
