"""Empties the outbox: provider by provider, in order, and none of them waits for another.

People get one message after another. Receivers with an alert for each outage get several at once,
and of each monitor one after another.
"""

import random
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, Protocol, TypeAlias

import attrs
import structlog
import trio

from kubekuma.deliver.choose import per_minute
from kubekuma.deliver.outbox import (
    DIGEST,
    EVERY,
    aged,
    all_clear,
    batches,
    digest,
    not_sent,
    overtaken,
    sent,
)
from kubekuma.deliver.send import NotSent, Taken
from kubekuma.kit.bell import Bell
from kubekuma.kit.contain import contain
from kubekuma.kit.pace import Pace
from kubekuma.model.alert import Delivery, DeliveryStatus, Fared, Message
from kubekuma.model.meta import Key
from kubekuma.model.policy import Happening
from kubekuma.model.provider import KEYED, Provider

_log = structlog.get_logger(__name__)

PORTION: Final = 100
# For people: so that what belongs together is there together, whatever has broken down.
WHOLE: Final = 20_000
# To a receiver with an alert for each outage: so that a slow answer keeps few others waiting.
AT_ONCE: Final = 8
# All of them together, beyond one to each: however many hang, nobody waits for them.
HELPERS: Final = 24
# Whoever is not there now, or cannot be told, may be later.
AGAIN: Final = timedelta(seconds=30)
# As long as a policy may have messages wait for others.
LONGEST_WAIT: Final = timedelta(seconds=600)
# Whoever was told of many at once hears of few as one, for so long after that.
STORM: Final = timedelta(minutes=2)


# Sends one message once, as an answer to the one of that receipt. Raises NotSent.
Tell: TypeAlias = Callable[[Provider, Message, str | None], Awaitable[Taken]]


class Outbox(Protocol):
    """Where messages wait. Raises whatever the database does."""

    async def waiting(self) -> Sequence[tuple[Key, datetime]]:
        """Every provider with messages, and when it is sent to next."""

    async def due(self, provider: Key, now: datetime, limit: int) -> Sequence[Delivery]:
        """Its messages that are due, the oldest first."""

    async def lasting(self, provider: Key, together: str) -> int:
        """Of how many outages of a group it has not heard the end, nor is to."""

    async def update(self, deliveries: Sequence[Delivery]) -> None:
        """Record how far they have come."""


@attrs.define
class Deliveries:
    """How messages fare, provider by provider. Written by ``run_deliveries`` alone."""

    sent: dict[Key, int] = attrs.field(factory=dict)
    failed: dict[Key, int] = attrs.field(factory=dict)
    last_sent_at: dict[Key, datetime] = attrs.field(factory=dict)
    storms: dict[Key, datetime] = attrs.field(factory=dict)  # until when they are put together
    last_test_at: dict[Key, datetime] = attrs.field(factory=dict)
    errors: dict[Key, str] = attrs.field(factory=dict)  # of the last try, if that failed

    def recall(self, fared: Iterable[Fared]) -> None:
        """Begin with what is known from earlier runs."""
        for each in fared:
            for known, value in (
                (self.last_sent_at, each.sent_at),
                (self.last_test_at, each.tested_at),
            ):
                if value is not None:
                    known[each.provider] = value
            if each.error is not None:
                self.errors[each.provider] = each.error


async def run_deliveries(
    outbox: Outbox,
    providers: Callable[[Key], Provider | None],
    *,
    tell: Tell,
    bell: Bell,
    deliveries: Deliveries,
    changed: Callable[[Key], None],
    now: Callable[[], datetime],
) -> None:
    """Send what waits, for ever. The ``bell`` rings when there may be more.

    ``changed`` is told of each provider that fares otherwise than before.
    Shutdown: by cancelling; what was sent and not yet recorded is sent again.
    Failure: what the database does is tried again.
    """
    paused: dict[Key, datetime] = {}
    busy: set[Key] = set()
    paces: dict[Key, Pace | None] = {}
    helpers = trio.Semaphore(HELPERS)

    async def serve(key: Key) -> None:
        provider = providers(key)
        try:
            if provider is None or not provider.spec.enabled:
                paused[key] = now() + AGAIN
                return
            pace = paces.setdefault(key, _pace(provider))
            worker = _Worker(outbox, provider, tell, pace, helpers, deliveries, now)
            error = await contain(
                partial(worker.serve, paused),
                failed="messages could not be sent",
                provider=str(key),
            )
            if error is not None:
                paused[key] = now() + AGAIN
            changed(key)
        finally:
            busy.discard(key)
            bell.ring()

    async with trio.open_nursery() as nursery:
        while True:
            event = bell.next_ring
            soonest: datetime | None = None
            for key, at in await outbox.waiting():
                if key in busy:
                    continue
                due = max(at, paused.get(key, at))
                if due <= now():
                    busy.add(key)
                    nursery.start_soon(serve, key)
                else:
                    soonest = due if soonest is None else min(soonest, due)
            with trio.move_on_after(_seconds(soonest, now())):
                await event.wait()


