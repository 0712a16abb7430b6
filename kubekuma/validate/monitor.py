"""Rules for Monitors that no part of them can tell alone."""

from collections.abc import Iterator, Sequence
from typing import Final

from kubekuma.model.criteria import SuccessCriteria
from kubekuma.model.meta import STATE
from kubekuma.model.monitor import Monitor, MonitorSpec, MonitorType
from kubekuma.model.settings import SettingsSpec
from kubekuma.validate.classes import part_rules
from kubekuma.validate.rule import FieldError, below

_OF_CONNECTIONS: Final = ("connected", "latencyMs", "peer", "certificateDays")
_STATES: Final = ("up", "degraded", "down")
_OF_HTTP: Final = ("status", "body", "header.", "json(", "length(", *_OF_CONNECTIONS)
_OF_COUNTS: Final = ("output", "json(", *_OF_CONNECTIONS)
# What ``expect`` can be about, by the target that a check looks at; others are not told yet.
_VALUES: Final = {
    "http": _OF_HTTP,
    "tcp": ("output", *_OF_CONNECTIONS),
    "docker": _OF_COUNTS,
    "rabbitmq": _OF_COUNTS,
    "kafka": _OF_COUNTS,
    "scenario": _OF_CONNECTIONS,
}


def monitor_rules(monitor: Monitor) -> Iterator[FieldError]:
    """Everything that is wrong with ``monitor``, whatever the settings say."""
    spec = monitor.spec
    yield from part_rules(spec)
    yield from (below("spec", error) for error in _known_value(spec))
    yield from _set_by_hand(monitor)
    for index, ref in enumerate(spec.depends_on):
        if (ref.namespace or monitor.meta.key.namespace, ref.name) == monitor.meta.key:
            yield FieldError(f"spec.dependsOn[{index}]", "must not be the monitor itself")


def _set_by_hand(monitor: Monitor) -> Iterator[FieldError]:
    state = monitor.meta.annotations.get(STATE)
    if monitor.spec.type is MonitorType.MANUAL and state not in {None, *_STATES}:
        yield FieldError(f"metadata.annotations[{STATE}]", f"must be one of {', '.join(_STATES)}")


def monitor_under(spec: MonitorSpec, settings: SettingsSpec) -> Iterator[FieldError]:
    """What of ``spec`` is wrong under these settings."""
    least = settings.scheduler.min_interval_seconds
    if spec.schedule.interval_seconds < least:
        yield FieldError(
            "spec.schedule.intervalSeconds",
            f"must be at least {least}, the settings' scheduler.minIntervalSeconds",
        )


def _known_value(spec: MonitorSpec) -> Iterator[FieldError]:
    known = _VALUES.get(spec.type.target_field)
    if known is not None:
        yield from _unknown_values(spec.success_criteria, known, f"when type is {spec.type}")
    if spec.type is not MonitorType.SCENARIO or spec.target.scenario is None:
        return
    for index, step in enumerate(spec.target.scenario.steps):
        for error in _unknown_values(step.success_criteria, _OF_HTTP, "in a step"):
            yield below(f"target.scenario.steps[{index}]", error)


def _unknown_values(
    criteria: SuccessCriteria, known: Sequence[str], when: str
) -> Iterator[FieldError]:
    for index, expected in enumerate(criteria.expect):
        if not expected.value.startswith(tuple(known)):
            said = f"must be one of {', '.join(map(_completed, known))} {when}"
            yield FieldError(f"successCriteria.expect[{index}].value", said)


def _completed(start: str) -> str:
    return start + {".": "<name>", "(": "<path>)"}.get(start[-1], "")
