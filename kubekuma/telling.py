"""The outbox at work: what is sent to providers, and how they fare."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Final

import attrs
import trio

from kubekuma.deliver.alertmanager import alertmanager
from kubekuma.deliver.outbox import fallen_back
from kubekuma.deliver.request import Secret, SecretMissing
from kubekuma.deliver.send import Taken, send, send_to_any
from kubekuma.deliver.service import run_deliveries
from kubekuma.deliver.tell import Teller
from kubekuma.deliver.trial import trials
from kubekuma.kit.bell import Bell
from kubekuma.kit.contain import contain
from kubekuma.life import Work, run_signs_of_life
from kubekuma.model.alert import Delivery, DeliveryStatus, Message
from kubekuma.model.kinds import PROVIDER
from kubekuma.model.meta import Key, SecretKeyRef
from kubekuma.model.provider import AlertmanagerConfig, Provider
from kubekuma.parts import Parts, now
from kubekuma.reconcile.service import Item
from kubekuma.reconcile.tell import undelivered_event
from kubekuma.record.database import Connection, StoreError
from kubekuma.record.deliveries import (
    due_deliveries,
    fared,
    insert_deliveries,
    lasting_in,
    lasting_messages,
    oldest_waiting,
    update_deliveries,
    waiting_providers,
)
from kubekuma.record.store import Store
from kubekuma.validate.declared import parts_of
from kubekuma.validate.seen import all_in_force, in_force

# How often an Alertmanager hears that an outage lasts, and of how many at once.
REMIND_SECONDS: Final = 60.0
PORTION: Final = 500
# A test that could not be put into the outbox is put there later.
TRY_SECONDS: Final = 30.0


@attrs.define(eq=False)
class Telling:
    """Everything between the outbox and the services."""

    parts: Parts
    store: Store
    bell: Bell = attrs.field(factory=Bell, init=False)  # there may be more to send
    teller: Teller = attrs.field(factory=partial(Teller, now), init=False)
    _providers: Bell = attrs.field(factory=Bell, init=False)

    def providers_changed(self) -> None:
        """There may be somebody who asks for a test."""
        self._providers.ring()

    async def recall(self) -> None:
        """Know how providers fared before we came."""
        self.parts.deliveries.recall(await self.store.read(fared))

    async def run(self) -> None:
        """Send, until cancelled."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._remind_alertmanagers)
                nursery.start_soon(self._try_providers)
                nursery.start_soon(
                    run_signs_of_life,
                    lambda: self.parts.settings.heartbeat,
                    partial(self.parts.secrets.value, self.parts.config.kube_namespace),
                    self.work,
                    partial(send, http=self.teller.http),
                    now,
                )
                nursery.start_soon(
                    partial(
                        run_deliveries,
                        StoredOutbox(self.store, self._given_up),
                        partial(in_force, self.parts.resources.world.providers),
                        tell=self.tell,
                        bell=self.bell,
                        deliveries=self.parts.deliveries,
                        changed=self._fares,
                        now=now,
                    )
                )
        finally:
            await self.teller.aclose()

    async def tell(self, provider: Provider, message: Message, answers: str | None = None) -> Taken:
        """Send ``message`` once, now; ``answers`` is the receipt of another. Raises NotSent."""
        self.parts.leadership.check()
        secret = await self._secrets(provider)
        return await self.teller.tell(provider.spec, message, secret, answers)

    async def work(self) -> Work:
        """What a dead man's switch is told of."""
        load, health = self.parts.load, self.parts.store_health
        try:
            oldest, error = await self.store.read(oldest_waiting, now()), health.complaint
        except StoreError as failed:
            oldest, error = None, health.complaint or str(failed)
        return Work(
            checks_begun=load.begun,
            checks_skipped=load.skipped,
            checks_waiting=load.waiting,
            commits=health.commits,
            database_error=error,
            oldest_message=oldest,
        )

    async def _try_providers(self) -> None:
        """Send a test to each provider that asks for one: once, however often we start."""
        tried: set[str] = set()

        async def try_(provider: Provider) -> None:
            at, occasion = now(), f"test:{provider.meta.uid}"
            deliveries = [
                Delivery(
                    id=each.id,
                    outage=occasion,
                    provider=provider.meta.key,
                    message=each,
                    created_at=at,
                    next_at=at,
                )
                for each in trials(provider, occasion, at)
            ]
            await self.store.write_durably(insert_deliveries, deliveries)
            tried.add(provider.meta.uid)
            self.bell.ring()

        while True:
            changed, seconds = self._providers.next_ring, float("inf")
            for each in all_in_force(self.parts.resources.world.providers):
                if each.spec.test_on_create and each.spec.enabled and each.meta.uid not in tried:
                    failed = "provider not tried"
                    error = await contain(
                        partial(try_, each), failed=failed, provider=str(each.meta.key)
                    )
                    seconds = TRY_SECONDS if error is not None else seconds
            with trio.move_on_after(seconds):
                await changed.wait()

    async def _remind_alertmanagers(self) -> None:
        """Say of every outage that it lasts: without a word of ours, its alert ends."""
        while True:
            await trio.sleep(REMIND_SECONDS)
            for provider in all_in_force(self.parts.resources.world.providers):
                config = provider.spec.config_in_use
                if isinstance(config, AlertmanagerConfig) and provider.spec.enabled:
                    await contain(
                        partial(self._remind, provider, config),
                        failed="alerts could not be prolonged",
                        provider=str(provider.meta.key),
                    )

    async def _remind(self, provider: Provider, config: AlertmanagerConfig) -> None:
        self.parts.leadership.check()
        lasting = await self.store.read(lasting_messages, provider.meta.key)
        secret = await self._secrets(provider)
        for start in range(0, len(lasting), PORTION):
            portion = lasting[start : start + PORTION]
            await send_to_any(alertmanager(config, portion, secret, now()), self.teller.http)

    async def _secrets(self, provider: Provider) -> Secret:
        namespace, found = provider.meta.key.namespace, {}
        for _, part in parts_of(provider.spec):
            if isinstance(part, SecretKeyRef):
                value = await self.parts.secrets.value(namespace, part)
                if value is not None:
                    found[part.name, part.key] = value.decode("utf-8", "replace").strip()

        def secret(ref: SecretKeyRef) -> str:
            if (ref.name, ref.key) not in found:
                raise SecretMissing(f"there is no Secret {ref.name} with a key {ref.key}")
            return found[ref.name, ref.key]

        return secret

    def _given_up(self, delivery: Delivery) -> None:
        provider = in_force(self.parts.resources.world.providers, delivery.provider)
        if provider is not None:
            self.parts.tell(undelivered_event(delivery, provider.meta.uid, now()))

    def _fares(self, key: Key) -> None:
        self.parts.resources.queue.add(Item(PROVIDER.name, key))


