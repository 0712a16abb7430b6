"""Says that there may be more to do, as often as there is."""

import trio


class Bell:
    """Who is about to look takes ``next_ring`` first: so no ring is missed while it looks."""

    def __init__(self) -> None:
        self._event = trio.Event()

    def ring(self) -> None:
        """Wake everybody who waits for the next ring."""
        event, self._event = self._event, trio.Event()
        event.set()

    @property
    def next_ring(self) -> trio.Event:
        """Set by the next ring, and by no earlier one."""
        return self._event
