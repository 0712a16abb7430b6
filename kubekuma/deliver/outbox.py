"""What becomes of a message in the outbox: tried again, put together, given up. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256
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
# From one of these to the next, while there are so many.
EVERY: Final = timedelta(seconds=60)
BACKOFF: Final = Backoff(first=5.0, most=600.0, jitter=0.2)
_ORDER: Final = (AlertSeverity.CRITICAL, AlertSeverity.WARNING, AlertSeverity.INFO)


def sent(delivery: Delivery, now: datetime, receipt: str | None = None) -> Delivery:
    """``delivery`` once it has arrived."""
    return evolve(
        delivery,
        status=DeliveryStatus.SENT,
        attempts=delivery.attempts + 1,
        error="",
        sent_at=now,
        receipt=receipt,
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


def batches(due: Sequence[Delivery], now: datetime, *, at_least: int) -> list[list[Delivery]]:
    """What of ``due`` goes out now, and what of that is one message, in order.

    Those that belong together go with the first of them. Others are one
    message only if there are ``at_least`` so many: then those too that would
    still wait for more.
    """
    shared: dict[str, list[Delivery]] = {}
    for each in due:
        if each.together or not each.message.is_test:
            shared.setdefault(each.together, []).append(each)
    found: dict[str, list[Delivery]] = {}
    for each in due:
        if each.next_at > now:
            continue
        others = shared.get(each.together, [])
        if each.together or (not each.message.is_test and len(others) >= at_least):
            found[each.together] = others
        else:
            found[each.id] = [each]
    return [*found.values()]


def overtaken(due: Sequence[Delivery], now: datetime) -> list[Delivery]:
    """What people need not read any more, as a service that was away takes the end as well.

    The end says for how long it lasted, and since when. Those that keep alerts get both.
    """
    ended = {
        each.outage
        for each in due
        if each.message.happening is Happening.UP and each.next_at <= now
    }
    return [
        evolve(each, status=DeliveryStatus.JOINED)
        for each in due
        if each.outage in ended and each.attempts and each.message.happening is not Happening.UP
    ]


def fallen_back(delivery: Delivery, now: datetime) -> Delivery | None:
    """What the fallback is told of a message that was given up; None: there is none."""
    if delivery.fallback is None or delivery.status is not DeliveryStatus.FAILED:
        return None
    message = delivery.message
    id_ = sha256(f"{delivery.id}\n{delivery.fallback}".encode()).hexdigest()[:32]
    why = f"It could not be delivered to {delivery.provider}: {delivery.error}."
    return Delivery(
        id=id_,
        outage=delivery.outage,
        provider=delivery.fallback,
        message=evolve(message, id=id_, text=f"{message.text}\n{why}"),
        created_at=now,
        next_at=now,
        together=f"undelivered to {delivery.provider}",
        every=EVERY,
        policy=delivery.policy,
    )


def all_clear(message: Message, rest: int) -> Message:
    """A recovery in a group, of which ``rest`` others are not well yet."""
    said = f"{rest} more of the group are not." if rest else "All clear: so is the whole group."
    return evolve(message, text=f"{message.text}\n{said}")


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
    Happening.UNKNOWN: "not checked",
    Happening.DEGRADED: "degraded",
    Happening.BUDGET_BURN: "short of error budget",
    Happening.CERT_EXPIRING: "about to expire",
    Happening.ACKNOWLEDGED: "seen to",
    Happening.MAINTENANCE: "under planned work",
    Happening.UP: "up again",
}


def _rank(message: Message) -> tuple[int, int, datetime]:
    happenings = list(_COUNTED)
    return happenings.index(message.happening), _ORDER.index(message.severity), message.since
