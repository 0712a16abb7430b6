"""Planned work, announced to those who are told of its monitors' outages."""

from collections.abc import Iterator
from typing import Final

import attrs
import trio

from kubekuma.alert.announcements import Announcement, announcement_message, announcements
from kubekuma.alert.route import routes
from kubekuma.kit.contain import contain
from kubekuma.model.alert import Delivery
from kubekuma.model.kinds import WINDOW
from kubekuma.model.maintenance import Window
from kubekuma.model.meta import Key
from kubekuma.model.policy import Happening
from kubekuma.model.reach import selector
from kubekuma.parts import Parts, now
from kubekuma.reconcile.plan_calendar import occurrences
from kubekuma.record.deliveries import insert_deliveries
from kubekuma.record.store import Store
from kubekuma.telling import Telling
from kubekuma.validate.seen import Objects, all_in_force

LOOK_SECONDS: Final = 10.0


@attrs.define(eq=False)
class Announcements:
    """What was announced is in the outbox, under a name that no restart makes twice."""

    parts: Parts
    store: Store
    telling: Telling
    _put: set[str] = attrs.field(factory=set, init=False)

    async def run(self) -> None:
        """Look and announce, until cancelled."""
        while True:
            await contain(self._look, failed="planned work could not be announced")
            await trio.sleep(LOOK_SECONDS)

    async def _look(self) -> None:
        windows: Objects[Window] = dict(self.parts.resources.objects())[WINDOW.name]
        at, due = now(), list[tuple[Window, Announcement]]()
        for window in all_in_force(windows):
            schedule = window.spec.schedule
            if not window.spec.enabled or schedule is None:
                continue
            said = announcements(window, occurrences(schedule), at)
            due += [(window, each) for each in said]
        # Each time anew: who hears of it may be known a little later than the window.
        found = [it for window, each in due for it in self._deliveries(window, each)]
        new = [each for each in found if each.id not in self._put]
        if new:
            await self.store.write_durably(insert_deliveries, new)
            self.telling.bell.ring()
        self._put = {each.id for each in found}

    def _deliveries(self, window: Window, each: Announcement) -> Iterator[Delivery]:
        at, home = now(), self.parts.config.kube_namespace
        selects = selector(window.spec.match, window.meta.key.namespace, home)
        chosen = [it for it in self.parts.running.values() if selects(it)]
        directory, found = self.parts.directory, dict[Key, Key | None]()
        for monitor in chosen:
            for route in routes(monitor, Happening.MAINTENANCE, directory):
                if not directory.keeps_alerts(route.provider):
                    found.setdefault(route.provider, route.policy)
        for provider, policy in found.items():
            message = announcement_message(window, each, provider, len(chosen), at)
            yield Delivery(
                id=message.id,
                outage=f"window:{window.meta.uid}",
                provider=provider,
                message=message,
                created_at=at,
                next_at=at,
                policy=policy,
            )
