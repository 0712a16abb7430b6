"""Service level reports: what a stretch of time came to, monitor by monitor."""

from collections.abc import Mapping, Sequence
from typing import Final

import attrs

from kubekuma.model.meta import Key
from kubekuma.model.state import Charge
from kubekuma.record.database import Connection
from kubekuma.record.days import charged_within
from kubekuma.record.latency import Point, latency_within
from kubekuma.record.reclassified import Reclassification, reclassifications
from kubekuma.record.times import Window, epoch_ms
from kubekuma.record.uptime import Uptime

_DOWN: Final = """
    SELECT start, incident,
        (SELECT MIN(start) FROM spans AS later
            WHERE later.series = spans.series AND later.start > spans.start)
    FROM spans
    WHERE series = (SELECT id FROM series WHERE namespace = ? AND name = ?)
    AND charge = 'down' AND incident IS NOT NULL AND start < ?
"""


@attrs.frozen(kw_only=True)
class ServiceLevel:
    """How one monitor was within a window."""

    key: Key
    charged_ms: Mapping[str, int]  # by charge; what is missing of the window was never watched
    outages: int  # those that some of its time is charged to as down
    latency: Point | None  # None: nothing was checked; hours are counted as wholes
    reclassified: Sequence[Reclassification]

    @property
    def uptime(self) -> Uptime:
        """What counts."""
        up, degraded, down = (
            self.charged_ms.get(each.value, 0) for each in (Charge.UP, Charge.DEGRADED, Charge.DOWN)
        )
        return Uptime(good_ms=up + degraded, down_ms=down)

    @property
    def to_recovery_ms(self) -> int | None:
        """The mean time to recovery (MTTR), cut; None: nothing had to be recovered from."""
        return self.uptime.down_ms // self.outages if self.outages else None

    @property
    def between_failures_ms(self) -> int | None:
        """The mean time between failures (MTBF), cut; None: there were none."""
        return self.uptime.good_ms // self.outages if self.outages else None


def service_levels(db: Connection, keys: Sequence[Key], window: Window) -> list[ServiceLevel]:
    """How each of ``keys`` was within ``window``, in their order."""
    return [_service_level(db, key, window) for key in keys]


def _service_level(db: Connection, key: Key, window: Window) -> ServiceLevel:
    said = reclassifications(db, key, window)
    return ServiceLevel(
        key=key,
        charged_ms=charged_within(db, key, window),
        outages=_outages(db, key, window, said),
        latency=latency_within(db, key, window),
        reclassified=tuple(said),
    )


def _outages(db: Connection, key: Key, window: Window, said: Sequence[Reclassification]) -> int:
    since, until = epoch_ms(window.since), epoch_ms(window.until)
    counts = set()
    for start, incident, ends in db.execute(_DOWN, (*key, until)):
        begin, end = max(start, since), until if ends is None else min(ends, until)
        # Stretches of a monitor never overlap.
        over = sum(
            max(0, min(epoch_ms(each.window.until), end) - max(epoch_ms(each.window.since), begin))
            for each in said
        )
        if end - begin > over:
            counts.add(incident)
    return len(counts)
