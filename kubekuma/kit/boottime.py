"""A clock that nobody sets, and that goes on while the machine sleeps."""

import time


def boottime() -> float:
    """Seconds since the machine was started.

    trio's own clock stands still during a suspend, of which whoever waits for
    us to be gone knows nothing; and the wall clock may be set to any time.
    """
    return time.clock_gettime(time.CLOCK_BOOTTIME)
