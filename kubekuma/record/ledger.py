"""Every monitor's state, judged in memory: ahead of the database by what is not committed yet."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

import attrs

from kubekuma.model.meta import Key
from kubekuma.model.monitor import Monitor, Schedule
from kubekuma.model.order import Drop, Pause, Plan
from kubekuma.model.result import Outcome
from kubekuma.model.settings import Flapping
from kubekuma.model.state import (
    Checked,
    FailingParent,
    Judgement,
    MonitorState,
    Overlaid,
    Reported,
    Verdict,
)
from kubekuma.record.judge import (
    enrol,
    identity_of,
    judge,
    leave,
    overlay,
    pause,
    settle,
    speaks_seconds,
)

_NEW = MonitorState()


@attrs.frozen(kw_only=True)
class Recorded:
    """One event's outcome, on its way into the database or from there to whoever follows it."""

    key: Key
    uid: str
    judgement: Judgement


class Ledger:
    """The states. Owned by the recorder; others may read them."""

    def __init__(self, states: Mapping[Key, MonitorState], uids: Mapping[Key, str]) -> None:
        self._states = dict(states)
        self._uids = dict(uids)
        self.flapping = Flapping()  # as the settings have it
        self._named: set[str] = set()  # outages that are under way, and name who failed as well

    def replace(self, states: Mapping[Key, MonitorState], uids: Mapping[Key, str]) -> None:
        """Begin anew from what another has recorded; whoever reads ``states`` sees it there."""
        self._states.clear()
        self._states.update(states)
        self._uids = dict(uids)

    @property
    def states(self) -> Mapping[Key, MonitorState]:
        """What is known of each monitor that was ever watched."""
        return self._states

    def checked(self, checked: Checked, monitor: Monitor, timeout_seconds: float) -> Recorded:
        """Judge what a check has found."""
        state = self._states.get(checked.key, _NEW)
        judgement = self._judged(state, checked, monitor, timeout_seconds)
        return self._keep(checked.key, checked.uid, judgement)

    def reported(self, reported: Reported, monitor: Monitor, timeout_seconds: float) -> Recorded:
        """Remember what a sender reports, and judge what that says of the target."""
        state = self._states.get(reported.key, _NEW)
        state = attrs.evolve(state, reports=reported.reports)
        judgement = Judgement(state=state)
        if reported.checked is not None and monitor.spec.enabled:
            judgement = self._judged(state, reported.checked, monitor, timeout_seconds)
        judgement = attrs.evolve(judgement, reports=reported.reports)
        return self._keep(reported.key, reported.uid, judgement)

    def planned(self, plan: Plan, monitor: Monitor | None, now: datetime) -> Recorded | None:
        """Take note of who is watched from now on; None: nothing has changed."""
        key = plan.key
        state = self._states.get(key, _NEW)
        if monitor is None or isinstance(plan, Drop):
            uid = self._uids.get(key, "")
            judgement = leave(key, state, now)
            changed = bool(uid) and judgement.standing_changed
        else:
            uid = monitor.meta.uid
            if isinstance(plan, Pause):
                judgement = pause(key, state, now)
            else:
                judgement = enrol(key, state, identity_of(monitor.spec), now)
            changed = judgement.standing_changed or self._uids.get(key) != uid
        return self._keep(key, uid, judgement) if changed else None

    def overlaid(self, overlaid: Overlaid, now: datetime) -> Recorded | None:
        """Take note of what windows and silences say; None: nothing has changed."""
        key = overlaid.key
        judgement = overlay(key, self._states.get(key, _NEW), overlaid, now)
        return self._keep(key, self._uids[key], judgement) if judgement.standing_changed else None

    def settled(
        self, key: Key, schedule: Schedule, now: datetime, timeout_seconds: float
    ) -> Recorded | None:
        """Take note that time has passed; None: that changes nothing."""
        state = self._states.get(key, _NEW)
        judgement = settle(
            key, state, schedule, now, timeout_seconds=timeout_seconds, flapping=self.flapping
        )
        if judgement is None:
            return None
        self._become(key, judgement)
        return Recorded(key=key, uid=self._uids.get(key, ""), judgement=judgement)

    def _judged(
        self, state: MonitorState, checked: Checked, monitor: Monitor, timeout_seconds: float
    ) -> Judgement:
        judgement = judge(
            state,
            checked,
            monitor.spec,
            timeout_seconds=timeout_seconds,
            flapping=self.flapping,
        )
        return self._with_parents(judgement, monitor, timeout_seconds)

    def _with_parents(
        self, judgement: Judgement, monitor: Monitor, timeout_seconds: float
    ) -> Judgement:
        """Name the parents that fail as well: as the outage begins, or as soon as one does."""
        incident, confirmed_at = _outage_of(judgement)
        if incident is None or confirmed_at is None or incident in self._named:
            return judgement
        # What fails later than its own next check would have is another matter.
        border = confirmed_at + timedelta(
            seconds=speaks_seconds(monitor.spec.schedule, timeout_seconds)
        )
        parents = tuple(each for each in self._failing(monitor.parents) if each.since <= border)
        if not parents:
            return judgement
        self._named.add(incident)
        opened = judgement.opened
        if opened is None:
            return attrs.evolve(judgement, parents=parents)
        cause = attrs.evolve(opened.cause, parents=parents)
        return attrs.evolve(judgement, opened=attrs.evolve(opened, cause=cause))

    def _failing(self, parents: Iterable[Key]) -> Iterator[FailingParent]:
        """Those of ``parents`` that are down, or may be on their way there."""
        for key in parents:
            standing = self._states.get(key, _NEW).standing
            since = standing.incident_started_at or standing.since
            if standing.verdict is Verdict.PENDING:
                # A new one that was never seen to fail is pending too.
                since = standing.streak_at if standing.streak_toward is Verdict.DOWN else None
            elif standing.verdict is not Verdict.DOWN:
                continue
            if since is not None:
                yield FailingParent(key=key, verdict=standing.verdict, since=since)

    def _keep(self, key: Key, uid: str, judgement: Judgement) -> Recorded:
        self._become(key, judgement)
        self._uids[key] = uid
        return Recorded(key=key, uid=uid, judgement=judgement)

    def _become(self, key: Key, judgement: Judgement) -> None:
        self._states[key] = judgement.state
        if judgement.closed is not None:
            self._named.discard(judgement.closed.id)


def _outage_of(judgement: Judgement) -> tuple[str | None, datetime | None]:
    """The outage that a failing check belongs to, and since when it is one."""
    beat, standing = judgement.heartbeat, judgement.state.standing
    if beat is None or beat.outcome is not Outcome.FAILED:
        return None, None
    return standing.incident, standing.incident_confirmed_at
