"""What is written into a status, and that nothing is written that stands there already."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from attrs import evolve
from build import WEB, at, checked, monitor

from kubekuma.kube.client import Document, FieldManager
from kubekuma.model.meta import Condition, Key, Truth
from kubekuma.model.result import Certificate, Reason
from kubekuma.model.state import MonitorState
from kubekuma.reconcile.publish import Lanes
from kubekuma.reconcile.report import Line, Reporter
from kubekuma.reconcile.worker import Verdicts
from kubekuma.record.judge import judge

CONDITIONS = Line("kubekuma-reconciler", "Monitor", WEB)
SUMMARY = Line("kubekuma-status", "Monitor", WEB)


class Desk:
    """A reporter whose writes can be read."""

    def __init__(self) -> None:
        self.now = at(0)
        self.lanes: Lanes[Line] = Lanes()
        self.running = {WEB: monitor()}
        self.states: dict[Key, MonitorState] = {}
        self.written: list[tuple[FieldManager, Document]] = []
        self.reporter = Reporter(
            self.lanes,
            self.running,
            self.states,
            uptimes=self.uptimes,
            notifies=lambda _: 0,
            apply_status=self.apply_status,
            refresh_seconds=lambda: 300,
            chance=lambda: 0.5,
            now=lambda: self.now,
        )

    async def uptimes(self, _: Key) -> Mapping[str, str | None]:
        return {"1h": "99.98", "24h": None}

    async def apply_status(
        self, kind: str, key: Key, body: Document, manager: FieldManager
    ) -> None:
        assert (kind, key) == ("Monitor", WEB)
        self.written.append((manager, body))

    def check(self, reason: Reason = Reason.PASSED, **more: Any) -> None:
        check = checked(0, reason, **more)
        before = self.states.get(WEB, MonitorState())
        self.states[WEB] = judge(before, check, monitor().spec, timeout_seconds=10).state

    @property
    def status(self) -> Mapping[str, Any]:
        status: Mapping[str, Any] = self.written[-1][1]["status"]
        return status


def ready(status: Truth = Truth.TRUE, **more: Any) -> Verdicts:
    reason = "Scheduled" if status is Truth.TRUE else "SecretMissing"
    condition = Condition(type="Ready", status=status, reason=reason, observed_generation=1)
    return Verdicts(
        kind="Monitor",
        meta=monitor().meta,
        generation=1,
        conditions=(evolve(condition, message=more.pop("message", "")),),
        before=more.pop("before", {}),
    )


def since(desk: Desk) -> str:
    found: str = desk.status["conditions"][0]["lastTransitionTime"]
    return found


async def test_conditions_go_out_with_uid_and_time() -> None:
    desk = Desk()
    desk.reporter.conditions(ready())
    assert await desk.lanes.take_urgent() == CONDITIONS
    await desk.reporter.write(CONDITIONS)
    manager, body = desk.written[-1]
    assert manager == "kubekuma-reconciler"
    assert body["metadata"] == {"name": "web", "namespace": "shop", "uid": "u1"}
    assert desk.status == {
        "observedGeneration": 1,
        "conditions": [
            {
                "type": "Ready",
                "status": "True",
                "reason": "Scheduled",
                "message": "",
                "observedGeneration": 1,
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }
        ],
    }


async def test_a_condition_keeps_its_time_until_its_status_changes() -> None:
    desk = Desk()
    desk.reporter.conditions(ready())
    await desk.reporter.write(CONDITIONS)
    desk.now = at(60)
    desk.reporter.conditions(ready(message="now with a message"))
    await desk.reporter.write(CONDITIONS)
    assert since(desk) == "2026-01-01T00:00:00Z"
    desk.reporter.conditions(ready(Truth.FALSE))
    await desk.reporter.write(CONDITIONS)
    assert since(desk) == "2026-01-01T00:01:00Z"


async def test_what_stands_there_is_not_written_again() -> None:
    desk = Desk()
    desk.reporter.conditions(ready())
    await desk.reporter.write(await desk.lanes.take_urgent())
    desk.reporter.conditions(ready())
    assert len(desk.lanes) == 0


def test_what_a_former_run_wrote_is_not_written_again() -> None:
    desk = Desk()
    before = Condition(
        type="Ready",
        status=Truth.TRUE,
        reason="Scheduled",
        observed_generation=1,
        last_transition_time=at(-100),
    )
    desk.reporter.conditions(ready(before={"Ready": before}))
    assert len(desk.lanes) == 0
    old = evolve(before, observed_generation=0)
    desk.reporter.conditions(ready(before={"Ready": old}))
    assert len(desk.lanes) == 1


async def test_an_object_made_anew_gets_its_conditions_although_they_are_the_same() -> None:
    desk = Desk()
    desk.reporter.conditions(ready())
    await desk.reporter.write(await desk.lanes.take_urgent())
    again = ready()
    desk.reporter.conditions(evolve(again, meta=evolve(again.meta, uid="u2")))
    assert len(desk.lanes) == 1


async def test_the_summary_says_how_the_target_is() -> None:
    desk = Desk()
    shown = Certificate(
        subject="CN=web",
        issuer="CN=ca",
        names=(),
        not_before=at(0),
        expires_at=at(0) + timedelta(days=9, hours=5),
        fingerprint="0",
        valid=True,
    )
    desk.check(Reason.TIMEOUT, message="nothing came", latency_seconds=10.0004, certificate=shown)
    await desk.reporter.write(SUMMARY)
    status = dict(desk.status)
    (up,) = status.pop("conditions")
    assert (up["type"], up["status"], up["reason"], up["message"]) == (
        "Up",
        "False",
        "Timeout",
        "nothing came",
    )
    incident = status.pop("incident")
    assert incident["startedAt"] == "2026-01-01T00:00:00Z"
    assert status == {
        "notifies": 0,
        "verdict": "down",
        "state": "down",
        "since": "2026-01-01T00:00:00Z",
        "target": "http://192.0.2.1/",
        "lastResult": {
            "state": "failed",
            "checkedAt": "2026-01-01T00:00:00Z",
            "latencyMs": 10000,
            "attempts": 1,
            "reason": "Timeout",
            "message": "nothing came",
        },
        "uptime": {"last1h": "99.98"},
        "cert": {"expiresAt": "2026-01-10T05:00:00Z", "daysRemaining": 9, "valid": True},
    }


async def test_up_is_unknown_before_the_first_result() -> None:
    desk = Desk()
    desk.states[WEB] = MonitorState()
    await desk.reporter.write(SUMMARY)
    assert desk.status["conditions"][0]["status"] == "Unknown"
    assert desk.status["state"] == "pending"


async def test_nothing_is_said_of_a_monitor_that_does_not_run() -> None:
    desk = Desk()
    desk.check()
    desk.running.clear()
    await desk.reporter.write(SUMMARY)
    assert desk.written == []


def test_no_credential_stands_in_a_status() -> None:
    url = "https://192.0.2.1/path?token=canary#canary"
    assert monitor(target={"http": {"url": url}}).spec.target_text == "https://192.0.2.1/path"
