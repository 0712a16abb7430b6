"""What one monitor needs: every arm, as a table of decisions."""

from typing import Any

from attrs import evolve
from build import WEB, at, document, monitor, schedule

from kubekuma.model.meta import Condition, Truth
from kubekuma.model.monitor import Monitor
from kubekuma.model.order import Drop, Enrol, Pause
from kubekuma.model.settings import Scheduler, SettingsSpec
from kubekuma.reconcile.outcome import refused
from kubekuma.reconcile.plan import Facts, Plan, plan_monitor
from kubekuma.validate.load import load_monitor
from kubekuma.validate.rule import Rejected

FACTS = Facts(settings=SettingsSpec(), home="monitoring", now=at(0))
SLOW_ONLY = SettingsSpec(scheduler=Scheduler(min_interval_seconds=300))


def invalid(generation: int = 2) -> Rejected:
    raw = document(generation=generation)
    raw["spec"]["schedule"] = {"intervalSeconds": 10, "timeoutSeconds": 20}
    loaded = load_monitor(raw)
    assert isinstance(loaded, Rejected)
    return loaded


def plan(latest: Monitor | Rejected | None, valid: Monitor | None = None, **facts: Any) -> Plan:
    valid = latest if isinstance(latest, Monitor) else valid
    return plan_monitor(WEB, latest, valid, evolve(FACTS, **facts))


def told(conditions: tuple[Condition, ...]) -> dict[str, tuple[str, str]]:
    return {each.type: (each.status.value, each.reason) for each in conditions}


def test_what_is_not_there_is_dropped_without_a_word() -> None:
    assert plan(None) == Plan(order=Drop(key=WEB))


def test_a_valid_monitor_is_enrolled_and_ready() -> None:
    found = plan(monitor(schedule=schedule(jitterPercent=7)))
    assert isinstance(found.order, Enrol)
    assert (found.order.interval_seconds, found.order.jitter_percent) == (60, 7)
    assert told(found.conditions) == {
        "Valid": ("True", "Valid"),
        "Reconciled": ("True", "Scheduled"),
        "Ready": ("True", "Scheduled"),
    }


def test_jitter_that_is_absent_is_the_settings() -> None:
    found = plan(monitor(), settings=SettingsSpec(scheduler=Scheduler(jitter_percent=30)))
    assert isinstance(found.order, Enrol)
    assert found.order.jitter_percent == 30


def test_the_initial_delay_counts_from_the_creation() -> None:
    young = monitor(schedule=schedule(initialDelaySeconds=100))
    young = evolve(young, meta=evolve(young.meta, created_at=at(-30)))
    found = plan(young)
    assert isinstance(found.order, Enrol)
    assert found.order.first_after_seconds == 70
    later = plan(young, now=at(1000))
    assert isinstance(later.order, Enrol)
    assert later.order.first_after_seconds == 0


def test_a_disabled_monitor_is_paused_and_ready() -> None:
    found = plan(monitor(enabled=False))
    assert found.order == Pause(key=WEB)
    assert told(found.conditions)["Ready"] == ("True", "Paused")


def test_an_invalid_monitor_that_never_was_valid_is_not_attempted() -> None:
    found = plan(invalid())
    assert found.order == Drop(key=WEB)
    assert told(found.conditions) == {
        "Valid": ("False", "InvalidSpec"),
        "Reconciled": ("Unknown", "InvalidSpec"),
        "Ready": ("False", "InvalidSpec"),
    }
    assert "spec.schedule.timeoutSeconds: must be less" in found.conditions[0].message


def test_an_invalid_edit_leaves_the_last_valid_generation_running() -> None:
    found = plan(invalid(generation=2), monitor(generation=1))
    assert isinstance(found.order, Enrol)
    assert found.running is not None
    assert found.running.meta.generation == 1
    assert told(found.conditions) == {
        "Valid": ("False", "InvalidSpec"),
        "Reconciled": ("False", "RunningGeneration"),
        "Ready": ("False", "InvalidSpec"),
    }
    assert "generation 1" in found.conditions[1].message
    assert {each.observed_generation for each in found.conditions} == {2}


def test_an_invalid_edit_of_a_paused_monitor_leaves_it_paused() -> None:
    assert plan(invalid(), monitor(enabled=False)).order == Pause(key=WEB)


def test_settings_decide_too_what_is_valid() -> None:
    found = plan(monitor(schedule=schedule()), settings=SLOW_ONLY)
    assert found.order == Drop(key=WEB)
    assert "must be at least 300" in found.conditions[0].message


def test_a_last_valid_generation_that_the_settings_forbid_does_not_run() -> None:
    assert plan(invalid(), monitor(schedule=schedule()), settings=SLOW_ONLY).order == Drop(key=WEB)


def test_an_edit_that_the_settings_forbid_leaves_what_runs_running() -> None:
    edited = load_monitor(document(generation=2, schedule=schedule(intervalSeconds=11)))
    assert isinstance(edited, Monitor)
    before = monitor(generation=1, schedule=schedule())
    found = plan_monitor(WEB, edited, edited, FACTS, running=before)
    assert found.running == before
    assert told(found.conditions)["Reconciled"] == ("False", "RunningGeneration")


def test_what_ran_under_another_uid_has_no_claim() -> None:
    other = monitor(uid="u0", schedule=schedule())
    assert plan_monitor(WEB, invalid(), None, FACTS, running=other).order == Drop(key=WEB)


def test_a_type_without_checker_says_so_and_stays_valid() -> None:
    found = plan(monitor(), missing_checker="type dns")
    assert found.order == Drop(key=WEB)
    assert told(found.conditions) == {
        "Valid": ("True", "Valid"),
        "Reconciled": ("False", "CheckerUnavailable"),
        "Ready": ("False", "CheckerUnavailable"),
    }


def test_a_missing_secret_is_told_and_the_monitor_runs_unknown() -> None:
    found = plan(monitor(), missing_secrets=("Secret b with a key c", "Secret a with a key c"))
    assert isinstance(found.order, Enrol)
    ready = found.conditions[2]
    assert (ready.status, ready.reason) == (Truth.FALSE, "SecretMissing")
    assert "Secret a with a key c, Secret b with a key c" in ready.message


def test_planning_twice_is_planning_once() -> None:
    for latest, valid in ((monitor(), None), (invalid(), monitor()), (None, None)):
        assert plan(latest, valid) == plan(latest, valid)


def test_a_reference_that_leads_nowhere_is_told_and_the_monitor_is_checked() -> None:
    found = plan(monitor(), unmet=refused("PolicyMissing", "there is none"))
    assert isinstance(found.order, Enrol)
    assert told(found.conditions)["Ready"] == ("False", "PolicyMissing")


def test_references_stay_within_reach() -> None:
    far = monitor(
        dependsOn=[{"name": "router", "namespace": "net"}],
        alerting={"policyRef": {"name": "p", "namespace": "net"}},
    )
    found = plan(far)
    assert found.order == Drop(key=WEB)
    assert found.conditions[0].message.split("; ") == [
        "spec.dependsOn[0].namespace: must be shop, the monitor's own",
        "spec.alerting.policyRef.namespace: must be shop, the monitor's own, or monitoring",
    ]
    lent = monitor(alerting={"policyRef": {"name": "p", "namespace": "monitoring"}})
    assert isinstance(plan(lent).order, Enrol)
    # From KubeKuma's own namespace, everything is within reach.
    assert isinstance(plan(far, home="shop").order, Enrol) is False
    near = monitor(dependsOn=[{"name": "router", "namespace": "net"}])
    assert isinstance(plan(near, home="shop").order, Enrol)
