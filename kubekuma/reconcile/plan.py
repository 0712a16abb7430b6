"""Decides what one monitor needs. Pure: ``worker`` carries the plan out."""

from datetime import datetime

import attrs

from kubekuma.model.meta import STATE, STATE_MESSAGE, Condition, Key, Truth
from kubekuma.model.monitor import Monitor, MonitorType
from kubekuma.model.order import Drop, Enrol, Pause
from kubekuma.model.settings import SettingsSpec
from kubekuma.reconcile.outcome import (
    NOT_ATTEMPTED,
    Said,
    conditions,
    goes_on,
    invalid,
    refused,
    secrets_missing,
)
from kubekuma.reconcile.references import out_of_reach
from kubekuma.validate.monitor import monitor_under
from kubekuma.validate.rule import FieldError, Rejected


@attrs.frozen(kw_only=True)
class Plan:
    """What a monitor needs. Carrying it out twice changes nothing more."""

    order: Enrol | Pause | Drop
    running: Monitor | None = None  # what is checked from now on
    conditions: tuple[Condition, ...] = ()


@attrs.frozen(kw_only=True)
class Facts:
    """What a plan rests on besides the object itself."""

    settings: SettingsSpec
    missing_checker: str | None = None  # the part of the spec for which there is no checker
    missing_secrets: tuple[str, ...] = ()
    unmet: Said | None = None  # what the valid form refers to and is not there
    home: str  # KubeKuma's own namespace
    now: datetime


def plan_monitor(
    key: Key,
    latest: Monitor | Rejected | None,
    valid: Monitor | None,
    facts: Facts,
    *,
    running: Monitor | None = None,
) -> Plan:
    """Plan for ``key`` from what the cache holds now, and its last valid form.

    ``running`` is what is checked at the moment: the last form that the
    settings allowed too.
    Level-triggered: it is told the present state and never the event, so a
    missed, doubled or reordered event cannot lead to a different plan.
    """
    if latest is None:
        return Plan(order=Drop(key=key))
    wrong = _wrong(latest, facts)
    if isinstance(latest, Monitor) and not wrong:
        return _plan_valid(latest, facts)
    generation = latest.meta.generation
    fallback = next((each for each in (valid, running) if _may_go_on(each, latest, facts)), None)
    if fallback is None or facts.missing_checker is not None:
        return Plan(
            order=Drop(key=key),
            conditions=conditions(generation, invalid(wrong), NOT_ATTEMPTED),
        )
    return attrs.evolve(
        _plan_valid(fallback, facts),
        conditions=conditions(generation, invalid(wrong), goes_on(fallback.meta)),
    )


def _plan_valid(monitor: Monitor, facts: Facts) -> Plan:
    key, spec, generation = monitor.meta.key, monitor.spec, monitor.meta.generation
    if not spec.enabled:
        paused = Said(Truth.TRUE, "Paused", "spec.enabled is false")
        return Plan(
            order=Pause(key=key),
            running=monitor,
            conditions=conditions(generation, None, paused),
        )
    if facts.missing_checker is not None:
        said = f"this version has no checker for {facts.missing_checker}"
        lacking = refused("CheckerUnavailable", said)
        return Plan(
            order=Drop(key=key),
            conditions=conditions(generation, None, lacking),
        )
    reconciled = facts.unmet or Said(Truth.TRUE, "Scheduled")
    if facts.missing_secrets:
        reconciled = secrets_missing(facts.missing_secrets)
    return Plan(
        order=_enrolment(monitor, facts),
        running=monitor,
        conditions=conditions(generation, None, reconciled),
    )


def _may_go_on(former: Monitor | None, latest: Monitor | Rejected, facts: Facts) -> bool:
    # Another object under the same name has no claim to what the former one did.
    if former is None or former.meta.uid != latest.meta.uid:
        return False
    return not _wrong(former, facts)


def _enrolment(monitor: Monitor, facts: Facts) -> Enrol:
    schedule = monitor.spec.schedule
    age = (facts.now - (monitor.meta.created_at or facts.now)).total_seconds()
    jitter = schedule.jitter_percent
    return Enrol(
        key=monitor.meta.key,
        uid=monitor.meta.uid,
        generation=monitor.meta.generation,
        interval_seconds=schedule.interval_seconds,
        jitter_percent=facts.settings.scheduler.jitter_percent if jitter is None else jitter,
        first_after_seconds=max(0.0, schedule.initial_delay_seconds - age),
        occasion=_set_by_hand(monitor),
    )


def _set_by_hand(monitor: Monitor) -> str:
    # An annotation makes no new generation of the spec.
    if monitor.spec.type is not MonitorType.MANUAL:
        return ""
    annotations = monitor.meta.annotations
    return f"{annotations.get(STATE, '')} {annotations.get(STATE_MESSAGE, '')}"


def _wrong(monitor: Monitor | Rejected, facts: Facts) -> tuple[FieldError, ...]:
    if isinstance(monitor, Rejected):
        return monitor.errors
    return (*monitor_under(monitor.spec, facts.settings), *out_of_reach(monitor, facts.home))
