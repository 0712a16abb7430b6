"""What is known of a monitor between checks."""

from datetime import datetime
from enum import StrEnum

import attrs

from kubekuma.model.meta import Key
from kubekuma.model.result import CheckResult, Outcome, Reason


class Verdict(StrEnum):
    """What the target does."""

    PENDING = "pending"
    UP = "up"
    DEGRADED = "degraded"
    DOWN = "down"
    UNKNOWN = "unknown"


class Charge(StrEnum):
    """What a span of time counts as. Only up, degraded and down enter the uptime ratio."""

    UP = "up"
    DEGRADED = "degraded"
    DOWN = "down"
    UNKNOWN = "unknown"
    PAUSED = "paused"


@attrs.frozen(kw_only=True)
class MonitorState:
    """Everything that ``judge`` remembers of a monitor; it survives restarts in ``monitor_state``.

    ``settled`` is the last verdict that was not pending: None before there was one.
    ``streak`` counts results in a row that speak against it, ``streak_at`` is the first of them,
    and ``streak_verdict`` what they would lead to.
    """

    verdict: Verdict = Verdict.PENDING
    since: datetime | None = None
    settled: Verdict | None = None
    streak: int = 0
    streak_at: datetime | None = None
    streak_verdict: Verdict | None = None
    paused: bool = False
    incident: str | None = None
    incident_started_at: datetime | None = None
    last_at: datetime | None = None  # the last heartbeat that said something of the target
    last_outcome: Outcome | None = None
    last_reason: Reason | None = None
    last_message: str = ""
    last_latency_ms: int | None = None
    last_checked_at: datetime | None = None
    certificate_expires_at: datetime | None = None
    certificate_valid: bool | None = None
    identity: str = ""  # of target and criteria: another one starts the counters anew

    @property
    def shown(self) -> str:
        """The state that people see: an overlay if one lies on top, else the verdict."""
        return "paused" if self.paused else self.verdict.value


@attrs.frozen(kw_only=True)
class Span:
    """From ``start`` on, until the next span of the series, time is charged as ``charge``."""

    start: datetime
    charge: Charge
    incident: str | None = None


@attrs.frozen(kw_only=True)
class Opened:
    """An outage began."""

    id: str
    started_at: datetime  # first failure
    confirmed_at: datetime  # verdict
    reason: Reason
    message: str


@attrs.frozen(kw_only=True)
class Closed:
    """An outage ended."""

    id: str
    ended_at: datetime


@attrs.frozen(kw_only=True)
class Transition:
    """The verdict, or what lies on it, changed."""

    key: Key
    before: str
    after: str
    at: datetime
    reason: Reason | None
    message: str = ""
    first: bool = False  # there was no verdict before


@attrs.frozen(kw_only=True)
class Checked:
    """A check that has ended: who, when it began, what it found."""

    key: Key
    uid: str
    at: datetime
    result: CheckResult
