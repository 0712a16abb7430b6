"""The only place that decides what a target does. Pure and total.

The verdict follows the table in docs/verdicts.md. Time is charged to spans so
that an outage counts from its first failure to its first success.
"""

from datetime import datetime, timedelta
from hashlib import sha256
from itertools import pairwise
from typing import Final

from attrs import evolve

from kubekuma.model.meta import Key
from kubekuma.model.monitor import MonitorSpec, Schedule
from kubekuma.model.result import CheckResult, Outcome, Reason
from kubekuma.model.settings import Flapping
from kubekuma.model.state import (
    Cause,
    Charge,
    Checked,
    Closed,
    Heartbeat,
    Judgement,
    MonitorState,
    Opened,
    Overlaid,
    Span,
    Standing,
    Transition,
    Verdict,
)
from kubekuma.record.flapping import with_flapping, without_flapping

# What holds without settings.
ALWAYS: Final = Flapping()
# Who comes back sooner was never away: an outage goes on as if nothing had happened.
LEFT_SECONDS: Final = 120

_LEADS_TO: Final = {
    Outcome.PASSED: Verdict.UP,
    Outcome.DEGRADED: Verdict.DEGRADED,
    Outcome.FAILED: Verdict.DOWN,
}
_CHARGE: Final = {
    Verdict.UP: Charge.UP,
    Verdict.DEGRADED: Charge.DEGRADED,
    Verdict.DOWN: Charge.DOWN,
}


def judge(
    state: MonitorState,
    checked: Checked,
    spec: MonitorSpec,
    *,
    timeout_seconds: float,
    flapping: Flapping = ALWAYS,
) -> Judgement:
    """What the check that has ended makes of the monitor."""
    before, schedule, at = state.standing, spec.schedule, checked.at
    outcome, reason, message = _seen(checked.result, invert=spec.invert)
    known = _with_ends(before, checked.result)
    first_word = state.spoke_at is None and outcome is not Outcome.UNKNOWN
    if known.since is None or (first_word and known.verdict is Verdict.PENDING):
        # What nobody could see before is charged to nobody.
        known = evolve(known, since=at)
    quiet = _after_silence(known, state, schedule, timeout_seconds, at)
    if outcome is Outcome.UNKNOWN:
        after = quiet
    else:
        after = _advance(checked.key, _seeing(quiet, at), _LEADS_TO[outcome], schedule, at)
        after = _closing(with_flapping(quiet, after, schedule, flapping, at))
    heartbeat = Heartbeat(
        at=at,
        outcome=outcome,
        reason=reason,
        message=message,
        latency_seconds=checked.result.latency_seconds,
        timings=checked.result.timings,
        status_code=checked.result.status_code,
        attempt=max(1, after.streak),
    )
    state = evolve(
        state,
        standing=after,
        last=heartbeat,
        spoke_at=state.spoke_at if outcome is Outcome.UNKNOWN else at,
        suspect=_suspect(state, heartbeat, checked.result),
    )
    return Judgement(
        # The outage has it from now on.
        state=state if after.incident is None else evolve(state, suspect=None),
        standing_changed=after != before,
        heartbeat=heartbeat,
        spans=_spans(known, quiet, after),
        opened=_opened(before, after, state),
        closed=_closed(before, after),
        transition=_transition(checked.key, before, after, at, reason, message),
        recheck_seconds=float(schedule.retries.retry_interval_seconds) if after.streak else None,
    )


def enrol(key: Key, state: MonitorState, identity: str, at: datetime) -> Judgement:
    """The monitor is watched: for the first time, again, or with another spec."""
    before = after = state.standing
    if after.paused:
        after = evolve(_without_streak(after), paused=False, since=at)
    if identity != after.identity:
        # Another target, other counters; an outage that is under way goes on.
        after = evolve(without_flapping(_without_streak(after)), identity=identity)
    if after.left_at is not None:
        away = at - after.left_at > timedelta(seconds=LEFT_SECONDS)
        after = _as_new(after) if away else after
        after = _charged(evolve(after, left_at=None), Charge.UNKNOWN, at)
    return _by_hand(key, state, before, after, at)


