"""PagerDuty's Events API v2 (https://developer.pagerduty.com/docs/events-api-v2/trigger-events/)."""

from collections.abc import Sequence
from typing import Any, Final

from kubekuma.deliver.json_post import json_post
from kubekuma.deliver.look import cut, fitting, is_good, is_seen_to
from kubekuma.deliver.request import Request, Secret
from kubekuma.model.alert import Message
from kubekuma.model.monitor import AlertSeverity
from kubekuma.model.provider import PagerdutyConfig

MOST_SUMMARY: Final = 1024
MOST_DETAILS: Final = 32_000  # of 512 KB for a whole event
_SEVERITIES: Final = {
    AlertSeverity.CRITICAL: "critical",
    AlertSeverity.WARNING: "warning",
    AlertSeverity.INFO: "info",
}


def pagerduty(config: PagerdutyConfig, message: Message, secret: Secret) -> Sequence[Request]:
    """Trigger the outage's alert, acknowledge or resolve it: its key is the same."""
    action = "resolve" if is_good(message) else "acknowledge" if is_seen_to(message) else "trigger"
    document: dict[str, Any] = {
        "routing_key": secret(config.routing_key_secret_ref),
        "event_action": action,
        "dedup_key": message.key,
    }
    if action == "trigger":
        document["payload"] = {
            "summary": cut(message.title, MOST_SUMMARY),
            "source": str(message.monitor),
            "severity": message.priority or _SEVERITIES[message.severity],
            "timestamp": message.since.isoformat(),
            "class": message.reason,
            "custom_details": {**fitting(message.facts, MOST_DETAILS), "text": message.text},
        }
        document["links"] = [{"href": url, "text": name} for name, url in message.links.items()]
    return [json_post(f"{config.api_url.rstrip('/')}/v2/enqueue", document)]
