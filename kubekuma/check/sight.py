"""Whether anything of one scope can be seen: asked of witnesses, by one probe for all who ask.

Witnesses are hosts that are not lost together unless the way to them is. Only failures make us
ask them. Of a good answer nothing follows for what fails after it.
"""

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Final, TypeAlias

import attrs
import structlog
import trio

from kubekuma.check.scopes import Scope
from kubekuma.model.meta import Key

_log = structlog.get_logger(__name__)

# How long it is believed that nobody answers; while it is so, somebody looks as often.
KEPT_SECONDS: Final = 5.0
# Good answers are old at once, but witnesses are asked no more often than this.
PAUSE_SECONDS: Final = 1.0
# A witness that is the only one may be what failed: its silence excuses for so long.
ALONE_SECONDS: Final = 60.0
# How often it is seen to that new witnesses have shown themselves.
ACQUAINTANCE_SECONDS: Final = 60.0
# What was excused is looked at again within so long, one after the other.
RECHECK_WITHIN_SECONDS: Final = 5.0


@attrs.frozen
class Witness:
    """A ``host:port``. Of one that nobody has named we must have heard once, to miss it."""

    address: str
    named: bool = True


@attrs.frozen
class Heard:
    """What came of asking a witness. ``scope``: where the address lies that has answered."""

    answered: bool  # or could not be asked, which is no silence
    scope: Scope | None = None


Ask: TypeAlias = Callable[[str], Awaitable[Heard]]
Witnesses: TypeAlias = Callable[[Scope], Sequence[Witness]]
# Asks for another check of a key so many seconds from now. Must not block.
AskRecheck: TypeAlias = Callable[[Key, float], None]


class Sight:
    """What is known of one scope. Nothing happens by itself but in ``watch``."""

    def __init__(
        self, scope: Scope, witnesses: Witnesses, ask: Ask, now: Callable[[], datetime]
    ) -> None:
        self.found = ""  # when it was lost the last time
        self.has_witnesses = False
        self._scope = scope
        self._witnesses = witnesses
        self._ask = ask
        self._now = now
        self._lock = trio.Lock()
        self._changed = trio.Event()
        self._looked_at = -math.inf  # when the last look began
        self._silent_since: float | None = None
        self._believed_until = -math.inf  # the silence, without another look
        self._lost_since: datetime | None = None
        self._back_at = -math.inf
        self._excused: dict[Key, None] = {}
        self._known: set[str] = set()  # have answered, from this scope
        self._asked: set[str] = set()  # have had the time to, while others answered

    @property
    def is_lost(self) -> bool:
        """Whether nothing can be seen."""
        return self._lost_since is not None

    def was_lost(self, began: float) -> bool:
        """Whether that was so at any time since ``began``."""
        return self.is_lost or self._back_at > began

    def excuse(self, key: Key) -> None:
        """Have ``key`` looked at again as soon as that makes sense."""
        self._excused[key] = None
        if not self.is_lost:
            self._changed.set()

    async def look(self, since: float) -> None:
        """Look, unless somebody has done so after ``since``, or found nothing a moment ago."""
        async with self._lock:
            if self._looked_at >= since or trio.current_time() < self._believed_until:
                return
            witnesses = self._witnesses(self._scope)
            if witnesses:
                await trio.sleep_until(self._looked_at + PAUSE_SECONDS)
            began = trio.current_time()
            heard = await self._hear(witnesses)
            self._looked_at = began
            self._conclude(witnesses, heard, began)

    async def watch(self, recheck: AskRecheck) -> None:
        """Look whenever something must change, and have done what follows, until cancelled."""
        while True:
            if self.is_lost or self._strangers(self._witnesses(self._scope)):
                await self.look(trio.current_time())
            if not self.is_lost:
                self._have_rechecked(recheck)
            self._changed = trio.Event()
            soon = trio.current_time() + ACQUAINTANCE_SECONDS
            with trio.move_on_at(self._believed_until if self.is_lost else soon):
                await self._changed.wait()

    async def _hear(self, witnesses: Sequence[Witness]) -> Mapping[str, Heard]:
        """Ask all ``witnesses`` at once: one that answers is enough, unless there are strangers."""
        heard: dict[str, Heard] = {}
        one_is_enough = not self._strangers(witnesses)

        async def ask(witness: Witness, over: trio.CancelScope) -> None:
            heard[witness.address] = said = await self._ask(witness.address)
            if one_is_enough and said.answered and self._counts(witness, said):
                over.cancel()

        async with trio.open_nursery() as nursery:
            for each in witnesses:
                nursery.start_soon(ask, each, nursery.cancel_scope)
        return heard

    def _conclude(
        self, witnesses: Sequence[Witness], heard: Mapping[str, Heard], began: float
    ) -> None:
        answers = {address for address, said in heard.items() if said.answered}
        self._known.update(each for each in answers if heard[each].scope is self._scope)
        if answers:
            self._asked.update(heard)
        missed = [each.address for each in witnesses if self._counts(each)]
        self.has_witnesses = bool(missed)
        if not missed or not answers.isdisjoint(missed):
            self._silent_since, self._believed_until = None, -math.inf
            self._note_found(back=True)
            return
        self._silent_since = began if self._silent_since is None else self._silent_since
        now = trio.current_time()
        self._believed_until = min(
            now + KEPT_SECONDS, self._silent_since + longest_silence(len(missed))
        )
        if now < self._believed_until:
            self._note_lost(missed)
        else:
            self._note_found(back=False)

    def _counts(self, witness: Witness, said: Heard | None = None) -> bool:
        known = witness.named or witness.address in self._known
        return known or (said is not None and said.scope is self._scope)

    def _strangers(self, witnesses: Sequence[Witness]) -> bool:
        return any(not self._counts(each) and each.address not in self._asked for each in witnesses)

    def _note_lost(self, missed: Sequence[str]) -> None:
        if self._lost_since is not None:
            return
        self.found = f"nothing of the scope {self._scope} answers ({', '.join(missed)})"
        self._lost_since = self._now()
        self._changed.set()
        _log.warning("blind", scope=self._scope, found=self.found)

    def _note_found(self, *, back: bool) -> None:
        """Nobody is excused any more: the scope is ``back``, or its silence no longer believed."""
        if self._lost_since is None:
            return
        if back:
            self._back_at = trio.current_time()
        _log.warning(
            "blind no longer",
            scope=self._scope,
            since=self._lost_since.isoformat(timespec="seconds"),
            until=self._now().isoformat(timespec="seconds"),
            monitors=len(self._excused),
        )
        self._lost_since = None
        self._changed.set()

    def _have_rechecked(self, recheck: AskRecheck) -> None:
        keys, self._excused = tuple(self._excused), {}
        for number, key in enumerate(keys, 1):
            recheck(key, number / len(keys) * RECHECK_WITHIN_SECONDS)


def longest_silence(witnesses: int) -> float:
    """How many seconds the silence of all ``witnesses`` excuses: one may be what has failed."""
    return ALONE_SECONDS if witnesses == 1 else math.inf
