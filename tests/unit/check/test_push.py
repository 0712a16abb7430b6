"""Push monitors: what reports say, and when silence is a failure."""

from datetime import timedelta
from typing import Any

import attrs
import pytest
from build import START, at
from fakes.targets import check_context, monitor_of, secret_ref

from kubekuma.check.inside import Inside, Listening
from kubekuma.check.push import due_at
from kubekuma.check.run import run_check
from kubekuma.model.criteria import SuccessCriteria
from kubekuma.model.monitor import MonitorType
from kubekuma.model.push import Beat, Reports, Signal
from kubekuma.model.result import CheckResult, Outcome, Reason
from kubekuma.model.target import PushTarget

LONG_AGO = START - timedelta(days=30)
SUCCESS, FAILURE = Beat(), Beat(signal=Signal.FAILURE, message="disk full")
RUN = Beat(signal=Signal.START)


def target(**fields: Any) -> PushTarget:
    expiry = {} if "schedule" in fields else {"expire_seconds": 60}
    return PushTarget(token_secret_ref=secret_ref("token"), **{**expiry, **fields})


def reported(*beats: tuple[float, Beat]) -> Reports:
    reports = Reports()
    for seconds, beat in beats:
        reports = reports.after(beat, at(seconds))
    return reports


async def check(
    reports: Reports,
    now: float,
    *,
    since: float = -3600,
    silent: int = 1,
    created: float = -3600,
    criteria: SuccessCriteria | None = None,
    **fields: Any,
) -> CheckResult:
    monitor = monitor_of(MonitorType.PUSH, target(**fields), criteria)
    monitor = attrs.evolve(monitor, meta=attrs.evolve(monitor.meta, created_at=at(created)))
    listening = Listening(reports=reports, since=at(since), silent=lambda: silent)
    context = attrs.evolve(
        check_context(now=lambda: at(now)), inside=Inside(listening=lambda _: listening)
    )
    return await run_check(monitor, context)


async def test_a_report_lasts_until_it_expires() -> None:
    reports = reported((0, SUCCESS))
    assert (await check(reports, 59.9)).reason is Reason.PASSED
    late = await check(reports, 60)
    assert late.reason is Reason.REPORT_OVERDUE
    assert late.message == (
        "a report was due by 2026-01-01 00:01:00 UTC, and the last came 2026-01-01 00:00:00 UTC"
    )
    assert (await check(reports, 80, grace_period_seconds=30)).reason is Reason.PASSED
    assert (await check(reports, 90, grace_period_seconds=30)).reason is Reason.REPORT_OVERDUE


async def test_a_failure_that_is_reported_lasts_until_the_next_report() -> None:
    result = await check(reported((0, SUCCESS), (10, FAILURE)), 11)
    assert (result.reason, result.message) == (Reason.REPORTED_FAILURE, "disk full")
    assert (await check(reported((0, FAILURE), (10, SUCCESS)), 11)).reason is Reason.PASSED
    # Silence says more than what was said before it.
    assert (await check(reported((0, FAILURE)), 60)).reason is Reason.REPORT_OVERDUE


async def test_what_the_sender_says_and_measures_is_in_the_result() -> None:
    beat = Beat(message="42 files", latency_seconds=0.25)
    result = await check(reported((0, beat)), 1)
    assert (result.reason, result.message, result.latency_seconds) == (
        Reason.PASSED,
        "42 files",
        0.25,
    )
    slow = await check(reported((0, beat)), 1, criteria=SuccessCriteria(degraded_above_ms=200))
    assert slow.outcome is Outcome.DEGRADED


async def test_the_latency_of_a_run_is_its_length() -> None:
    assert (await check(reported((0, RUN), (30, SUCCESS)), 31)).latency_seconds == 30
    measured = Beat(latency_seconds=2.0)
    assert (await check(reported((0, RUN), (30, measured)), 31)).latency_seconds == 2


async def test_before_the_first_report_nothing_is_known_until_it_is_due() -> None:
    early = await check(Reports(), 59, created=0)
    assert (early.reason, early.outcome) == (Reason.NO_REPORT_YET, Outcome.UNKNOWN)
    late = await check(Reports(), 60, created=0)
    assert late.reason is Reason.REPORT_OVERDUE
    assert "none has ever come" in late.message


async def test_a_run_must_end_in_time_and_meanwhile_nothing_else_is_due() -> None:
    running = reported((0, SUCCESS), (50, RUN))
    assert (await check(running, 149, max_run_seconds=100)).reason is Reason.PASSED
    late = await check(running, 150, max_run_seconds=100)
    assert late.reason is Reason.RUN_OVERDUE
    assert "that began at 2026-01-01 00:00:50 UTC has not ended" in late.message
    # Without a limit, a start says nothing of when the end is due.
    assert (await check(running, 60)).reason is Reason.REPORT_OVERDUE
    first = reported((50, RUN))
    assert (await check(first, 51, max_run_seconds=100)).reason is Reason.PASSED


@pytest.mark.parametrize(("expire", "grace", "seconds"), [(20, 0, 20), (3600, 0, 60), (20, 90, 90)])
async def test_after_an_absence_of_ours_senders_have_a_moment_to_be_heard(
    expire: int, grace: int, seconds: int
) -> None:
    async def checked(now: float) -> CheckResult:
        reports, since = reported((0, SUCCESS)), 10_000
        return await check(
            reports,
            since + now,
            since=since,
            expire_seconds=expire,
            grace_period_seconds=grace,
        )

    early = await checked(seconds - 1)
    assert (early.reason, early.outcome) == (Reason.NOT_LISTENING, Outcome.UNKNOWN)
    assert (await checked(seconds)).reason is Reason.REPORT_OVERDUE


async def test_who_was_heard_since_we_listen_gets_no_such_moment() -> None:
    reports = reported((0, SUCCESS))
    assert (await check(reports, 60, since=-1)).reason is Reason.REPORT_OVERDUE
    running = reported((0, RUN))
    assert (await check(running, 5, since=-1, max_run_seconds=5)).reason is Reason.RUN_OVERDUE


async def test_when_all_fall_silent_together_the_door_is_shut() -> None:
    reports = reported((0, SUCCESS))
    assert (await check(reports, 60, silent=2)).outcome is Outcome.FAILED
    shut = await check(reports, 60, silent=3)
    assert (shut.reason, shut.outcome) == (Reason.NO_PUSH_ARRIVES, Outcome.UNKNOWN)


def test_what_is_due_by_a_calendar_is_due_after_the_last_report() -> None:
    nightly = target(schedule="30 2 * * *", timezone="Europe/Berlin", grace_period_seconds=600)
    done = Reports(at=START + timedelta(hours=2))  # at three in Berlin
    assert due_at(nightly, done, LONG_AGO) == START + timedelta(days=1, hours=1, minutes=40)
    # Never, so far: after the monitor was made.
    assert due_at(nightly, Reports(), START) == START + timedelta(hours=1, minutes=40)


def test_nobody_is_late_from_before_the_monitor_was_made() -> None:
    assert due_at(target(), Reports(at=LONG_AGO), START) == START + timedelta(seconds=60)


async def test_without_the_program_nobody_listens() -> None:
    result = await run_check(monitor_of(MonitorType.PUSH, target()), check_context())
    assert (result.reason, result.outcome) == (Reason.NOT_CHECKED, Outcome.UNKNOWN)
