"""Which monitors lie under planned work or a silence now; told when that changes."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import trio

from kubekuma.model.meta import Key
from kubekuma.model.monitor import Monitor
from kubekuma.model.reach import Selects
from kubekuma.model.state import MonitorState, Overlaid

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
        self._changed = trio.Event()

    def window(self, key: Key, selects: Selects | None) -> None:
        """A window holds messages back now, for those it ``selects``; None: it does not."""
        self._put(self._windows, key, selects)

    def silence(self, key: Key, selects: Selects | None) -> None:
        """The same for a silence."""
        self._put(self._silences, key, selects)

    def over(self, monitor: Monitor) -> Overlaid | None:
        """What lies over ``monitor`` now; None: that is recorded already."""
        key = monitor.meta.key
        state = self._states.get(key)
        now = Overlaid(
            key=key,
            maintenance=any(selects(monitor) for selects in self._windows.values()),
            silenced=any(selects(monitor) for selects in self._silences.values()),
        )
        standing = state.standing if state is not None else MonitorState().standing
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

    def _put(self, holding: dict[Key, Selects], key: Key, selects: Selects | None) -> None:
        if selects is not None:
            holding[key] = selects
        elif holding.pop(key, None) is None:
            return
        self._changed.set()
