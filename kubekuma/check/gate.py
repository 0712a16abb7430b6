"""Asked before a target is blamed: whether the failure may be our own network's."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

import attrs
import trio

from kubekuma.check.scopes import Scope, doubted
from kubekuma.check.sight import Ask, AskRecheck, Sight, Witnesses
from kubekuma.model.meta import Key
from kubekuma.model.result import CheckResult, Reason

MOST_CHARACTERS: Final = 1024


class Gate:
    """What is known of the ways to all targets. Its clock is trio's; ``now`` is for people."""

    def __init__(self, witnesses: Witnesses, ask: Ask, now: Callable[[], datetime]) -> None:
        self._sights = {scope: Sight(scope, witnesses, ask, now) for scope in Scope}

    @property
    def blind(self) -> Mapping[str, str]:
        """The scopes that cannot be reached now, and what was found."""
        return {scope: sight.found for scope, sight in self._sights.items() if sight.is_lost}

    async def consider(self, key: Key, result: CheckResult, began: float) -> CheckResult:
        """Say of ``result`` that we were blind, if we were while the check ran from ``began``.

        Whoever fails waits for an answer: seldom longer than a probe takes, and that is 2 s.
        """
        failed = trio.current_time()
        for scope in doubted(result):
            sight = await self._sight(scope, failed)
            if sight.was_lost(began):
                sight.excuse(key)
                said = f"{sight.found}; the check says {result.reason}: {result.message}"
                return attrs.evolve(result, reason=Reason.BLIND, message=said[:MOST_CHARACTERS])
        return result

    async def run(self, recheck: AskRecheck) -> None:
        """Get to know the witnesses, and look for the end of blindness, until cancelled."""
        async with trio.open_nursery() as nursery:
            for sight in self._sights.values():
                nursery.start_soon(sight.watch, recheck)

    async def _sight(self, scope: Scope, since: float) -> Sight:
        sight = self._sights[scope]
        await sight.look(since)
        if scope is Scope.INTERNET and not sight.has_witnesses:
            # The first step of the way there may be known.
            sight = self._sights[Scope.LOCAL]
            await sight.look(since)
        return sight
