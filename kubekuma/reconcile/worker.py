"""Carries out plans, one key at a time."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final, TypeAlias

import attrs

from kubekuma.model.kinds import MONITOR, SETTINGS, Kind
from kubekuma.model.meta import Condition, Key, ObjectMeta, SecretKeyRef, Truth
from kubekuma.model.monitor import Monitor, MonitorSpec
from kubekuma.model.order import Plan as Order
from kubekuma.model.reach import Selects
from kubekuma.model.settings import Settings, SettingsSpec
from kubekuma.reconcile.outcome import (
    NOT_ATTEMPTED,
    Outcome,
    condition,
    conditions,
    goes_on,
    invalid,
    secrets_missing,
)
from kubekuma.reconcile.plan import Facts, Plan, plan_monitor
from kubekuma.reconcile.references import refers, unmet
from kubekuma.reconcile.registry import FAIL_CLOSED, PLANNERS
from kubekuma.reconcile.world import World
from kubekuma.validate.declared import parts_of
from kubekuma.validate.decode import encoded
from kubekuma.validate.rule import Rejected
from kubekuma.validate.seen import Objects, Seen

# A Secret that is missing may come; one that is there may go. So may what a monitor refers to.
AGAIN_SECONDS: Final = 60.0

GetSecret: TypeAlias = Callable[[str, SecretKeyRef], Awaitable[bytes | None]]


@attrs.frozen(kw_only=True)
class Verdicts:
    """Conditions of one object, and what else its status says, that are to be written."""

    kind: str
    meta: ObjectMeta
    generation: int
    conditions: tuple[Condition, ...]
    before: Mapping[str, Condition]
    status: Mapping[str, Any] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Effects:
    """Everything that a reconcile may touch outside its own plan."""

    world: World
    running: dict[Key, Monitor]  # what is checked; read by others
    secret: GetSecret
    missing_checker: Callable[[MonitorSpec], str | None]
    order: Callable[[Order], Awaitable[None]]
    publish: Callable[[Verdicts], None]
    forget: Callable[[str, Key], None]
    # Over whom a window or silence lies now, and since when it waits for each to be up again.
    holds: Callable[[str, Key, Selects | None, datetime | None], None]
    settings_changed: Callable[[SettingsSpec], bool]
    health: Callable[[], tuple[Condition, ...]]
    again_after: Callable[[str, Key, float], None]
    now: Callable[[], datetime]


async def reconcile_monitor(key: Key, effects: Effects) -> None:
    """Bring the agenda and the conditions of ``key`` in line with its spec.

    Safe to repeat at any time. Errors propagate: the work queue turns them
    into a delayed retry of this key alone.
    """
    world = effects.world
    seen = world.monitors.get(key)
    latest, valid = (seen.latest, seen.valid) if seen is not None else (None, None)
    facts = Facts(
        settings=settings_in_force(world.settings),
        missing_checker=effects.missing_checker(valid.spec) if valid is not None else None,
        missing_secrets=await _missing_secrets(valid, key.namespace, effects),
        unmet=unmet(valid, world) if valid is not None else None,
        home=world.home,
        now=effects.now(),
    )
    plan = plan_monitor(key, latest, valid, facts, running=effects.running.get(key))
    await _run(key, plan, effects)
    if valid is not None and (refers(valid) or any(True for _ in _refs(valid))):
        effects.again_after(MONITOR.name, key, AGAIN_SECONDS)
    if seen is None:
        effects.forget(MONITOR.name, key)
    else:
        effects.publish(_verdicts(MONITOR, seen, plan.conditions))


async def reconcile_settings(key: Key, effects: Effects) -> None:
    """Put the settings in force, and look at every monitor under them."""
    world = effects.world
    if effects.settings_changed(settings_in_force(world.settings)):
        for each in tuple(world.monitors.keys()):
            effects.again_after(MONITOR.name, each, 0.0)
    await reconcile_other(SETTINGS, world.settings, key, effects)


async def reconcile_other(kind: Kind, objects: Objects[Any], key: Key, effects: Effects) -> None:
    """Say what becomes of ``key``, which is neither scheduled nor changes what is.

    Safe to repeat at any time, as ``reconcile_monitor``.
    """
    seen = objects.get(key)
    if seen is None:
        effects.holds(kind.name, key, None, None)
        effects.forget(kind.name, key)
        return
    meta, said = seen.latest.meta, None
    if isinstance(seen.latest, Rejected):
        said = invalid(seen.latest.errors)
    outcome = Outcome(reconciled=NOT_ATTEMPTED)
    if seen.valid is not None and not (said and kind.name in FAIL_CLOSED):
        outcome = await _outcome(kind, seen.valid, effects)
    effects.holds(kind.name, key, outcome.holds, outcome.until_up)
    reconciled = outcome.reconciled
    if said is not None and seen.valid is not None and kind.name not in FAIL_CLOSED:
        reconciled = goes_on(seen.valid.meta)
    found = conditions(meta.generation, said or outcome.forbidden, reconciled)
    more = effects.health() if kind is SETTINGS else ()
    found = (*found, *(condition(type_, it, meta.generation) for type_, it in outcome.more))
    status = encoded(outcome.status) if outcome.status is not None else {}
    effects.publish(_verdicts(kind, seen, (*found, *more), status))
    if outcome.again_seconds is not None:
        effects.again_after(kind.name, key, outcome.again_seconds)


def settings_in_force(settings: Objects[Settings]) -> SettingsSpec:
    """The last valid settings, or the defaults."""
    seen = settings.get(Key("", str(SETTINGS.only_name)))
    if seen is None or seen.valid is None:
        return _DEFAULTS
    return seen.valid.spec


_DEFAULTS: Final = SettingsSpec()


async def _outcome(kind: Kind, valid: Any, effects: Effects) -> Outcome:
    world, key = effects.world, valid.meta.key
    outcome = PLANNERS[kind.name](valid, world, effects.now())
    if outcome.forbidden is not None:
        # Nobody's Secrets are read for it.
        return outcome
    missing = await _missing_secrets(valid, key.namespace or world.home, effects)
    if any(True for _ in _refs(valid)):
        effects.again_after(kind.name, key, AGAIN_SECONDS)
    return attrs.evolve(outcome, reconciled=secrets_missing(missing)) if missing else outcome


async def _run(key: Key, plan: Plan, effects: Effects) -> None:
    if plan.running is None:
        effects.running.pop(key, None)
    else:
        effects.running[key] = plan.running
    await effects.order(plan.order)


async def _missing_secrets(valid: Any, namespace: str, effects: Effects) -> tuple[str, ...]:
    if valid is None:
        return ()
    refs = {(ref.name, ref.key): ref for ref in _refs(valid)}
    missing = [ref for ref in refs.values() if await effects.secret(namespace, ref) is None]
    return tuple(f"Secret {ref.name} with a key {ref.key}" for ref in missing)


def _refs(resource: Any) -> Iterator[SecretKeyRef]:
    return (part for _, part in parts_of(resource.spec) if isinstance(part, SecretKeyRef))


def _verdicts(
    kind: Kind,
    seen: Seen[Any],
    found: tuple[Condition, ...],
    status: Mapping[str, Any] | None = None,
) -> Verdicts:
    return Verdicts(
        kind=kind.name,
        meta=seen.latest.meta,
        generation=seen.latest.meta.generation,
        conditions=found,
        before={each.type: each for each in seen.conditions},
        status=status or {},
    )


def became_invalid(verdicts: Verdicts) -> Condition | None:
    """The condition that says so, if the object was not known to be invalid before."""
    valid = next((each for each in verdicts.conditions if each.type == "Valid"), None)
    if valid is None or valid.status is not Truth.FALSE:
        return None
    before = verdicts.before.get("Valid")
    return None if before is not None and before.status is Truth.FALSE else valid
