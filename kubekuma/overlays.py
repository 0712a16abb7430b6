"""Which monitors lie under planned work or a silence now; told when that changes."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Final

import trio

from kubekuma.model.meta import Key
from kubekuma.model.monitor import Monitor
from kubekuma.model.reach import Selects
from kubekuma.model.state import MonitorState, Overlaid, Standing

# One more look serves all the windows and silences that change together.
TOGETHER_SECONDS: Final = 0.1
# Ten thousand monitors are looked at in portions, so that nobody else waits.
PORTION: Final = 200


class Overlays:
    """What holds now: windows that hold messages back, and silences, by their keys.

    Level-triggered: what is compared is what holds now and what is recorded, so
    that a start, a missed change or a doubled one make no difference.
    """

    def __init__(self, running: Mapping[Key, Monitor], states: Mapping[Key, MonitorState]) -> None:
        self._running = running
        self._states = states
        self._windows: dict[Key, Selects] = {}
        self._silences: dict[Key, Selects] = {}
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
        if self._until_up:
            self._changed.set()

    def over(self, monitor: Monitor) -> Overlaid | None:
        """What lies over ``monitor`` now; None: that is recorded already."""
        key = monitor.meta.key
        state = self._states.get(key)
        standing = state.standing if state is not None else MonitorState().standing
        now = Overlaid(
            key=key,
            maintenance=any(selects(monitor) for selects in self._windows.values()),
            silenced=any(
                selects(monitor) and not self._has_ended(silence, key, standing)
                for silence, selects in self._silences.items()
            ),
        )
        same = (standing.maintenance, standing.silenced) == (now.maintenance, now.silenced)
        return None if same else now

    async def run(self, tell: Callable[[Overlaid], Awaitable[None]]) -> None:
        """Tell of every monitor over which something else lies, whenever that changes."""
        while True:
            for number, monitor in enumerate(tuple(self._running.values()), 1):
                overlaid = self.over(monitor)
                if overlaid is not None:
                    await tell(overlaid)
                if number % PORTION == 0:
                    await trio.lowlevel.checkpoint()
            await self._changed.wait()
            await trio.sleep(TOGETHER_SECONDS)
            self._changed = trio.Event()

    def _has_ended(self, silence: Key, monitor: Key, standing: Standing) -> bool:
        since = self._until_up.get(silence)
        if since is None:
            return False
        if standing.recovered_at is not None and standing.recovered_at > since:
            # It is down again, perhaps, by the next look.
            self._ended.add((silence, monitor))
        return (silence, monitor) in self._ended

    def _put(self, holding: dict[Key, Selects], key: Key, selects: Selects | None) -> None:
        if selects is not None:
            holding[key] = selects
        elif holding.pop(key, None) is None:
            return
        self._changed.set()
