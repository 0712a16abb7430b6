"""Messages that show whether a provider is told what it should be. Pure."""

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Final

from attrs import evolve

from kubekuma.model.alert import Message
from kubekuma.model.monitor import AlertSeverity
from kubekuma.model.policy import Happening
from kubekuma.model.provider import Provider, ProviderType

# They keep alerts: one that begins must end as well.
_HAVE_ALERTS: Final = frozenset(
    {ProviderType.PAGERDUTY, ProviderType.OPSGENIE, ProviderType.ALERTMANAGER}
)


def trials(provider: Provider, occasion: str, now: datetime) -> Sequence[Message]:
    """What is sent to try ``provider``: the same, under the same ids, for the same ``occasion``."""
    key = provider.meta.key
    over = Message(
        id=_id(occasion, Happening.UP),
        key=_id(occasion, None),
        happening=Happening.UP,
        monitor=key,
        name="KubeKuma",
        severity=AlertSeverity.INFO,
        title="KubeKuma can send here",
        text=f"This is a test of NotificationProvider {key}: nothing is down.",
        since=now,
        until=now,
        at=now,
        reason="Test",
        is_test=True,
    )
    if provider.spec.type not in _HAVE_ALERTS:
        return [over]
    begins = evolve(over, id=_id(occasion, Happening.DOWN), happening=Happening.DOWN, until=None)
    return [begins, over]


def _id(occasion: str, happening: Happening | None) -> str:
    return sha256(f"test\n{occasion}\n{happening or ''}".encode()).hexdigest()[:32]
