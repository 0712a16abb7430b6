"""Our own troubles, told to whoever the settings name; and once a week that there are none.

They are sent past the outbox, which may be what is in trouble: what was told of them is known to
this process alone, and told again by the next.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, time, timedelta
from hashlib import sha256
from typing import Final

import attrs
import structlog
import trio

from kubekuma.alert.troubles import (
    NAME,
    Due,
    Known,
    Trouble,
    found_now,
    plan_troubles,
    told,
    trouble_message,
)
from kubekuma.deliver.send import NotSent
from kubekuma.kit.contain import contain
from kubekuma.lead import HISTORY_LOST
from kubekuma.model.alert import Delivery, Message
from kubekuma.model.meta import Key, Truth
from kubekuma.model.monitor import AlertSeverity
from kubekuma.model.policy import Happening
from kubekuma.model.provider import Provider
from kubekuma.parts import Parts, now
from kubekuma.reconcile.health import (
    CONNECTIVITY,
    HISTORY,
    SATURATED,
    WATCHES,
    health_conditions,
)
from kubekuma.record.deliveries import insert_deliveries
from kubekuma.record.store import Store
from kubekuma.telling import Telling
from kubekuma.validate.rule import Rejected
from kubekuma.validate.seen import in_force

_log = structlog.get_logger(__name__)

# How conditions of the settings are called here, and how they are when all is well.
_CONDITIONS: Final = {
    HISTORY: ("history", Truth.TRUE),
    WATCHES: ("watches", Truth.TRUE),
    SATURATED: ("scheduler", Truth.FALSE),
    CONNECTIVITY: ("connectivity", Truth.TRUE),
    HISTORY_LOST: ("history lost", Truth.FALSE),
}
LOOK_SECONDS: Final = 5.0
# Whoever did not take a message is tried again then.
AGAIN_SECONDS: Final = 60.0
PATIENCE: Final = timedelta(minutes=1)
PROVIDER_PATIENCE: Final = timedelta(minutes=5)
NAMED: Final = 5
# Mondays, as soon as people are at work.
PROOF_HOUR: Final = time(8)


@attrs.define(eq=False)
class Troubles:
    """What is wrong with us, and who knows."""

    parts: Parts
    store: Store
    telling: Telling
    _known: dict[str, Known] = attrs.field(factory=dict, init=False)
    _not_before: dict[Key, float] = attrs.field(factory=dict, init=False)
    _proved: set[str] = attrs.field(factory=set, init=False)

    async def run(self) -> None:
        """Look and tell, until cancelled."""
        while True:
            await contain(self._look, failed="our own troubles could not be told")
            await contain(self._prove, failed="the weekly proof could not be told")
            await trio.sleep(LOOK_SECONDS)

    async def _look(self) -> None:
        at, found = now(), dict(self._found())
        self._known = found_now(self._known, found, at)
        providers = self._providers()
        for due in list(plan_troubles(self._known, found, [*providers], at)):
            provider = providers.get(due.provider)
            if provider is None:
                # It is named no more: nobody has to hear of the end.
                self._known = told(self._known, due)
            elif trio.current_time() >= self._not_before.get(due.provider, 0.0):
                await self._tell(provider, due, at)

    async def _tell(self, provider: Provider, due: Due, at: datetime) -> None:
        home = self.parts.config.kube_namespace
        message = trouble_message(due, self._known[due.name], home, at)
        try:
            await self.telling.tell(provider, message)
        except NotSent as error:
            self._not_before[due.provider] = trio.current_time() + AGAIN_SECONDS
            _log.warning(
                "own trouble not told",
                provider=str(due.provider),
                trouble=due.name,
                error=error.said,
            )
        else:
            self._known = told(self._known, due)

    def _found(self) -> Iterator[tuple[str, Trouble]]:
        for each in (*health_conditions(self.parts.vitals), *self.parts.throne.conditions()):
            name, good = _CONDITIONS[each.type]
            if each.status is not good:
                yield name, Trouble(said=each.message, patience=PATIENCE)
        for key, error in self.parts.deliveries.errors.items():
            said = f"messages to {key} are not taken: {error}"
            yield f"provider {key}", Trouble(said=said, patience=PROVIDER_PATIENCE, about=key)
        if invalid := self._invalid():
            more = f" and {len(invalid) - NAMED} more" if len(invalid) > NAMED else ""
            said = f"not valid, and so not followed: {', '.join(invalid[:NAMED])}{more}"
            yield "resources", Trouble(said=said, patience=PATIENCE)
        if self.parts.throne.unfinished:
            said = f"{self.parts.throne.unfinished} led before, and its work had not ended"
            yield "leadership", Trouble(said=said, patience=timedelta(0))

    def _invalid(self) -> Sequence[str]:
        """Every resource of which the latest form does not hold, by kind and name."""
        return sorted(
            f"{kind} {key}"
            for kind, objects in self.parts.resources.objects()
            for key in tuple(objects.keys())
            if (seen := objects.get(key)) is not None and isinstance(seen.latest, Rejected)
        )

    def _providers(self) -> Mapping[Key, Provider]:
        home, found = self.parts.config.kube_namespace, {}
        for name in self.parts.settings.alerting.system_provider_refs:
            provider = in_force(self.parts.resources.world.providers, Key(home, name))
            if provider is not None and provider.spec.enabled:
                found[provider.meta.key] = provider
        return found

    async def _prove(self) -> None:
        """Say once a week how many are watched: whoever hears nothing knows that we are silent."""
        if not self.parts.settings.alerting.weekly_proof or not self.parts.ready:
            return
        at = now()
        due = last_proof(at)
        found = [
            Delivery(
                id=each.id,
                outage=f"proof:{due:%Y-%m-%d}",
                provider=key,
                message=each,
                created_at=at,
                next_at=at,
            )
            for key in self._providers()
            for each in [self._proof(key, due, at)]
        ]
        new = [each for each in found if each.id not in self._proved]
        if new:
            # After a restart they are there already: the same week has the same names.
            await self.store.write_durably(insert_deliveries, new)
            self.telling.bell.ring()
        self._proved = {each.id for each in found}

    def _proof(self, provider: Key, due: datetime, at: datetime) -> Message:
        parts = self.parts
        states = [it for key, it in parts.ledger.states.items() if key in parts.running]
        shown = Counter(state.standing.shown for state in states)
        counts = ", ".join(f"{count} {name}" for name, count in shown.most_common())
        troubles = [it.trouble.said for it in self._known.values() if it.told]
        said = "all is well with us" if not troubles else "not all is well with us"
        count = len(parts.running)
        watched = "1 monitor is watched" if count == 1 else f"{count} monitors are watched"
        id_ = sha256(f"proof\n{due:%Y-%m-%d}\n{provider}".encode()).hexdigest()[:32]
        return Message(
            id=id_,
            key=id_,
            happening=Happening.UP,
            monitor=Key(parts.config.kube_namespace, "kubekuma"),
            name=NAME,
            severity=AlertSeverity.INFO,
            title=f"{NAME}: {said}, {watched}",
            text="\n".join([counts, *troubles]),
            since=due,
            at=at,
            reason="WeeklyProof",
        )


def last_proof(at: datetime) -> datetime:
    """When the week's proof was due, at the latest by ``at``."""
    monday = (at - timedelta(days=at.weekday())).date()
    due = datetime.combine(monday, PROOF_HOUR, at.tzinfo)
    return due if due <= at else due - timedelta(days=7)
