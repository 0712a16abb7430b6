"""What is known of a monitor between checks."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

import attrs

from kubekuma.model.meta import Key
from kubekuma.model.push import Reports
from kubekuma.model.result import Certificate, CheckResult, Outcome, Reason, Timings


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
    MAINTENANCE = "maintenance"
    PAUSED = "paused"


@attrs.frozen(kw_only=True)
class Standing:
    """What verdicts rest on. Survives restarts in ``monitor_state``.

    ``settled`` is the last verdict that was neither pending nor unknown.
    ``streak`` counts the results in a row that would lead to another verdict,
    ``streak_toward``; ``streak_at`` is the first of them.
    """

    verdict: Verdict = Verdict.PENDING
    since: datetime | None = None
    settled: Verdict | None = None
    streak: int = 0
    streak_at: datetime | None = None
    streak_toward: Verdict | None = None
    charge: Charge = Charge.UNKNOWN
    charged_at: datetime | None = None  # start of the last span
    paused: bool = False
    maintenance: bool = False  # planned work goes on
    silenced: bool = False
    flapping: bool = False
    changes: tuple[datetime, ...] = ()  # of late, from down to another verdict and back
    left_at: datetime | None = None  # paused or gone since: an outage is not held open for long
    incident: str | None = None
    incident_started_at: datetime | None = None
    incident_confirmed_at: datetime | None = None
    incident_identity: str = ""  # when the last outage began
    recovered_at: datetime | None = None  # when it was last down no more: an outage ends there
    identity: str = ""  # of target and criteria: another one starts the counters anew
    certificate_expires_at: datetime | None = None
    certificate_valid: bool | None = None
    registered_until: datetime | None = None

    @property
    def shown(self) -> str:
        """The state that people see: an overlay if one lies on top, else the verdict."""
        return next((name for name in self.overlays if name in _ON_TOP), self.verdict.value)

    @property
    def overlays(self) -> tuple[str, ...]:
        """What we do about the target, whatever it does."""
        names = ("paused", "maintenance", "flapping", "silenced")
        return tuple(name for name in names if getattr(self, name))


_ON_TOP = ("paused", "maintenance", "flapping")
# Every state that people may see.
SHOWN = (*(verdict.value for verdict in Verdict), *_ON_TOP)


@attrs.frozen(kw_only=True)
class Heartbeat:
    """A recorded result."""

    at: datetime  # when the check began
    outcome: Outcome  # after ``invert``
    reason: Reason
    message: str = ""
    latency_seconds: float = 0.0
    timings: Timings = attrs.field(factory=Timings)
    status_code: int | None = None
    attempt: int = 1  # the how manieth since the state was last settled


@attrs.frozen(kw_only=True)
class FailingParent:
    """A monitor that the one in question depends on, and that failed as well."""

    key: Key
    verdict: Verdict  # down, or pending: its own retries were under way
    since: datetime


@attrs.frozen(kw_only=True)
class Cause:
    """The first failing check of an outage, as far as it tells why."""

    at: datetime
    reason: Reason
    message: str = ""
    peer: str | None = None
    status_code: int | None = None
    timings: Timings = attrs.field(factory=Timings)
    certificate: Certificate | None = None
    transcript: Sequence[str] = ()
    # Before, or soon after: most likely the fault is theirs.
    parents: tuple[FailingParent, ...] = ()


@attrs.frozen(kw_only=True)
class MonitorState:
    """Everything that ``judge`` knows of a monitor.

    ``last`` is the last heartbeat of any kind, ``spoke_at`` the time of the
    last one that said something of the target. ``suspect`` is what an outage
    would be put down to that began now: kept in memory alone.
    """

    standing: Standing = Standing()
    last: Heartbeat | None = None
    spoke_at: datetime | None = None
    reports: Reports = attrs.field(factory=Reports)  # of a sender, if it is a push monitor
    suspect: Cause | None = attrs.field(default=None, eq=False)


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
    cause: Cause


@attrs.frozen(kw_only=True)
class Closed:
    """An outage ended."""

    id: str
    ended_at: datetime


@attrs.frozen(kw_only=True)
class Acknowledgement:
    """Somebody sees to an outage, so that nobody need be reminded of it."""

    at: datetime
    by: str
    note: str = ""
    until: datetime | None = None  # None: as long as it lasts

    def holds(self, now: datetime) -> bool:
        """Whether it still counts."""
        return self.until is None or now < self.until


@attrs.frozen(kw_only=True)
class Transition:
    """The shown state changed."""

    key: Key
    before: str
    after: str
    at: datetime
    reason: Reason | None = None
    message: str = ""
    first: bool = False  # there was no verdict before


@attrs.frozen(kw_only=True)
class Judgement:
    """What one event makes of a monitor: its new state, and what is to be recorded."""

    state: MonitorState
    standing_changed: bool = False
    heartbeat: Heartbeat | None = None
    spans: tuple[Span, ...] = ()
    opened: Opened | None = None
    closed: Closed | None = None
    # Of the outage that is under way, if they failed only after it had begun.
    parents: tuple[FailingParent, ...] = ()
    transition: Transition | None = None
    reports: Reports | None = None  # what they come to now; None: nothing was reported
    recheck_seconds: float | None = None  # None: at the next slot


@attrs.frozen(kw_only=True)
class Checked:
    """A check that has ended: whose, by which spec, when it began, what it found."""

    key: Key
    uid: str
    generation: int
    at: datetime
    result: CheckResult


@attrs.frozen(kw_only=True)
class Reported:
    """A sender has reported: what its reports come to now, and what the check says then.

    ``checked`` is None if that is no news of the target: a run has only begun.
    """

    key: Key
    uid: str
    reports: Reports
    checked: Checked | None = None


@attrs.frozen(kw_only=True)
class Overlaid:
    """What windows and silences say of a monitor now."""

    key: Key
    maintenance: bool
    silenced: bool
