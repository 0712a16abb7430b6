"""Any HTTP endpoint: the message as JSON or as a template has it, signed if there is a key."""

import hmac
import json
from collections.abc import Sequence

from kubekuma.deliver.authorization import authorization
from kubekuma.deliver.request import Request, Secret
from kubekuma.model.alert import Message
from kubekuma.model.provider import WebhookConfig
from kubekuma.model.wording import MOST_BODY, message_view, worded


def webhook(config: WebhookConfig, message: Message, secret: Secret) -> Sequence[Request]:
    """Post the message. ``Idempotency-Key`` is the same however often it is sent."""
    url = config.url or (secret(config.url_secret_ref) if config.url_secret_ref else "")
    own = _own_body(config, message)
    body = own if own is not None else json.dumps(message_view(message), separators=(",", ":"))
    content = body.encode("utf-8", "replace")
    is_as_said = own is not None or config.body_template is None
    headers = [
        ("Content-Type", config.content_type if is_as_said else "application/json"),
        ("Idempotency-Key", message.id),
    ]
    for each in config.headers:
        ref = each.value_from_secret_ref
        headers.append((each.name, secret(ref) if ref is not None else each.value or ""))
    headers += authorization(secret, basic=config.basic_auth, bearer=config.bearer_token_secret_ref)
    if config.hmac_secret_ref is not None:
        key = secret(config.hmac_secret_ref).encode()
        signature = hmac.digest(key, content, "sha256").hex()
        headers.append(("X-KubeKuma-Signature", f"sha256={signature}"))
    return [Request(url=url, method=config.method, headers=tuple(headers), body=content)]


def _own_body(config: WebhookConfig, message: Message) -> str | None:
    """What the template makes of it; None where that is nothing the receiver could take."""
    body = worded(config.body_template, message, MOST_BODY)
    if body is None or len(body) >= MOST_BODY:
        return None
    if config.sends_json:
        try:
            json.loads(body)
        except (ValueError, RecursionError):
            return None
    return body
