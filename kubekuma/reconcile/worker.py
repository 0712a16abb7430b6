"""Carries out plans, one key at a time."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final, TypeAlias

import attrs

from kubekuma.model.kinds import MONITOR, SETTINGS
from kubekuma.model.meta import Condition, Key, ObjectMeta, SecretKeyRef, Truth
from kubekuma.model.monitor import Monitor, MonitorSpec
from kubekuma.model.order import Plan as Order
from kubekuma.model.settings import Settings, SettingsSpec
from kubekuma.reconcile.plan import Facts, Plan, plan_monitor, plan_settings
from kubekuma.validate.declared import parts_of
from kubekuma.validate.seen import Objects, Seen

# A Secret that is missing may come; one that is there may go.
SECRETS_AGAIN_SECONDS: Final = 60.0

GetSecret: TypeAlias = Callable[[str, SecretKeyRef], Awaitable[bytes | None]]


@attrs.frozen(kw_only=True)
class Verdicts:
    """Conditions of one object that are to be written."""

    kind: str
    meta: ObjectMeta
    generation: int
    conditions: tuple[Condition, ...]
    before: Mapping[str, Condition]


@attrs.frozen(kw_only=True)
class Effects:
    """Everything that a reconcile may touch outside its own plan."""

    monitors: Objects[Monitor]
    settings: Objects[Settings]
    running: dict[Key, Monitor]  # what is checked; read by others
    secret: GetSecret
    missing_checker: Callable[[MonitorSpec], str | None]
    order: Callable[[Order], Awaitable[None]]
    publish: Callable[[Verdicts], None]
    settings_changed: Callable[[SettingsSpec], bool]
    health: Callable[[], tuple[Condition, ...]]
    again_after: Callable[[str, Key, float], None]
    now: Callable[[], datetime]


async def reconcile_monitor(key: Key, world: Effects) -> None:
    """Bring the agenda and the conditions of ``key`` in line with its spec.

    Safe to repeat at any time. Errors propagate: the work queue turns them
    into a delayed retry of this key alone.
    """
    seen = world.monitors.get(key)
    latest, valid = (seen.latest, seen.valid) if seen is not None else (None, None)
    facts = Facts(
        settings=settings_in_force(world.settings),
        missing_checker=world.missing_checker(valid.spec) if valid is not None else None,
        missing_secrets=await _missing_secrets(valid, world),
        now=world.now(),
    )
    plan = plan_monitor(key, latest, valid, facts, running=world.running.get(key))
    await _run(key, plan, world)
    if facts.missing_secrets or (valid is not None and any(True for _ in _refs(valid))):
        world.again_after(MONITOR.name, key, SECRETS_AGAIN_SECONDS)
    if seen is not None:
        world.publish(_verdicts(MONITOR.name, seen, plan.generation, plan.conditions))


async def reconcile_settings(key: Key, world: Effects) -> None:
    """Put the settings in force, and look at every monitor under them."""
    seen = world.settings.get(key)
    if world.settings_changed(settings_in_force(world.settings)):
        for each in tuple(world.monitors.keys()):
            world.again_after(MONITOR.name, each, 0.0)
    if seen is not None:
        generation = seen.latest.meta.generation
        conditions = (*plan_settings(seen.latest), *world.health())
        world.publish(_verdicts(SETTINGS.name, seen, generation, conditions))


def settings_in_force(settings: Objects[Settings]) -> SettingsSpec:
    """The last valid settings, or the defaults."""
    seen = settings.get(Key("", str(SETTINGS.only_name)))
    if seen is None or seen.valid is None:
        return _DEFAULTS
    return seen.valid.spec


_DEFAULTS: Final = SettingsSpec()


async def _run(key: Key, plan: Plan, world: Effects) -> None:
    if plan.running is None:
        world.running.pop(key, None)
    else:
        world.running[key] = plan.running
    await world.order(plan.order)


async def _missing_secrets(monitor: Monitor | None, world: Effects) -> tuple[str, ...]:
    if monitor is None:
        return ()
    refs = {(ref.name, ref.key): ref for ref in _refs(monitor)}
    namespace = monitor.meta.key.namespace
    missing = [ref for ref in refs.values() if await world.secret(namespace, ref) is None]
    return tuple(f"Secret {ref.name} with a key {ref.key}" for ref in missing)


def _refs(monitor: Monitor) -> Iterator[SecretKeyRef]:
    return (part for _, part in parts_of(monitor.spec) if isinstance(part, SecretKeyRef))


def _verdicts(
    kind: str, seen: Seen[Any], generation: int, conditions: tuple[Condition, ...]
) -> Verdicts:
    return Verdicts(
        kind=kind,
        meta=seen.latest.meta,
        generation=generation,
        conditions=conditions,
        before={each.type: each for each in seen.conditions},
    )


def became_invalid(verdicts: Verdicts) -> Condition | None:
    """The condition that says so, if the object was not known to be invalid before."""
    valid = next((each for each in verdicts.conditions if each.type == "Valid"), None)
    if valid is None or valid.status is not Truth.FALSE:
        return None
    before = verdicts.before.get("Valid")
    return None if before is not None and before.status is Truth.FALSE else valid
