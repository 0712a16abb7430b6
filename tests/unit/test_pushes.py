"""Senders: whose token it is, and who has fallen silent since anybody was heard."""

from datetime import datetime
from typing import Any

import attrs
from build import at, monitor

from kubekuma.model.monitor import Monitor
from kubekuma.model.push import Beat, Signal
from kubekuma.model.result import CheckResult, Reason
from kubekuma.pushes import Pushes

PASSED = CheckResult(reason=Reason.PASSED)


@attrs.define
class Clock:
    seconds: float = 0

    def __call__(self) -> datetime:
        return at(self.seconds)


def sender(name: str, **spec: Any) -> Monitor:
    push = {"tokenSecretRef": {"name": "s", "key": "k"}, "expireSeconds": 60}
    return monitor(name, type="push", target={"push": push}, **spec)


async def passes(_: Monitor) -> CheckResult:
    return PASSED


def names(pushes: Pushes, token: str) -> list[str]:
    return [each.meta.key.name for each in pushes.senders(token)]


async def silent(pushes: Pushes, name: str) -> int:
    return pushes.listening(sender(name).meta.key).silent()


async def test_a_token_is_known_until_it_is_another_or_the_sender_is_gone() -> None:
    pushes = Pushes({}, Clock())
    backup = sender("backup")
    key = backup.meta.key
    pushes.expect(key, backup, b" first\n")
    assert (names(pushes, "first"), names(pushes, "second"), names(pushes, "")) == (
        ["backup"],
        [],
        [],
    )
    pushes.expect(key, backup, b"second")
    assert (names(pushes, "first"), names(pushes, "second")) == ([], ["backup"])
    for nothing in (None, b" "):
        pushes.expect(key, backup, nothing)
        assert names(pushes, "second") == names(pushes, "") == []
    pushes.expect(key, backup, b"second")
    pushes.expect(key, None, None)
    assert names(pushes, "second") == []


async def test_who_shares_a_token_is_reported_for_together() -> None:
    pushes = Pushes({}, Clock())
    for name in ("b", "a"):
        pushes.expect(sender(name).meta.key, sender(name), b"same")
    assert names(pushes, "same") == ["a", "b"]
    pushes.expect(sender("a").meta.key, None, None)
    assert names(pushes, "same") == ["b"]


async def test_a_report_is_judged_unless_a_run_begins_or_the_monitor_is_paused() -> None:
    pushes, backup = Pushes({}, Clock()), sender("backup")
    pushes.expect(backup.meta.key, backup, b"t")
    reported = await pushes.report(backup, Beat(), passes)
    assert reported.checked is not None
    assert reported.checked.result is PASSED
    assert reported.reports.at == at(0)
    begun = await pushes.report(backup, Beat(signal=Signal.START), passes)
    assert (begun.checked, begun.reports.started_at) == (None, at(0))
    paused = await pushes.report(sender("backup", enabled=False), Beat(), passes)
    assert (paused.checked, paused.reports.started_at) == (None, None)
    assert pushes.accepted == 3


async def test_those_are_silent_whose_report_became_due_since_anybody_was_heard() -> None:
    clock = Clock()
    pushes = Pushes({}, clock)
    fleet = [sender(name) for name in "abcd"]
    for each in fleet:
        pushes.expect(each.meta.key, each, each.meta.key.name.encode())
        await pushes.report(each, Beat(), passes)
    clock.seconds = 59
    assert await silent(pushes, "a") == 0
    clock.seconds = 60
    assert await silent(pushes, "a") == 4
    # One of them is heard: the others are silent by themselves.
    await pushes.report(fleet[0], Beat(), passes)
    assert await silent(pushes, "b") == 0
    # Who is paused is missed by nobody.
    clock.seconds = 130
    assert await silent(pushes, "a") == 1
    pushes.expect(fleet[0].meta.key, sender("a", enabled=False), b"a")
    assert await silent(pushes, "a") == 0
