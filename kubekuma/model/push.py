"""What senders of push monitors report."""

from datetime import datetime
from enum import StrEnum

import attrs


class Signal(StrEnum):
    """What a sender has to say."""

    SUCCESS = "success"
    FAILURE = "failure"
    START = "start"  # of a job, whose end will be reported too
    LOG = "log"  # something to read, which changes nothing


@attrs.frozen(kw_only=True)
class Beat:
    """One report."""

    signal: Signal = Signal.SUCCESS
    message: str = ""
    latency_seconds: float | None = None


@attrs.frozen(kw_only=True)
class Reports:
    """What the reports of a sender come to. Survives restarts beside the monitor's state."""

    at: datetime | None = None  # of the last success or failure
    failed: bool = False
    message: str = ""
    latency_seconds: float = 0.0  # as the sender measured it, or from its start to its end
    started_at: datetime | None = None  # of a run whose end has not been reported

    def after(self, beat: Beat, at: datetime) -> "Reports":
        """What they come to with ``beat``, which came ``at``."""
        match beat.signal:
            case Signal.LOG:
                return self
            case Signal.START:
                return attrs.evolve(self, started_at=at)
            case Signal.SUCCESS | Signal.FAILURE:
                return Reports(
                    at=at,
                    failed=beat.signal is Signal.FAILURE,
                    message=beat.message,
                    latency_seconds=self._latency(beat, at),
                )

    def _latency(self, beat: Beat, at: datetime) -> float:
        if beat.latency_seconds is not None:
            return beat.latency_seconds
        return (at - self.started_at).total_seconds() if self.started_at else 0.0
