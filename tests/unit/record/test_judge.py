"""The table of verdicts, row by row and column by column; and how time is charged."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve
from build import WEB, at, checked, monitor, schedule

from kubekuma.model.monitor import Monitor, MonitorSpec
from kubekuma.model.result import Certificate, Outcome, Reason
from kubekuma.model.state import Charge, Judgement, MonitorState, Span, Verdict
from kubekuma.record.judge import enrol, identity_of, judge, leave, pause, settle

PASS, SLOW, FAIL, OURS = Reason.PASSED, Reason.SLOW, Reason.TIMEOUT, Reason.NO_ROUTE
TIMEOUT = 10.0


class History:
    """Applies one event after another, and keeps what came of each."""

    def __init__(self, **spec: Any) -> None:
        self.spec: MonitorSpec = monitor(**{"schedule": schedule(), **spec}).spec
        self.state = MonitorState()
        self.judgements: list[Judgement] = []

    def check(self, seconds: float, reason: Reason, **more: Any) -> Judgement:
        return self.keep(
            judge(self.state, checked(seconds, reason, **more), self.spec, timeout_seconds=TIMEOUT)
        )

    def checks(self, *reasons: Reason, every: float = 60, since: float = 0) -> Judgement:
        for number, reason in enumerate(reasons):
            self.check(since + number * every, reason)
        return self.judgements[-1]

    def keep(self, judgement: Judgement) -> Judgement:
        self.state = judgement.state
        self.judgements.append(judgement)
        return judgement

    def verdict(self) -> Verdict:
        return self.state.standing.verdict

    @property
    def spans(self) -> Sequence[tuple[float, Charge]]:
        return [
            ((span.start - at(0)).total_seconds(), span.charge)
            for judgement in self.judgements
            for span in judgement.spans
        ]


def retrying(**more: Any) -> History:
    return History(schedule=schedule(retries={"maxRetries": 2, "retryIntervalSeconds": 20}, **more))


# pass --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [(), (PASS,), (SLOW,)])
def test_a_pass_is_up_at_once(before: Sequence[Reason]) -> None:
    history = History()
    history.checks(*before, PASS)
    assert history.verdict() is Verdict.UP


def test_a_pass_while_pending_forgets_the_streak_and_is_charged_up() -> None:
    history = retrying()
    history.checks(PASS, FAIL, FAIL, PASS)
    assert (history.verdict(), history.state.standing.streak) == (Verdict.UP, 0)
    assert history.spans == [(0, Charge.UP)]


def test_a_first_failure_that_passes_on_retry_is_charged_up_from_its_beginning() -> None:
    history = retrying()
    history.checks(FAIL, PASS, every=20)
    assert history.spans == [(0, Charge.UP)]


def test_an_outage_ends_after_enough_passes_at_the_first_of_them() -> None:
    history = History(schedule=schedule(recoverySuccesses=3))
    history.checks(PASS, FAIL, PASS, PASS)
    assert history.verdict() is Verdict.DOWN
    last = history.check(240, PASS)
    assert history.verdict() is Verdict.UP
    assert last.closed is not None
    assert last.closed.ended_at == at(120)
    assert history.spans == [(0, Charge.UP), (60, Charge.DOWN), (120, Charge.UP)]


def test_passes_that_end_an_outage_must_come_in_a_row() -> None:
    history = History(schedule=schedule(recoverySuccesses=2))
    history.checks(FAIL, PASS, FAIL, PASS)
    assert history.verdict() is Verdict.DOWN
    history.check(240, PASS)
    assert history.verdict() is Verdict.UP


def test_a_recovery_is_checked_again_at_the_retry_interval() -> None:
    history = History(schedule=schedule(recoverySuccesses=2))
    history.check(0, FAIL)
    assert history.check(60, PASS).recheck_seconds == 20
    assert history.check(80, PASS).recheck_seconds is None


# slow ---------------------------------------------------------------------------------------------


def test_slow_is_degraded_after_all_retries() -> None:
    history = retrying()
    history.checks(PASS, SLOW, SLOW)
    assert history.verdict() is Verdict.UP
    history.check(180, SLOW)
    assert history.verdict() is Verdict.DEGRADED
    assert history.spans == [(0, Charge.UP), (60, Charge.DEGRADED)]


def test_slow_without_retries_is_degraded_at_once() -> None:
    history = History()
    history.checks(PASS, SLOW)
    assert history.verdict() is Verdict.DEGRADED


def test_one_pass_among_slow_answers_begins_the_count_anew() -> None:
    history = retrying()
    history.checks(PASS, SLOW, SLOW, PASS, SLOW, SLOW)
    assert history.verdict() is Verdict.UP


def test_slow_answers_end_an_outage_in_degraded() -> None:
    history = History(schedule=schedule(recoverySuccesses=2))
    history.checks(FAIL, PASS, SLOW)
    assert history.verdict() is Verdict.DEGRADED
    assert history.spans == [(0, Charge.DOWN), (60, Charge.DEGRADED)]


# fail ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [(), (PASS,), (SLOW,)])
def test_a_failure_without_retries_and_grace_is_down_at_once(before: Sequence[Reason]) -> None:
    history = History()
    last = history.checks(*before, FAIL)
    assert history.verdict() is Verdict.DOWN
    assert last.opened is not None


def test_a_failure_is_pending_until_every_retry_has_failed_too() -> None:
    history = retrying()
    history.checks(PASS, FAIL, FAIL)
    assert history.verdict() is Verdict.PENDING
    last = history.check(180, FAIL)
    assert history.verdict() is Verdict.DOWN
    assert last.opened is not None
    assert (last.opened.started_at, last.opened.confirmed_at) == (at(60), at(180))
    assert history.spans == [(0, Charge.UP), (60, Charge.DOWN)]


def test_pending_is_checked_again_at_the_retry_interval_and_down_at_the_usual_one() -> None:
    history = retrying()
    assert history.check(0, FAIL).recheck_seconds == 20
    assert history.check(20, FAIL).recheck_seconds == 20
    assert history.check(40, FAIL).recheck_seconds is None


def test_grace_lets_a_failure_last_before_it_is_down() -> None:
    history = History(schedule=schedule(graceDownSeconds=100))
    history.checks(FAIL, FAIL)
    assert history.verdict() is Verdict.PENDING
    history.check(120, FAIL)
    assert history.verdict() is Verdict.DOWN


def test_grace_ends_at_a_check_and_never_by_a_timer() -> None:
    history = History(schedule=schedule(graceDownSeconds=30))
    history.check(0, FAIL)
    later = settle(WEB, history.state, history.spec.schedule, at(50), timeout_seconds=TIMEOUT)
    assert later is None
    assert history.verdict() is Verdict.PENDING


def test_an_outage_stays_one_incident_whatever_its_failures_say() -> None:
    history = History()
    history.checks(FAIL, Reason.STATUS_MISMATCH, FAIL)
    assert sum(each.opened is not None for each in history.judgements) == 1


def test_the_incidents_id_depends_on_who_and_since_when_alone() -> None:
    one, two = History(), retrying()
    one.check(0, FAIL)
    two.checks(FAIL, FAIL, FAIL, every=20)
    assert one.state.standing.incident == two.state.standing.incident
    assert one.state.standing.incident is not None


# ours ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [(PASS,), (SLOW,), (FAIL,)])
def test_our_own_fault_keeps_the_verdict_while_the_last_heartbeat_speaks(
    before: Sequence[Reason],
) -> None:
    history = History()
    history.checks(*before)
    kept = history.verdict()
    history.check(130, OURS)
    assert history.verdict() is kept


def test_our_own_fault_is_unknown_after_two_intervals_and_a_timeout() -> None:
    history = History()
    history.check(0, PASS)
    history.check(131, OURS)
    assert history.verdict() is Verdict.UNKNOWN
    assert history.spans == [(0, Charge.UP), (130, Charge.UNKNOWN)]


def test_an_outage_that_we_cannot_see_any_more_goes_on_and_is_not_charged() -> None:
    history = History()
    history.check(0, FAIL)
    last = history.check(200, OURS)
    assert history.verdict() is Verdict.DOWN
    assert last.closed is None
    assert history.spans == [(0, Charge.DOWN), (130, Charge.UNKNOWN)]


def test_counters_stand_still_while_we_cannot_look() -> None:
    history = retrying()
    history.checks(FAIL, FAIL, OURS, every=20)
    assert history.verdict() is Verdict.PENDING
    history.check(60, FAIL)
    assert history.verdict() is Verdict.DOWN


def test_what_comes_after_a_time_of_not_knowing_is_charged_from_then_on() -> None:
    history = History()
    history.check(0, PASS)
    history.check(500, PASS)
    assert history.spans == [(0, Charge.UP), (130, Charge.UNKNOWN), (500, Charge.UP)]


def test_nobody_is_blamed_for_a_first_check_that_could_not_be_made() -> None:
    history = History()
    last = history.check(0, OURS)
    assert history.verdict() is Verdict.PENDING
    assert (last.opened, last.spans) == (None, ())


# invert -------------------------------------------------------------------------------------------


def test_invert_turns_pass_and_fail_round_and_leaves_unknown() -> None:
    history = History(invert=True)
    assert history.check(0, FAIL).state.last is not None
    assert history.verdict() is Verdict.UP
    last = history.check(60, PASS)
    assert history.verdict() is Verdict.DOWN
    assert last.heartbeat is not None
    assert last.heartbeat.reason is Reason.INVERTED
    ours = history.check(120, OURS)
    assert ours.heartbeat is not None
    assert ours.heartbeat.outcome is Outcome.UNKNOWN


# pause, edits, deletion -------------------------------------------------------------------------


def enrolled(history: History, seconds: float, spec: Monitor | None = None) -> Judgement:
    identity = identity_of((spec or monitor(schedule=schedule())).spec)
    return history.keep(enrol(WEB, history.state, identity, at(seconds)))


def test_pause_lies_on_the_verdict_and_is_not_charged() -> None:
    history = History()
    history.check(0, PASS)
    paused = history.keep(pause(WEB, history.state, at(30)))
    assert history.state.standing.shown == "paused"
    assert history.verdict() is Verdict.UP
    assert paused.transition is not None
    assert paused.transition.after == "paused"
    assert history.spans == [(0, Charge.UP), (30, Charge.PAUSED)]


def test_pausing_twice_changes_nothing() -> None:
    history = History()
    history.keep(pause(WEB, history.state, at(30)))
    assert not pause(WEB, history.state, at(40)).standing_changed


def test_counters_start_anew_after_a_pause() -> None:
    history = retrying()
    enrolled(history, 0)
    history.checks(PASS, FAIL, FAIL, every=20)
    history.keep(pause(WEB, history.state, at(50)))
    enrolled(history, 60)
    history.checks(FAIL, FAIL, every=20, since=61)
    assert history.verdict() is Verdict.PENDING


def test_another_target_starts_the_counters_anew_and_keeps_the_outage() -> None:
    history = retrying()
    enrolled(history, 0)
    history.checks(FAIL, FAIL, every=20)
    other = monitor(target={"http": {"url": "http://192.0.2.9/"}})
    enrolled(history, 30, other)
    history.checks(FAIL, FAIL, every=20, since=40)
    assert history.verdict() is Verdict.PENDING
    history.check(80, FAIL)
    incident = history.state.standing.incident
    enrolled(history, 90)
    assert (history.verdict(), history.state.standing.incident) == (Verdict.DOWN, incident)


def test_another_schedule_keeps_the_counters() -> None:
    assert identity_of(monitor(schedule=schedule()).spec) == identity_of(
        monitor(schedule=schedule(recoverySuccesses=5)).spec
    )


def test_who_is_back_within_two_minutes_was_never_away() -> None:
    history = History()
    enrolled(history, 0)
    history.check(0, FAIL)
    incident = history.state.standing.incident
    history.keep(leave(WEB, history.state, at(30)))
    assert settle(WEB, history.state, history.spec.schedule, at(149), timeout_seconds=10) is None
    enrolled(history, 150)
    assert history.state.standing.incident == incident
    assert history.spans == [(0, Charge.DOWN), (30, Charge.UNKNOWN)]


def test_an_outage_of_a_monitor_that_is_gone_ends_when_it_went() -> None:
    history = History()
    enrolled(history, 0)
    history.check(0, FAIL)
    history.keep(leave(WEB, history.state, at(30)))
    settled = settle(WEB, history.state, history.spec.schedule, at(151), timeout_seconds=10)
    assert settled is not None
    assert settled.closed is not None
    assert settled.closed.ended_at == at(30)
    assert settled.state.standing.incident is None


def test_silence_alone_makes_a_verdict_unknown() -> None:
    history = History()
    history.check(0, PASS)
    settled = settle(WEB, history.state, history.spec.schedule, at(140), timeout_seconds=TIMEOUT)
    assert settled is not None
    assert settled.state.standing.verdict is Verdict.UNKNOWN
    assert settled.spans == (Span(start=at(130), charge=Charge.UNKNOWN),)
    assert settled.transition is not None
    assert settled.transition.reason is Reason.NOT_CHECKED


def test_silence_changes_nothing_before_its_time_or_twice() -> None:
    history = History()
    history.check(0, PASS)
    schedule_ = history.spec.schedule
    assert settle(WEB, history.state, schedule_, at(130), timeout_seconds=TIMEOUT) is None
    history.keep(
        settle(WEB, history.state, schedule_, at(140), timeout_seconds=TIMEOUT)
        or Judgement(state=history.state)
    )
    assert settle(WEB, history.state, schedule_, at(150), timeout_seconds=TIMEOUT) is None


def test_only_a_first_verdict_is_called_first() -> None:
    history = retrying()
    judgements = [
        history.check(0, FAIL),
        history.check(20, PASS),
        history.check(80, FAIL),
        history.check(100, PASS),
    ]
    firsts = [bool(each.transition and each.transition.first) for each in judgements]
    assert firsts == [False, True, False, False]


def test_a_certificate_that_was_seen_is_remembered() -> None:
    history = History()
    shown = Certificate(
        subject="CN=x",
        issuer="CN=y",
        names=("x",),
        not_before=at(0),
        expires_at=at(0) + timedelta(days=30),
        fingerprint="00",
        valid=True,
    )
    history.check(0, PASS, certificate=shown)
    history.check(60, PASS)
    assert history.state.standing.certificate_expires_at == shown.expires_at


# Causes ------------------------------------------------------------------------------------------


def test_an_outage_is_put_down_to_its_first_failure() -> None:
    history = retrying()
    history.check(0, PASS)
    history.check(60, Reason.CONNECTION_REFUSED, message="refused", peer="192.0.2.1:80")
    # What is ours says nothing of the target.
    history.check(70, OURS)
    history.checks(FAIL, FAIL, since=80, every=20)
    opened = history.judgements[-1].opened
    assert opened is not None
    assert (opened.cause.reason, opened.cause.at) == (Reason.CONNECTION_REFUSED, at(60))
    assert (opened.cause.message, opened.cause.peer) == ("refused", "192.0.2.1:80")
    # It is the outage's now, and held in memory no more.
    assert history.state.suspect is None


def test_a_pass_clears_the_suspect() -> None:
    history = retrying()
    history.checks(PASS, Reason.CONNECTION_REFUSED, PASS, FAIL, FAIL, FAIL)
    opened = history.judgements[-1].opened
    assert opened is not None
    assert (opened.cause.reason, opened.cause.at) == (FAIL, at(180))


def test_after_a_restart_the_last_failure_is_all_that_is_known() -> None:
    history = retrying()
    history.checks(PASS, Reason.CONNECTION_REFUSED, FAIL)
    history.state = evolve(history.state, suspect=None)
    opened = history.check(180, FAIL, message="slow").opened
    assert opened is not None
    assert (opened.cause.reason, opened.cause.message) == (FAIL, "slow")


def test_an_outage_does_not_begin_before_anything_was_seen() -> None:
    history = History()
    history.checks(OURS, FAIL)
    assert history.judgements[-1].opened is not None
    assert history.judgements[-1].opened.started_at == at(60)
    assert history.spans == [(60, Charge.DOWN)]
