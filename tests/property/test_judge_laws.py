"""What holds for every history of checks."""

from datetime import datetime, timedelta
from itertools import pairwise
from typing import TypeAlias

from build import START, WEB, checked, monitor
from hypothesis import given
from hypothesis import strategies as st

from kubekuma.model.monitor import MonitorSpec
from kubekuma.model.result import Reason
from kubekuma.model.state import Charge, Checked, Judgement, MonitorState, Span, Verdict
from kubekuma.record.judge import judge, settle, speaks_seconds

REASONS = (Reason.PASSED, Reason.SLOW, Reason.TIMEOUT, Reason.NO_DESCRIPTORS)
TIMEOUT = 10.0

specs = st.builds(
    lambda retries, grace, recovery, invert: (
        monitor(
            schedule={
                "intervalSeconds": 60,
                "timeoutSeconds": 10,
                "retries": {"maxRetries": retries, "retryIntervalSeconds": 20},
                "graceDownSeconds": grace,
                "recoverySuccesses": recovery,
            },
            invert=invert,
        ).spec
    ),
    st.integers(0, 3),
    st.sampled_from([0, 30, 100]),
    st.integers(1, 3),
    st.booleans(),
)
Gaps: TypeAlias = list[tuple[int, Reason]]
events = st.lists(st.tuples(st.integers(1, 400), st.sampled_from(REASONS)), max_size=30)


def played(spec: MonitorSpec, gaps: Gaps) -> list[tuple[Checked, Judgement]]:
    state, seconds, history = MonitorState(), 0, []
    for gap, reason in gaps:
        seconds += gap
        check = checked(seconds, reason)
        judgement = judge(state, check, spec, timeout_seconds=TIMEOUT)
        history.append((check, judgement))
        state = judgement.state
    return history


def spans_of(history: list[tuple[Checked, Judgement]]) -> list[Span]:
    return [span for _, judgement in history for span in judgement.spans]


@given(specs, events)
def test_replaying_a_history_gives_the_same(spec: MonitorSpec, gaps: Gaps) -> None:
    assert played(spec, gaps) == played(spec, gaps)


@given(specs, events)
def test_spans_never_go_back_and_always_change(spec: MonitorSpec, gaps: Gaps) -> None:
    # Two at one instant are one: the database keeps the last.
    latest: dict[datetime, Span] = {}
    for span in spans_of(played(spec, gaps)):
        assert not latest or span.start >= max(latest)
        latest[span.start] = span
    charges = [span.charge for span in latest.values()]
    assert all(one is not other for one, other in pairwise(charges))


@given(specs, events)
def test_nothing_is_charged_to_the_target_for_longer_than_a_heartbeat_speaks(
    spec: MonitorSpec, gaps: Gaps
) -> None:
    history = played(spec, gaps)
    if not history:
        return
    spans = {span.start: span for span in spans_of(history)}
    starts = sorted(spans)
    spoke = [check.at for check, _ in history if not check.result.reason.ours]
    longest = timedelta(seconds=speaks_seconds(spec.schedule, TIMEOUT))
    ends = [*starts[1:], history[-1][0].at]
    for start, end in zip(starts, ends, strict=False):  # without spans, one end is left over
        if spans[start].charge in {Charge.UP, Charge.DEGRADED, Charge.DOWN}:
            heard = [at for at in spoke if at <= end]
            assert heard
            assert end - heard[-1] <= longest or end == history[-1][0].at


@given(specs, events)
def test_down_asks_for_the_failures_and_the_time_that_the_schedule_asks_for(
    spec: MonitorSpec, gaps: Gaps
) -> None:
    state = MonitorState()
    failures: list[datetime] = []
    for check, judgement in played(spec, gaps):
        failed = check.result.reason is (Reason.PASSED if spec.invert else Reason.TIMEOUT)
        failed = failed or (spec.invert and check.result.reason is Reason.SLOW)
        if failed:
            failures.append(check.at)
        elif not check.result.reason.ours:
            failures = []
        if judgement.opened is not None:
            assert state.standing.verdict is not Verdict.DOWN
            assert len(failures) > spec.schedule.retries.max_retries
            grace = timedelta(seconds=spec.schedule.grace_down_seconds)
            assert check.at - failures[0] >= grace
        state = judgement.state


@given(specs, events)
def test_incidents_open_and_close_in_turn(spec: MonitorSpec, gaps: Gaps) -> None:
    going_on: str | None = None
    for _, judgement in played(spec, gaps):
        if judgement.closed is not None:
            assert judgement.closed.id == going_on
            going_on = None
        if judgement.opened is not None:
            assert going_on is None
            going_on = judgement.opened.id
        assert judgement.state.standing.incident == going_on
        assert (going_on is not None) == (judgement.state.standing.verdict is Verdict.DOWN)


@given(specs, events)
def test_our_own_faults_never_open_or_close_anything(spec: MonitorSpec, gaps: Gaps) -> None:
    for check, judgement in played(spec, gaps):
        if check.result.reason.ours:
            assert judgement.opened is None
            assert judgement.closed is None


@given(specs, events, st.integers(0, 100_000))
def test_settling_once_is_settling_for_good(spec: MonitorSpec, gaps: Gaps, later: int) -> None:
    history = played(spec, gaps)
    state = history[-1][1].state if history else MonitorState()
    now = START + timedelta(seconds=sum(gap for gap, _ in gaps) + later)
    settled = settle(WEB, state, spec.schedule, now, timeout_seconds=TIMEOUT)
    if settled is not None:
        again = settle(WEB, settled.state, spec.schedule, now, timeout_seconds=TIMEOUT)
        assert again is None
