"""Decides what one object needs. Pure: ``worker`` carries the plan out."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import attrs

from kubekuma.model.meta import Condition, Key, Truth
from kubekuma.model.monitor import Monitor
from kubekuma.model.order import Drop, Enrol, Pause
from kubekuma.model.settings import Settings, SettingsSpec
from kubekuma.validate.monitor import monitor_under
from kubekuma.validate.rule import FieldError, Rejected


@attrs.frozen(kw_only=True)
class Plan:
    """What a monitor needs. Carrying it out twice changes nothing more."""

    order: Enrol | Pause | Drop
    running: Monitor | None = None  # what is checked from now on
    conditions: tuple[Condition, ...] = ()
    generation: int = 0


@attrs.frozen(kw_only=True)
class Facts:
    """What a plan rests on besides the object itself."""

    settings: SettingsSpec
    missing_checker: str | None = None  # the part of the spec for which there is no checker
    missing_secrets: tuple[str, ...] = ()
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
        reconciled = (Truth.UNKNOWN, "InvalidSpec", "an invalid spec is not attempted")
        conditions = _conditions(generation, wrong, reconciled)
        return Plan(order=Drop(key=key), conditions=conditions, generation=generation)
    said = f"generation {fallback.meta.generation} goes on, the last that was valid"
    reconciled = (Truth.FALSE, "RunningGeneration", said)
    return attrs.evolve(
        _plan_valid(fallback, facts),
        conditions=_conditions(generation, wrong, reconciled),
        generation=generation,
    )


def plan_settings(latest: Settings | Rejected) -> tuple[Condition, ...]:
    """The conditions of the settings."""
    wrong = latest.errors if isinstance(latest, Rejected) else ()
    reconciled = (Truth.TRUE, "InForce", "")
    if wrong:
        reconciled = (Truth.FALSE, "InvalidSpec", "the last valid settings, or the defaults, hold")
    return _conditions(latest.meta.generation, wrong, reconciled)


def _plan_valid(monitor: Monitor, facts: Facts) -> Plan:
    key, spec, generation = monitor.meta.key, monitor.spec, monitor.meta.generation
    if not spec.enabled:
        reconciled = (Truth.TRUE, "Paused", "spec.enabled is false")
        conditions = _conditions(generation, (), reconciled)
        return Plan(
            order=Pause(key=key), running=monitor, conditions=conditions, generation=generation
        )
    if facts.missing_checker is not None:
        said = f"this version has no checker for {facts.missing_checker}"
        conditions = _conditions(generation, (), (Truth.FALSE, "CheckerUnavailable", said))
        return Plan(order=Drop(key=key), conditions=conditions, generation=generation)
    reconciled = (Truth.TRUE, "Scheduled", "")
    if facts.missing_secrets:
        said = f"there is no {_listed(facts.missing_secrets)} in this namespace"
        reconciled = (Truth.FALSE, "SecretMissing", said)
    return Plan(
        order=_enrolment(monitor, facts),
        running=monitor,
        conditions=_conditions(generation, (), reconciled),
        generation=generation,
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
    )


def _wrong(monitor: Monitor | Rejected, facts: Facts) -> tuple[FieldError, ...]:
    if isinstance(monitor, Rejected):
        return monitor.errors
    return tuple(monitor_under(monitor.spec, facts.settings))


def _conditions(
    generation: int, wrong: Sequence[FieldError], reconciled: tuple[Truth, str, str]
) -> tuple[Condition, ...]:
    valid = (Truth.TRUE, "Valid", "")
    if wrong:
        valid = (Truth.FALSE, "InvalidSpec", "; ".join(map(str, wrong)))
    follows = reconciled[0] is Truth.TRUE and not wrong
    ready = reconciled if not wrong else valid
    if not follows:
        ready = (Truth.FALSE, *ready[1:])
    return tuple(
        Condition(
            type=type_, status=status, reason=reason, message=said, observed_generation=generation
        )
        for type_, (status, reason, said) in (
            ("Valid", valid),
            ("Reconciled", reconciled),
            ("Ready", ready),
        )
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