@attrs.frozen
class StoredOutbox:
    """The outbox as it lies in the database. ``given_up`` is told of what is not sent any more."""

    store: Store
    given_up: Callable[[Delivery], None] = lambda _: None

    async def waiting(self) -> Sequence[tuple[Key, datetime]]:
        """Every provider with messages, and when it is sent to next."""
        return await self.store.read(waiting_providers)

    async def due(self, provider: Key, now: datetime, limit: int) -> Sequence[Delivery]:
        """Its messages that are due, the oldest first."""
        return await self.store.read(due_deliveries, provider, now, limit)

    async def lasting(self, provider: Key, together: str) -> int:
        """Of how many outages of a group it has not heard the end, nor is to."""
        return await self.store.read(lasting_in, provider, together)

    async def update(self, deliveries: Sequence[Delivery]) -> None:
        """Record how far they have come; what is given up goes to the fallback."""
        await self.store.write_durably(_update, deliveries, now())
        for each in deliveries:
            if each.status is DeliveryStatus.FAILED:
                self.given_up(each)


def _update(db: Connection, deliveries: Sequence[Delivery], at: datetime) -> None:
    update_deliveries(db, deliveries)
    found = (fallen_back(each, at) for each in deliveries)
    insert_deliveries(db, [each for each in found if each is not None])