@attrs.define
class _Worker:
    """Sends to one provider what is due."""

    outbox: Outbox
    provider: Provider
    tell: Tell
    pace: Pace | None
    helpers: trio.Semaphore
    deliveries: Deliveries
    now: Callable[[], datetime]
    # By outage, what came back for the first message.
    receipts: dict[str, str | None] = attrs.field(factory=dict, init=False)
    # When what was not taken is tried again.
    refused: list[datetime] = attrs.field(factory=list, init=False)

    async def serve(self, paused: dict[Key, datetime]) -> None:
        """Send what is due, unless the provider takes nothing more."""
        key, now = self.provider.meta.key, self.now()
        found = await self._batched()
        self.receipts = {it.outage: it.answers for batch in found for it in batch}
        rows = deque(self._rows(found))
        if rows:
            # One that hangs shows it with the first.
            await self._send_row(rows.popleft())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._send_rows, rows)
            for _ in range(min(AT_ONCE, len(rows)) - 1):
                nursery.start_soon(self._help, rows)
        if self.refused:
            # Everybody else waits too, so that everything comes in order.
            paused[key] = max(self.refused)
            return
        paused.pop(key, None)
        if self.deliveries.storms.get(key, now) > now:
            # Of a storm people hear once a minute.
            paused[key] = self.deliveries.storms[key]

    def _rows(self, batches_: Sequence[list[Delivery]]) -> Iterable[Sequence[list[Delivery]]]:
        """What has to come one after another: to people all, else what is of one monitor."""
        if self.provider.spec.type not in KEYED:
            return [batches_]
        rows: dict[object, list[list[Delivery]]] = {}
        for batch in batches_:
            rows.setdefault(batch[0].alert or batch[0].message.monitor, []).append(batch)
        return rows.values()

    async def _send_rows(self, rows: deque[Sequence[list[Delivery]]]) -> None:
        while rows and not self.refused:
            await self._send_row(rows.popleft())

    async def _help(self, rows: deque[Sequence[list[Delivery]]]) -> None:
        with suppress(trio.WouldBlock):
            self.helpers.acquire_nowait()
            try:
                await self._send_rows(rows)
            finally:
                self.helpers.release()

    async def _send_row(self, row: Sequence[list[Delivery]]) -> None:
        for batch in row:
            if self.refused:
                return
            # Of many in one, no answer would show which is meant.
            answers = self.receipts[batch[0].outage] if len(batch) == 1 else None
            after = await self._send(batch, answers)
            for each in after:
                self.receipts[each.outage] = self.receipts[each.outage] or each.receipt
            await self.outbox.update(after)
            self.refused += [it.next_at for it in after if it.status is DeliveryStatus.PENDING]

    async def _batched(self) -> list[list[Delivery]]:
        key, now = self.provider.meta.key, self.now()
        if self.provider.spec.type in KEYED:
            return [[each] for each in await self.outbox.due(key, now, PORTION)]
        stormed = now - self.deliveries.storms.get(key, now - STORM) < STORM
        # What waits for others goes with the first of them.
        due = await self.outbox.due(key, now + LONGEST_WAIT, WHOLE)
        over = overtaken(due, now)
        if over:
            await self.outbox.update(over)
            gone = {each.id for each in over}
            due = [each for each in due if each.id not in gone]
        return batches(due, now, at_least=2 if stormed else DIGEST)

    async def _send(self, batch: Sequence[Delivery], answers: str | None) -> Sequence[Delivery]:
        key, messages = self.provider.meta.key, [aged(each, self.now()) for each in batch]
        if self.pace is not None:
            await self.pace.turn()
        try:
            message = await self._as_one(batch, messages)
            taken = await self.tell(self.provider, message, answers)
        except NotSent as error:
            self.deliveries.errors[key] = error.said
            self.deliveries.failed[key] = self.deliveries.failed.get(key, 0) + 1
            _log.warning("message not sent", provider=str(key), error=error.said)
            return [
                not_sent(
                    each,
                    error.said,
                    self.now(),
                    lasting=error.lasting,
                    retry_after_seconds=error.retry_after_seconds,
                    chance=random.random(),  # noqa: S311 - spreads retries
                )
                for each in batch
            ]
        self.deliveries.errors.pop(key, None)
        self.deliveries.sent[key] = self.deliveries.sent.get(key, 0) + len(batch)
        self.deliveries.last_sent_at[key] = self.now()
        if any(each.is_test for each in messages):
            self.deliveries.last_test_at[key] = self.now()
        receipt = taken.receipt if len(batch) == 1 else None
        return [sent(each, self.now(), receipt) for each in batch]

    async def _as_one(self, batch: Sequence[Delivery], messages: Sequence[Message]) -> Message:
        key, first = self.provider.meta.key, batch[0]
        if len(messages) > 1 and not first.together:
            self.deliveries.storms[key] = self.now() + EVERY
        message = digest(messages) if len(messages) > 1 else messages[0]
        if first.together and all(each.happening is Happening.UP for each in messages):
            return all_clear(message, await self.outbox.lasting(key, first.together))
        return message


def _pace(provider: Provider) -> Pace | None:
    count = per_minute(provider.spec)
    return None if count is None else Pace(count / 60, burst=min(5, count))


def _seconds(until: datetime | None, now: datetime) -> float:
    return float("inf") if until is None else max(0.0, (until - now).total_seconds())


def health_of(deliveries: Deliveries, key: Key) -> Mapping[str, Any]:
    """What a provider's status says of its messages."""
    error, last = deliveries.errors.get(key), deliveries.last_sent_at.get(key)
    if error is None and last is None:
        return {}
    return {
        "last_test_at": deliveries.last_test_at.get(key),
        "last_delivery_at": last,
        "last_error": error,
        "is_healthy": error is None,
    }
