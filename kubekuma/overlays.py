"""Which monitors lie under planned work or a silence now; told when that changes."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import datetime
from typing import Final

import attrs
import trio

from kubekuma.model.meta import Key
from kubekuma.model.monitor import Monitor
from kubekuma.model.reach import Selects
from kubekuma.model.state import MonitorState, Overlaid, Standing

# One more look serves all the windows and silences that change together.
TOGETHER_SECONDS: Final = 0.1
# Ten thousand monitors are looked at in portions, so that nobody else waits: of so many, or fewer
# if there are thousands of silences.
PORTION: Final = 200
PORTION_SECONDS: Final = 0.005
# What came and went before it was recorded, or was missed, is found after so long.
AGAIN_SECONDS: Final = 300.0


class Overlays:
    """What holds now: windows that hold messages back, and silences, by their keys.

    Level-triggered: what is compared is what holds now and what is recorded, so
    that a start or a doubled change makes no difference.
    """

    def __init__(
        self, running: Mapping[Key, Monitor], states: Mapping[Key, MonitorState], home: str
    ) -> None:
        self._running = running
        self._states = states
        self._windows = _Holding(home)
        self._silences = _Holding(home)
        # Whom what has begun, changed or ended selects, or did.
        self._news: list[Selects] = []
        # Of silences that end for each monitor as it is up again: since when that counts, and for
        # whom they have ended.
        self._until_up: dict[Key, datetime] = {}
        self._ended: set[tuple[Key, Key]] = set()
        self._changed = trio.Event()

    def window(self, key: Key, selects: Selects | None) -> None:
        """A window holds messages back now, for those it ``selects``; None: it does not."""
        self._put(self._windows, key, selects)

    def silence(self, key: Key, selects: Selects | None, until_up: datetime | None = None) -> None:
        """The same for a silence, over each monitor ``until_up`` again if that is given."""
        self._until_up.pop(key, None)
        if selects is None:
            self._ended = {(silence, monitor) for silence, monitor in self._ended if silence != key}
        elif until_up is not None:
            self._until_up[key] = until_up
        self._put(self._silences, key, selects)

    def recovered(self) -> None:
        """Some monitor is up again, and a silence may have ended for it."""
        for silence in self._until_up:
            self._news.append(self._silences.get(silence))
            self._changed.set()

    def over(self, monitor: Monitor) -> Overlaid | None:
        """What lies over ``monitor`` now; None: that is recorded already."""
        key = monitor.meta.key
        state = self._states.get(key)
        standing = state.standing if state is not None else MonitorState().standing
        now = Overlaid(
            key=key,
            maintenance=any(True for _ in self._windows.over(monitor)),
            silenced=any(
                not self._has_ended(silence, key, standing)
                for silence in self._silences.over(monitor)
            ),
        )
        same = (standing.maintenance, standing.silenced) == (now.maintenance, now.silenced)
        return None if same else now

    async def run(self, tell: Callable[[Overlaid], Awaitable[None]]) -> None:
        """Tell of every monitor over which something else lies, whenever that changes."""
        news: list[Selects] = [lambda _: True]
        self._news.clear()
        while True:
            began = trio.current_time()
            for number, monitor in enumerate(tuple(self._running.values()), 1):
                # All that holds is asked only about those that the change may be about.
                touched = any(selects(monitor) for selects in news)
                overlaid = self.over(monitor) if touched else None
                if overlaid is not None:
                    await tell(overlaid)
                if number % PORTION == 0 or trio.current_time() - began > PORTION_SECONDS:
                    await trio.lowlevel.checkpoint()
                    began = trio.current_time()
            with trio.move_on_after(AGAIN_SECONDS) as waited:
                await self._changed.wait()
                await trio.sleep(TOGETHER_SECONDS)
            self._changed = trio.Event()
            news, self._news = self._news, []
            if waited.cancelled_caught:
                news = [lambda _: True]

    def _has_ended(self, silence: Key, monitor: Key, standing: Standing) -> bool:
        since = self._until_up.get(silence)
        if since is None:
            return False
        if standing.recovered_at is not None and standing.recovered_at > since:
            # It is down again, perhaps, by the next look.
            self._ended.add((silence, monitor))
        return (silence, monitor) in self._ended

    def _put(self, holding: "_Holding", key: Key, selects: Selects | None) -> None:
        changed = [each for each in (holding.put(key, selects), selects) if each is not None]
        if changed:
            self._news += changed
            self._changed.set()


@attrs.define
class _Holding:
    """What holds now, by the namespace that it is in: it reaches no other, unless that is ours."""

    home: str
    _owned: dict[str, dict[Key, Selects]] = attrs.field(factory=dict, init=False)

    def get(self, key: Key) -> Selects:
        """Whom the one of that name selects."""
        return self._owned[key.namespace][key]

    def put(self, key: Key, selects: Selects | None) -> Selects | None:
        """Put ``selects`` in the place of what is returned."""
        owned = self._owned.setdefault(key.namespace, {})
        before = owned.pop(key, None)
        if selects is not None:
            owned[key] = selects
        return before

    def over(self, monitor: Monitor) -> Iterator[Key]:
        """Which of them select ``monitor``."""
        for owner in {monitor.meta.key.namespace, self.home}:
            for key, selects in self._owned.get(owner, {}).items():
                if selects(monitor):
                    yield key