def pause(key: Key, state: MonitorState, at: datetime) -> Judgement:
    """A person has switched the monitor off."""
    before = state.standing
    after = evolve(before, paused=True, since=at, left_at=before.left_at or at)
    after = without_flapping(_without_streak(after))
    after = before if before.paused else _charged(after, Charge.PAUSED, at)
    return _by_hand(key, state, before, after, at)


def leave(key: Key, state: MonitorState, at: datetime) -> Judgement:
    """The monitor is no longer there, or never was valid: nobody looks."""
    before = state.standing
    after = evolve(before, left_at=before.left_at or at)
    return _by_hand(key, state, before, _charged(after, Charge.UNKNOWN, at), at)


def overlay(key: Key, state: MonitorState, overlaid: Overlaid, at: datetime) -> Judgement:
    """Windows or silences have begun or ended.

    What happens within planned work is charged to nobody, and makes no outage
    unless it outlives the work.
    """
    before = state.standing
    after = evolve(before, maintenance=overlaid.maintenance, silenced=overlaid.silenced)
    if after.maintenance is not before.maintenance and not after.paused and not after.left_at:
        # In maintenance, this charges maintenance.
        after = _charged(after, _charge_of(after), at)
        if after.verdict is Verdict.DOWN:
            after = _opening(key, after, at, at)
    return _by_hand(key, state, before, after, at)


def settle(
    key: Key,
    state: MonitorState,
    schedule: Schedule,
    now: datetime,
    *,
    timeout_seconds: float,
    flapping: Flapping = ALWAYS,
) -> Judgement | None:
    """What the mere passing of time makes of the monitor; None: nothing."""
    before = state.standing
    if before.left_at is None:
        after = _after_silence(before, state, schedule, timeout_seconds, now)
        after = _closing(with_flapping(before, after, schedule, flapping, now))
    elif before.incident and now - before.left_at > timedelta(seconds=LEFT_SECONDS):
        after = _as_new(before)
    else:
        return None
    if after == before:
        return None
    return _by_hand(key, state, before, after, now, Reason.NOT_CHECKED)


def identity_of(spec: MonitorSpec) -> str:
    """Changes with whatever decides what a check finds: type, target, criteria and ``invert``."""
    parts = (spec.type.value, spec.target_in_use, spec.success_criteria, spec.invert)
    return sha256(repr(parts).encode()).hexdigest()[:16]


def speaks_seconds(schedule: Schedule, timeout_seconds: float) -> float:
    """How long a heartbeat speaks for its target at most."""
    return 2 * schedule.interval_seconds + timeout_seconds


# The verdict -------------------------------------------------------------------------------------


def _advance(
    key: Key, standing: Standing, toward: Verdict, schedule: Schedule, at: datetime
) -> Standing:
    """One row and column of the table."""
    retries = schedule.retries.max_retries
    match standing.verdict, toward:
        case Verdict.DOWN, Verdict.DOWN:
            return _recharged(_without_streak(standing), at)
        case Verdict.DOWN, _:
            # Passes of either kind count; the last one says where the outage ends.
            counted = _counted(standing, Verdict.UP, at)
            if counted.streak >= schedule.recovery_successes:
                return _reached(key, counted, toward, at)
            return _recharged(counted, at)
        case _, Verdict.UP:
            return _reached(key, standing, toward, at)
        case Verdict.DEGRADED, Verdict.DEGRADED:
            return _recharged(_without_streak(standing), at)
        case _, Verdict.DEGRADED:
            counted = _counted(standing, toward, at)
            if counted.streak > retries:
                return _reached(key, counted, toward, at)
            return _recharged(counted, at)
        case _:
            counted = _counted(standing, Verdict.DOWN, at)
            lasted = at - (counted.streak_at or at)
            if counted.streak > retries and lasted >= timedelta(
                seconds=schedule.grace_down_seconds
            ):
                return _reached(key, counted, Verdict.DOWN, at)
            return _with_verdict(counted, Verdict.PENDING, at)


def _counted(standing: Standing, toward: Verdict, at: datetime) -> Standing:
    if standing.streak_toward is toward:
        return evolve(standing, streak=standing.streak + 1)
    return evolve(standing, streak=1, streak_at=at, streak_toward=toward)


