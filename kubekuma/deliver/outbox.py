"""What becomes of a message in the outbox: tried again, put together, given up. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from attrs import evolve

from kubekuma.kit.backoff import Backoff
from kubekuma.model.alert import Delivery, DeliveryStatus, Message
from kubekuma.model.monitor import AlertSeverity
from kubekuma.model.policy import Happening

GIVE_UP: Final = timedelta(hours=24)
LATE: Final = timedelta(minutes=5)
# So many at once are one message, for whoever reads them.
DIGEST: Final = 5
MOST_LINES: Final = 20
BACKOFF: Final = Backoff(first=5.0, most=600.0, jitter=0.2)
_ORDER: Final = (AlertSeverity.CRITICAL, AlertSeverity.WARNING, AlertSeverity.INFO)


def sent(delivery: Delivery, now: datetime) -> Delivery:
    """``delivery`` once it has arrived."""
    return evolve(
        delivery,
        status=DeliveryStatus.SENT,
        attempts=delivery.attempts + 1,
        error="",
        sent_at=now,
    )


def not_sent(
    delivery: Delivery,
    error: str,
    now: datetime,
    *,
    lasting: bool,
    retry_after_seconds: float | None,
    chance: float,
) -> Delivery:
    """``delivery`` once it has not: tried again later, or given up after a day of that."""
    seconds = max(BACKOFF.delay(delivery.attempts, chance), retry_after_seconds or 0.0)
    next_at = now + timedelta(seconds=seconds)
    over = lasting or next_at - delivery.created_at > GIVE_UP
    return evolve(
        delivery,
        status=DeliveryStatus.FAILED if over else DeliveryStatus.PENDING,
        attempts=delivery.attempts + 1,
        error=error,
        # What is over has no next time: that of its last try stays.
        next_at=now if over else next_at,
    )


def aged(delivery: Delivery, now: datetime) -> Message:
    """The message, with how late it comes if that is worth saying."""
    message, late = delivery.message, now - delivery.created_at
    if late < LATE:
        return message
    minutes = int(late.total_seconds() // 60)
    said = f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"
    return evolve(message, text=f"{message.text}\nThis message comes {said} late.")


def digest(messages: Sequence[Message]) -> Message:
    """Many messages as one, the worst first."""
    ranked = sorted(messages, key=_rank)
    counts = [
        f"{count} {'monitor' if count == 1 else 'monitors'} {words}"
        for happening, words in _COUNTED.items()
        if (count := sum(each.happening is happening for each in messages))
    ]
    lines = [f"{each.title} ({each.reason})" for each in ranked[:MOST_LINES]]
    if len(ranked) > MOST_LINES:
        lines.append(f"and {len(ranked) - MOST_LINES} more")
    worst = ranked[0]
    return evolve(
        worst,
        id=f"{worst.id}+{len(messages)}",
        title=", ".join(counts),
        text="\n".join(lines),
        links={},
        facts={},
        tags=(),
    )


_COUNTED: Final = {
    Happening.DOWN: "down",
    Happening.FLAPPING: "flapping",
    Happening.UP: "up again",
}


def _rank(message: Message) -> tuple[int, int, datetime]:
    happenings = list(_COUNTED)
    return happenings.index(message.happening), _ORDER.index(message.severity), message.since
