"""Prometheus' Alertmanager (https://prometheus.io/docs/alerting/latest/alerts_api/).

An alert there lasts as long as somebody says so: each is posted anew once a minute while its outage
lasts, and ends by itself a few minutes after we have fallen silent.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from kubekuma.deliver.authorization import authorization
from kubekuma.deliver.json_post import json_post
from kubekuma.deliver.look import is_good
from kubekuma.deliver.request import Request, Secret
from kubekuma.model.alert import Message
from kubekuma.model.policy import Happening
from kubekuma.model.provider import AlertmanagerConfig

LASTS: Final = timedelta(minutes=4)
_NAMES: Final = {
    Happening.DOWN: "MonitorDown",
    Happening.DEGRADED: "MonitorDegraded",
    Happening.UNKNOWN: "MonitorNotChecked",
    Happening.CERT_EXPIRING: "MonitorExpires",
    Happening.BUDGET_BURN: "MonitorBurnsErrorBudget",
}


def alertmanager(
    config: AlertmanagerConfig, messages: Sequence[Message], secret: Secret, now: datetime
) -> Sequence[Request]:
    """Post all of ``messages`` to every instance: those of a cluster do not tell each other."""
    alerts = [_alert(each, now) for each in messages]
    headers = authorization(secret, basic=config.basic_auth, bearer=config.bearer_token_secret_ref)
    return [json_post(f"{url.rstrip('/')}/api/v2/alerts", alerts, *headers) for url in config.urls]


def _alert(message: Message, now: datetime) -> dict[str, Any]:
    ends_at = (message.until or now) if is_good(message) else now + LASTS
    links = [*message.links.values()]
    return {
        # What tells one alert from another: the same at its beginning and its end.
        "labels": {
            "alertname": _NAMES[message.what],
            "namespace": message.monitor.namespace,
            "monitor": message.monitor.name,
            "severity": message.severity.value,
            "outage": message.key,
        },
        "annotations": {
            "summary": message.title,
            "description": message.text,
            "reason": message.reason,
            **{_name(name): text for name, text in message.facts.items()},
        },
        "startsAt": _rfc3339(message.since),
        "endsAt": _rfc3339(max(ends_at, message.since)),
        **({"generatorURL": links[0]} if links else {}),
    }


def _rfc3339(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _name(text: str) -> str:
    """A name that Prometheus takes, as like ``text`` as can be."""
    fit = re.sub(r"[^A-Za-z0-9_]", "_", text)
    return f"_{fit}" if fit[:1].isdigit() else fit