def _reached(key: Key, standing: Standing, verdict: Verdict, at: datetime) -> Standing:
    match standing.verdict:
        case Verdict.PENDING:  # is charged to the verdict that follows it
            began = standing.since or at
        case Verdict.UP | Verdict.DEGRADED if verdict is Verdict.UP:
            began = at
        case _:
            began = standing.streak_at or at
    after = _with_verdict(evolve(_without_streak(standing), settled=verdict), verdict, at)
    if verdict is Verdict.DOWN:
        after = _opening(key, after, began, at)
    elif standing.verdict is Verdict.DOWN:
        after = evolve(after, recovered_at=began)
    return _charged(after, _CHARGE[verdict], began)


def _opening(key: Key, standing: Standing, began: datetime, at: datetime) -> Standing:
    """``standing`` with an outage, unless there is one or planned work is why it is down."""
    if standing.incident is not None or standing.maintenance:
        return standing
    return evolve(
        standing,
        incident=_incident_id(key, began),
        incident_started_at=began,
        incident_confirmed_at=at,
        incident_identity=standing.identity,
        recovered_at=None,
    )


def _closing(standing: Standing) -> Standing:
    """``standing`` without an outage, if there is none any more and it stays so."""
    over = standing.verdict in {Verdict.UP, Verdict.DEGRADED} and not standing.flapping
    return _without_incident(standing) if over else standing


def _with_verdict(standing: Standing, verdict: Verdict, at: datetime) -> Standing:
    if verdict is standing.verdict:
        return standing
    return evolve(standing, verdict=verdict, since=at)


def _without_streak(standing: Standing) -> Standing:
    return evolve(standing, streak=0, streak_at=None, streak_toward=None)


def _without_incident(standing: Standing) -> Standing:
    return evolve(standing, incident=None, incident_started_at=None, incident_confirmed_at=None)


def _as_new(standing: Standing) -> Standing:
    bare = _without_incident(_without_streak(standing))
    return evolve(bare, verdict=Verdict.PENDING, settled=None, since=None)


# Time --------------------------------------------------------------------------------------------


def _after_silence(
    standing: Standing,
    state: MonitorState,
    schedule: Schedule,
    timeout_seconds: float,
    now: datetime,
) -> Standing:
    """``standing`` if somebody spoke of the target lately; else nothing is known of it."""
    heard_at = state.spoke_at or standing.since
    if heard_at is None:
        return standing
    ends_at = heard_at + timedelta(seconds=speaks_seconds(schedule, timeout_seconds))
    if now <= ends_at:
        return standing
    if not standing.paused:
        standing = _charged(standing, Charge.UNKNOWN, ends_at)
    if standing.verdict is Verdict.DOWN:
        # An outage that nobody sees any more lasts until somebody sees its end.
        return standing
    return _with_verdict(standing, Verdict.UNKNOWN, now)


def _seeing(standing: Standing, at: datetime) -> Standing:
    """Somebody sees the target again: it is looked at afresh, and nothing is charged for before."""
    if standing.verdict is not Verdict.UNKNOWN:
        return standing
    return evolve(_without_streak(standing), verdict=Verdict.PENDING, since=at)


def _charge_of(standing: Standing) -> Charge:
    """What time is charged as from now on; while a verdict is doubted, as before."""
    doubted = standing.verdict is Verdict.PENDING and standing.settled is not None
    verdict = standing.settled if doubted and standing.settled else standing.verdict
    return _CHARGE.get(verdict, Charge.UNKNOWN)


def _charged(standing: Standing, charge: Charge, start: datetime) -> Standing:
    if standing.maintenance and charge is not Charge.PAUSED:
        charge = Charge.MAINTENANCE
    if charge is standing.charge and standing.charged_at is not None:
        return standing
    # Spans follow one another: what is charged already stays so.
    start = max(start, standing.charged_at) if standing.charged_at else start
    return evolve(standing, charge=charge, charged_at=start)


