"""So many a second, and at once no more than a burst: a token bucket."""

import trio


class Pace:
    """Lets callers through at ``per_second``, after a rest up to ``burst`` at once."""

    def __init__(self, per_second: float, burst: int) -> None:
        self._seconds_each = 1 / per_second
        self._burst_seconds = burst * self._seconds_each
        # The time up to which everything is spent. It lags behind by a burst at most.
        self._spent_until = -self._burst_seconds

    async def turn(self) -> None:
        """Wait until it is the caller's turn."""
        now = trio.current_time()
        floor = now - self._burst_seconds
        self._spent_until = max(self._spent_until, floor) + self._seconds_each
        await trio.sleep_until(max(now, self._spent_until))
