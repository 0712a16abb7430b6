"""Which error budgets are used up too fast, once a minute."""

from collections.abc import Callable
from datetime import timedelta
from typing import Final

import attrs
import trio

from kubekuma.kit.contain import contain
from kubekuma.model.meta import Key
from kubekuma.parts import Parts, now
from kubekuma.record.burn import burning
from kubekuma.record.uptime import Uptime, uptimes_for

EVERY_SECONDS: Final = 60.0
_SPANS: Final = (timedelta(hours=1), timedelta(minutes=5))


@attrs.define(eq=False)
class Budgets:
    """``burns`` says of each monitor that uses up its budget too fast how fast it does."""

    parts: Parts
    burns: dict[Key, str] = attrs.field(factory=dict, init=False)

    async def run(self, changed: Callable[[Key], None]) -> None:
        """Look, and tell ``changed`` whose budget begins or ends to burn; until cancelled."""
        while True:
            before = set(self.burns)
            await contain(self._look, failed="error budgets could not be looked at")
            for key in before ^ set(self.burns):
                changed(key)
            await trio.sleep(EVERY_SECONDS)

    async def _look(self) -> None:
        wanted = {
            key: monitor.spec.slo
            for key, monitor in self.parts.running.items()
            if monitor.spec.slo is not None and monitor.spec.slo.alert_on_burn
        }
        found = await self.parts.readers.read(uptimes_for, _SPANS, now()) if wanted else {}
        nothing = [Uptime()] * len(_SPANS)
        said = {key: burning(slo, *found.get(key, nothing)) for key, slo in wanted.items()}
        self.burns.clear()
        self.burns.update({key: how for key, how in said.items() if how})