def _recharged(standing: Standing, at: datetime) -> Standing:
    """Charge the standing verdict again after a time in which nothing was known."""
    charge = _CHARGE.get(standing.verdict)
    return standing if charge is None else _charged(standing, charge, at)


def _spans(*standings: Standing) -> tuple[Span, ...]:
    return tuple(
        Span(
            start=after.charged_at,
            charge=after.charge,
            incident=after.incident if after.charge is Charge.DOWN else None,
        )
        for before, after in pairwise(standings)
        if after.charged_at
        and (after.charge, after.charged_at) != (before.charge, before.charged_at)
    )


# What follows from a change ----------------------------------------------------------------------


def _by_hand(
    key: Key,
    state: MonitorState,
    before: Standing,
    after: Standing,
    at: datetime,
    reason: Reason | None = None,
) -> Judgement:
    """A judgement of what a person or the clock, and not a check, has changed."""
    return Judgement(
        state=evolve(state, standing=after),
        standing_changed=after != before,
        spans=_spans(before, after),
        opened=_opened(before, after, state),
        closed=_closed(before, after),
        transition=_transition(key, before, after, at, reason),
    )


def _suspect(state: MonitorState, heartbeat: Heartbeat, result: CheckResult) -> Cause | None:
    """The first failure since the target last passed: of those that follow it is most like it."""
    if heartbeat.outcome is Outcome.UNKNOWN:
        return state.suspect
    if heartbeat.outcome is not Outcome.FAILED:
        return None
    return state.suspect or Cause(
        at=heartbeat.at,
        reason=heartbeat.reason,
        message=heartbeat.message,
        peer=result.peer,
        status_code=result.status_code,
        timings=result.timings,
        certificate=result.certificate,
        transcript=result.transcript,
    )


def _opened(before: Standing, after: Standing, state: MonitorState) -> Opened | None:
    if after.incident is None or after.incident == before.incident or state.last is None:
        return None
    confirmed_at, last = after.incident_confirmed_at or state.last.at, state.last
    return Opened(
        id=after.incident,
        started_at=after.incident_started_at or confirmed_at,
        confirmed_at=confirmed_at,
        # After a restart there is what was recorded.
        cause=state.suspect or Cause(at=last.at, reason=last.reason, message=last.message),
    )


def _closed(before: Standing, after: Standing) -> Closed | None:
    if before.incident is None or after.incident is not None:
        return None
    ended_at = before.left_at or after.recovered_at or after.charged_at
    assert ended_at is not None  # noqa: S101 - an outage has been charged
    return Closed(id=before.incident, ended_at=ended_at)


def _transition(
    key: Key,
    before: Standing,
    after: Standing,
    at: datetime,
    reason: Reason | None,
    message: str = "",
) -> Transition | None:
    if before.shown == after.shown:
        return None
    return Transition(
        key=key,
        before=before.shown,
        after=after.shown,
        at=at,
        reason=reason,
        message=message,
        first=before.settled is None and after.settled is not None,
    )


def _seen(result: CheckResult, *, invert: bool) -> tuple[Outcome, Reason, str]:
    if not invert or result.outcome is Outcome.UNKNOWN:
        return result.outcome, result.reason, result.message
    if result.outcome is Outcome.FAILED:
        message = f"fails, as it should: {result.reason.value} {result.message}".rstrip()
        return Outcome.PASSED, Reason.PASSED, message
    return Outcome.FAILED, Reason.INVERTED, "passes, and should not"


def _with_ends(standing: Standing, result: CheckResult) -> Standing:
    """``standing`` with what ends some day: a certificate, a registration."""
    until, shown = result.registered_until, result.certificate
    if until is not None and until != standing.registered_until:
        standing = evolve(standing, registered_until=until)
    if shown is None:
        return standing
    before = (standing.certificate_expires_at, standing.certificate_valid)
    if (shown.expires_at, shown.valid) == before:
        return standing
    return evolve(standing, certificate_expires_at=shown.expires_at, certificate_valid=shown.valid)


def _incident_id(key: Key, started_at: datetime) -> str:
    text = f"{key}@{int(started_at.timestamp() * 1000)}"
    return sha256(text.encode()).hexdigest()[:16]
