"""Opsgenie's Alert API (https://docs.opsgenie.com/docs/alert-api)."""

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote

from kubekuma.deliver.json_post import json_post
from kubekuma.deliver.look import cut, fitting, is_good, is_seen_to
from kubekuma.deliver.request import Request, Secret
from kubekuma.model.alert import Message
from kubekuma.model.monitor import AlertSeverity
from kubekuma.model.provider import OpsgenieConfig, OpsgenieRegion

MOST_TITLE: Final = 130
MOST_TEXT: Final = 15_000
MOST_TAGS: Final = 20
MOST_TAG: Final = 50
MOST_DETAILS: Final = 7500  # of 8000, which the reason is part of
_HOSTS: Final = {
    OpsgenieRegion.US: "https://api.opsgenie.com",
    OpsgenieRegion.EU: "https://api.eu.opsgenie.com",
}
_PRIORITIES: Final = {
    AlertSeverity.CRITICAL: "P1",
    AlertSeverity.WARNING: "P3",
    AlertSeverity.INFO: "P5",
}


def opsgenie(config: OpsgenieConfig, message: Message, secret: Secret) -> Sequence[Request]:
    """Create the outage's alert, acknowledge or close it: its alias is the same."""
    alerts = f"{_HOSTS[config.region]}/v2/alerts"
    key = ("Authorization", f"GenieKey {secret(config.api_key_secret_ref)}")
    if is_good(message) or is_seen_to(message):
        action = "close" if is_good(message) else "acknowledge"
        url = f"{alerts}/{quote(message.key, safe='')}/{action}?identifierType=alias"
        return [json_post(url, {"source": "KubeKuma", "note": cut(message.text, MOST_TEXT)}, key)]
    known = {**message.facts, **message.links}
    document: dict[str, Any] = {
        "message": cut(message.title, MOST_TITLE),
        "alias": message.key,
        "description": cut(message.text, MOST_TEXT),
        "responders": [{"name": team, "type": "team"} for team in config.teams],
        "tags": [cut(each, MOST_TAG) for each in (*config.tags, *message.tags)][:MOST_TAGS],
        "details": {**fitting(known, MOST_DETAILS), "reason": message.reason},
        "entity": str(message.monitor),
        "source": "KubeKuma",
        "priority": message.priority or _PRIORITIES[message.severity],
    }
    return [json_post(alerts, document, key)]
