"""Push checker: the sender has reported in time, and that all is well."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from kubekuma.check.context import Check
from kubekuma.check.expect import Facts
from kubekuma.check.finding import Finding
from kubekuma.check.inside import Listening
from kubekuma.check.judge import judge_shared
from kubekuma.check.trace import Phase
from kubekuma.kit.cron import cron_after
from kubekuma.model.criteria import SuccessCriteria
from kubekuma.model.push import Reports
from kubekuma.model.result import Reason
from kubekuma.model.target import PushTarget

# After a start of ours, who reports that often at least has this long to do it.
LISTEN_SECONDS: Final = 60
# So many that fall silent together, while nobody at all is heard: it is our door that is shut.
SILENT_TOGETHER: Final = 3


async def check_push(
    target: PushTarget, criteria: SuccessCriteria, check: Check
) -> Sequence[Finding]:
    """Judge the last report, or its absence. Nobody is asked: senders come to us."""
    listening = check.context.inside.listening(check.meta.key)
    reports, now = listening.reports, check.context.now()
    if reports.at is not None:
        ago = (now - reports.at).total_seconds()
        check.trace.say("the last report came %.0f s ago", ago)
        check.trace.count(Phase.FIRST_BYTE, reports.latency_seconds)
    created_at = check.meta.created_at or listening.since
    facts = Facts(kind="push", values={"latencyMs": check.trace.latency * 1000})
    return [
        *judge_reports(target, listening, created_at, now),
        *judge_shared(criteria, facts, check.trace.latency, check.show),
    ]


def judge_reports(
    target: PushTarget, listening: Listening, created_at: datetime, now: datetime
) -> Iterator[Finding]:
    """Yield what the reports say at ``now``: nothing if all is well and nothing was said."""
    reports = listening.reports
    due = due_at(target, reports, created_at)
    if now >= due:
        yield _late(target, listening, created_at, now)
    elif reports.failed:
        yield Finding(Reason.REPORTED_FAILURE, reports.message or "the sender reports a failure")
    elif reports.at is None and reports.started_at is None:
        yield Finding(Reason.NO_REPORT_YET, "no report has come yet")
    elif reports.message:
        yield Finding(Reason.PASSED, reports.message)


def due_at(target: PushTarget, reports: Reports, created_at: datetime) -> datetime:
    """From when on silence is a failure, if we were listening all the time."""
    last = _waits_since(target, reports, created_at)
    if _runs(target, reports):
        return last + timedelta(seconds=target.max_run_seconds or 0)
    grace = timedelta(seconds=target.grace_period_seconds)
    if target.schedule is not None:
        return cron_after(target.schedule, target.timezone, last) + grace
    return last + timedelta(seconds=target.expire_seconds or 0) + grace


def _waits_since(target: PushTarget, reports: Reports, created_at: datetime) -> datetime:
    last = reports.started_at if _runs(target, reports) else reports.at
    # A monitor made anew goes on with the history of its name, but nobody is late from before it.
    return max(last or created_at, created_at)


def _runs(target: PushTarget, reports: Reports) -> bool:
    """Whether what we wait for is the end of a run, and not the next report of any kind."""
    return reports.started_at is not None and target.max_run_seconds is not None


def heard_out_at(target: PushTarget, since: datetime) -> datetime:
    """When a sender has had time to be heard again by us, who listen ``since``."""
    seconds = min(target.expire_seconds or 0, LISTEN_SECONDS)
    return since + timedelta(seconds=max(seconds, target.grace_period_seconds))


def _late(target: PushTarget, listening: Listening, created_at: datetime, now: datetime) -> Finding:
    reports = listening.reports
    was_away = _waits_since(target, reports, created_at) < listening.since
    if was_away and now < heard_out_at(target, listening.since):
        return Finding(
            Reason.NOT_LISTENING, "a report is due, and may have come while nobody listened"
        )
    if listening.silent() >= SILENT_TOGETHER:
        return Finding(
            Reason.NO_PUSH_ARRIVES,
            "every sender whose report is due has fallen silent, and nobody else is heard:"
            " the way to us may be shut",
        )
    if _runs(target, reports):
        return Finding(
            Reason.RUN_OVERDUE,
            f"the run that began at {_shown(reports.started_at)} has not ended"
            f" and should take {target.max_run_seconds} s at most",
        )
    due = due_at(target, reports, created_at)
    last = "none has ever come" if reports.at is None else f"the last came {_shown(reports.at)}"
    return Finding(Reason.REPORT_OVERDUE, f"a report was due by {_shown(due)}, and {last}")


def _shown(instant: datetime | None) -> str:
    return "" if instant is None else f"{instant:%Y-%m-%d %H:%M:%S} UTC"
