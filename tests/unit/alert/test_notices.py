"""What is told of a monitor besides outages, by its state alone."""

from datetime import timedelta
from typing import Any

import pytest
from build import at, monitor

from kubekuma.alert.notices import ended, ends_quietly, notices
from kubekuma.model.alert import Outage
from kubekuma.model.policy import Happening
from kubekuma.model.result import Outcome, Reason
from kubekuma.model.state import Heartbeat, MonitorState, Standing, Verdict

DAY = 86_400.0
MINUTE = 60.0
HTTPS = {"http": {"url": "https://192.0.2.1/", "tls": {"warnBeforeDays": [7, 21, 14]}}}


def found(
    seconds: float,
    verdict: Verdict = Verdict.UP,
    *,
    reason: Reason = Reason.NO_RESOLVER,
    burns: str = "",
    spec: dict[str, Any] | None = None,
    **standing: Any,
) -> list[Outage]:
    last = Heartbeat(at=at(0), outcome=Outcome.UNKNOWN, reason=reason, message="why")
    fields: dict[str, Any] = {"since": at(0), **standing}
    state = MonitorState(standing=Standing(verdict=verdict, **fields), last=last)
    return [*notices(monitor(**(spec or {})), state, burns, at(seconds))]


def one(*args: Any, **more: Any) -> Outage:
    (notice,) = found(*args, **more)
    return notice


def test_of_a_monitor_that_is_well_there_is_nothing_to_tell() -> None:
    assert found(0) == []
    assert found(0, Verdict.DOWN) == []
    assert found(0, Verdict.PENDING) == []


def test_degraded_is_told_as_long_as_it_lasts_under_one_name() -> None:
    first = one(10, Verdict.DEGRADED, reason=Reason.SLOW)
    assert (first.what, first.started_at, first.confirmed_at) == (
        Happening.DEGRADED,
        at(0),
        at(0),
    )
    assert one(99, Verdict.DEGRADED, reason=Reason.EXPIRES_SOON).id == first.id
    assert one(99, Verdict.DEGRADED, since=at(50)).id != first.id


def test_what_cannot_be_checked_is_told_after_a_while_once_for_each_reason() -> None:
    first = one(10, Verdict.UNKNOWN)
    assert (first.what, first.confirmed_at) == (Happening.UNKNOWN, at(30 * MINUTE))
    assert (first.reason, first.message) == ("NoResolver", "why")
    assert one(99, Verdict.UNKNOWN, reason=Reason.SECRET_MISSING).id != first.id
    never = {"alerting": {"notifyOn": {"unknownAfterMinutes": 0}}}
    assert found(10, Verdict.UNKNOWN, spec=never) == []


@pytest.mark.parametrize(
    ("days_left", "confirmed_days_before", "step"),
    [(30, 21, 0), (21, 21, 0), (20, 21, 0), (14, 14, 1), (3, 7, 2), (-1, 7, 2)],
)
def test_a_certificate_is_told_of_on_each_of_its_days(
    days_left: float, confirmed_days_before: int, step: int
) -> None:
    ends = at(100 * DAY)
    it = one((100 - days_left) * DAY, spec={"target": HTTPS}, certificate_expires_at=ends)
    assert (it.what, it.step) == (Happening.CERT_EXPIRING, step)
    assert it.confirmed_at == ends - timedelta(days=confirmed_days_before)
    # One name until there is another certificate.
    assert it.id == one(0, spec={"target": HTTPS}, certificate_expires_at=ends).id
    assert it.id != one(0, spec={"target": HTTPS}, certificate_expires_at=at(99 * DAY)).id


def test_a_registration_is_told_of_likewise() -> None:
    spec = {"type": "domainExpiry", "target": {"domainExpiry": {"domain": "example.org"}}}
    it = one(95 * DAY, spec=spec, registered_until=at(100 * DAY))
    assert (it.step, it.reason) == (2, "RegistrationEnds")
    assert it.message == "the registration ends at 2026-04-11 00:00 UTC"


def test_a_budget_that_burns_is_told_of_once_a_day() -> None:
    first = one(MINUTE, burns="too fast")
    assert (first.what, first.message) == (Happening.BUDGET_BURN, "too fast")
    assert one(9 * 3600, burns="faster").id == first.id
    assert one(DAY, burns="too fast").id != first.id


def test_nothing_is_told_of_what_is_paused() -> None:
    assert found(10, Verdict.DEGRADED, paused=True) == []
    assert found(10, Verdict.DEGRADED, spec={"enabled": False}) == []


def test_what_cannot_be_checked_for_another_reason_has_not_ended() -> None:
    first = one(10, Verdict.UNKNOWN)
    other = one(99, Verdict.UNKNOWN, reason=Reason.SECRET_MISSING)
    assert [*ended([first], [other])] == []
    assert [*ended([first, other], [])] == [first, other]


def test_a_renewed_certificate_ends_what_was_said_of_the_old_one() -> None:
    old = one(95 * DAY, spec={"target": HTTPS}, certificate_expires_at=at(100 * DAY))
    new = one(95 * DAY, spec={"target": HTTPS}, certificate_expires_at=at(110 * DAY))
    assert [*ended([old], [new])] == [old]
    assert [*ended([old], [old])] == []


@pytest.mark.parametrize(
    ("what", "verdict", "quietly"),
    [
        (Happening.DEGRADED, Verdict.UP, False),
        (Happening.DEGRADED, Verdict.DOWN, True),
        (Happening.DEGRADED, Verdict.PENDING, True),
        # It is not well: nobody knows.
        (Happening.DEGRADED, Verdict.UNKNOWN, True),
        (Happening.UNKNOWN, Verdict.UP, False),
        (Happening.UNKNOWN, Verdict.DEGRADED, False),
        (Happening.UNKNOWN, Verdict.DOWN, True),
        # Renewed is renewed, whatever else is wrong.
        (Happening.CERT_EXPIRING, Verdict.DOWN, False),
    ],
)
def test_nobody_hears_of_the_end_of_what_becomes_worse(
    what: Happening, verdict: Verdict, *, quietly: bool
) -> None:
    assert ends_quietly(what, Standing(verdict=verdict)) is quietly
    assert ends_quietly(what, Standing(verdict=verdict, paused=True))
    assert ends_quietly(what, None)
