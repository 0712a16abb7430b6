"""What a monitor refers to: whether it may, and whether it is there. Pure."""

from collections.abc import Iterator

from kubekuma.model.meta import Key
from kubekuma.model.monitor import Monitor
from kubekuma.model.reach import reaches
from kubekuma.reconcile.members import is_in_cycle, members
from kubekuma.reconcile.outcome import Said, refused
from kubekuma.reconcile.world import World
from kubekuma.validate.rule import FieldError
from kubekuma.validate.seen import in_force


def out_of_reach(monitor: Monitor, home: str) -> Iterator[FieldError]:
    """What ``monitor`` must not refer to from where it is; ``home`` is KubeKuma's namespace."""
    own = monitor.meta.key.namespace
    for index, ref in enumerate(monitor.spec.depends_on):
        if not reaches(own, ref.namespace or own, home):
            path = f"spec.dependsOn[{index}].namespace"
            yield FieldError(path, f"must be {own}, the monitor's own")
    policy = monitor.spec.alerting.policy_ref
    if policy is not None and (policy.namespace or own) not in {own, home}:
        path = "spec.alerting.policyRef.namespace"
        yield FieldError(path, f"must be {own}, the monitor's own, or {home}")
    group = monitor.spec.target.group
    for index, member in enumerate((group.members or ()) if group is not None else ()):
        if not reaches(own, member.namespace or own, home):
            path = f"spec.target.group.members[{index}].namespace"
            yield FieldError(path, f"must be {own}, the monitor's own")


def refers(monitor: Monitor) -> bool:
    """Whether ``monitor`` refers to other resources at all."""
    spec = monitor.spec
    return (
        bool(spec.depends_on)
        or spec.alerting.policy_ref is not None
        or spec.target.group is not None
    )


def unmet(monitor: Monitor, world: World) -> Said | None:
    """What ``monitor`` refers to and is not there. It is checked all the same."""
    own, spec = monitor.meta.key.namespace, monitor.spec
    policy = spec.alerting.policy_ref
    if policy is not None:
        key = Key(policy.namespace or own, policy.name)
        if in_force(world.policies, key) is None:
            return refused(
                "PolicyMissing",
                f"spec.alerting.policyRef: there is no valid NotificationPolicy {key};"
                " every policy that selects the monitor tells of it",
            )
    missing = [str(key) for key in monitor.parents if in_force(world.monitors, key) is None]
    if missing:
        said = f"spec.dependsOn: there is no valid Monitor {', '.join(missing)}"
        return refused("DependencyMissing", said)
    if depends_on_itself(monitor, world):
        return refused(
            "DependencyCycle",
            "spec.dependsOn: leads back to the monitor itself, so that no outage is held back",
        )
    return _group_unmet(monitor, world)


def _group_unmet(monitor: Monitor, world: World) -> Said | None:
    target = monitor.spec.target.group
    if target is None:
        return None
    if is_in_cycle(monitor, world):
        return refused(
            "MemberCycle",
            "spec.target.group: leads back to the monitor itself; such members are left out",
        )
    found = [*members(monitor, world)]
    missing = [str(key) for key in found if in_force(world.monitors, key) is None]
    if missing:
        said = f"spec.target.group: there is no valid Monitor {', '.join(missing)}"
        return refused("MemberMissing", said)
    return None if found else refused("MemberMissing", "spec.target.group: selects no monitor")


def depends_on_itself(monitor: Monitor, world: World) -> bool:
    """Whether what ``monitor`` depends on leads back to it."""
    seen: set[Key] = set()
    waiting = [*monitor.parents]
    while waiting:
        key = waiting.pop()
        if key == monitor.meta.key:
            return True
        parent = None if key in seen else in_force(world.monitors, key)
        seen.add(key)
        if parent is not None:
            waiting += parent.parents
    return False
