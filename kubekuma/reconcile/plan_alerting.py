"""Plans for what says who is told: providers and policies. Pure."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from kubekuma.model.meta import Truth
from kubekuma.model.monitor import AlertSeverity
from kubekuma.model.policy import Policy, PolicyStatus
from kubekuma.model.provider import PRIORITIES, Provider, ProviderSpec, ProviderStatus
from kubekuma.model.reach import selector
from kubekuma.reconcile.outcome import NOT_ATTEMPTED, Outcome, Said, refused
from kubekuma.reconcile.world import World, count
from kubekuma.validate.lending import why_not
from kubekuma.validate.rule import FieldError
from kubekuma.validate.templates import policy_templates, provider_templates

IN_FORCE: Final = Said(Truth.TRUE, "InForce")


def plan_provider(provider: Provider, world: World, _: datetime) -> Outcome:
    """Plan for a provider: only KubeKuma's own namespace may lend one to others."""
    away = provider.meta.key.namespace != world.home
    forbidden = None
    if away and provider.spec.allowed_namespaces:
        said = f"spec.allowedNamespaces: must be empty outside of the namespace {world.home}"
        forbidden = refused("ForbiddenNamespace", said)
    reconciled = IN_FORCE
    if (lacking := world.unsendable(provider.spec)) is not None:
        reconciled = refused("SenderUnavailable", f"nothing is sent to {lacking}")
    elif not provider.spec.enabled:
        reconciled = Said(Truth.TRUE, "Disabled", "spec.enabled is false")
    elif wrong := [*provider_templates(provider.spec)]:
        reconciled = _badly_worded(wrong)
    elif unknown := [*_unknown_priorities(provider.spec)]:
        said = f"in force, with the default ones: {'; '.join(unknown)}"
        reconciled = refused("BadPriority", said)
    status = ProviderStatus(**world.delivered(provider.meta.key))
    return Outcome(
        reconciled=NOT_ATTEMPTED if forbidden else reconciled,
        forbidden=forbidden,
        status=status,
        more=[("Delivering", _delivering(status))],
    )


def _delivering(status: ProviderStatus) -> Said:
    if status.is_healthy is None:
        return Said(Truth.UNKNOWN, "NothingSentYet")
    if status.is_healthy:
        return Said(Truth.TRUE, "Taken")
    return Said(Truth.FALSE, "NotTaken", status.last_error or "")


def plan_policy(policy: Policy, world: World, _: datetime) -> Outcome:
    """Plan for a policy: which of its providers can be told, and of how many monitors."""
    routes, namespace = policy.spec.routing.providers, policy.meta.key.namespace
    missing = [*_missing(policy, world)]
    reachable = sum(
        why_not(each.ref, namespace, world.providers, world.home) is None for each in routes
    )
    status = PolicyStatus(
        providers_resolved=reachable,
        monitor_count=count(world.monitors, selector(policy.spec.match, namespace, world.home)),
    )
    reconciled = IN_FORCE
    wrong = [*policy_templates(policy.spec)]
    if missing:
        reconciled = refused("ProviderMissing", "; ".join((*missing, *map(str, wrong))))
    elif wrong:
        reconciled = _badly_worded(wrong)
    return Outcome(reconciled=reconciled, status=status)


def _missing(policy: Policy, world: World) -> Iterator[str]:
    spec = policy.spec
    refs = {
        f"spec.routing.providers[{i}].ref": it.ref for i, it in enumerate(spec.routing.providers)
    }
    if spec.fallback is not None:
        refs["spec.fallback"] = spec.fallback
    for path, ref in refs.items():
        why = why_not(ref, policy.meta.key.namespace, world.providers, world.home)
        if why is not None:
            yield f"{path}: {why}"


def _badly_worded(wrong: Sequence[FieldError]) -> Said:
    said = "; ".join(map(str, wrong))
    return refused("BadTemplate", f"in force, with the default texts: {said}")


def _unknown_priorities(spec: ProviderSpec) -> Iterator[str]:
    known = PRIORITIES.get(spec.type, ())
    for severity in AlertSeverity:
        word = getattr(spec.priority_map, severity.value)
        if word is None or word in known:
            continue
        wanted = f"must be one of {', '.join(known)}" if known else f"{spec.type} has no priorities"
        yield f"spec.priorityMap.{severity}: {wanted}"
