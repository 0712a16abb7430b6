"""Plans for what says who is told: providers and policies. Pure."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from kubekuma.model.meta import Key, Truth
from kubekuma.model.policy import Policy, PolicyStatus, ProviderRef
from kubekuma.model.provider import Provider
from kubekuma.model.reach import selector
from kubekuma.reconcile.outcome import NOT_ATTEMPTED, Outcome, Said, refused
from kubekuma.reconcile.world import World, count, in_force

NOT_SENT: Final = Said(
    Truth.FALSE, "NotImplemented", "this version watches and records, and sends no messages yet"
)


def plan_provider(provider: Provider, world: World, _: datetime) -> Outcome:
    """Plan for a provider: only KubeKuma's own namespace may lend one to others."""
    away = provider.meta.key.namespace != world.home
    forbidden = None
    if away and provider.spec.allowed_namespaces:
        said = f"spec.allowedNamespaces: must be empty outside of the namespace {world.home}"
        forbidden = refused("ForbiddenNamespace", said)
    return Outcome(reconciled=NOT_ATTEMPTED if forbidden else NOT_SENT, forbidden=forbidden)


def plan_policy(policy: Policy, world: World, _: datetime) -> Outcome:
    """Plan for a policy: which of its providers can be told, and of how many monitors."""
    routes, namespace = policy.spec.routing.providers, policy.meta.key.namespace
    missing = [*_missing(policy, world)]
    reachable = sum(_why_not(each.ref, namespace, world) is None for each in routes)
    status = PolicyStatus(
        providers_resolved=reachable,
        monitor_count=count(world.monitors, selector(policy.spec.match, namespace, world.home)),
    )
    reconciled = NOT_SENT
    if missing:
        reconciled = refused("ProviderMissing", "; ".join(missing))
    return Outcome(reconciled=reconciled, status=status)


def provider_key(ref: ProviderRef, namespace: str) -> Key:
    """Which provider ``ref`` names in a resource of ``namespace``."""
    return Key(ref.namespace or namespace, ref.name)


def _missing(policy: Policy, world: World) -> Iterator[str]:
    spec = policy.spec
    refs = {
        f"spec.routing.providers[{i}].ref": it.ref for i, it in enumerate(spec.routing.providers)
    }
    if spec.fallback is not None:
        refs["spec.fallback"] = spec.fallback
    for path, ref in refs.items():
        why = _why_not(ref, policy.meta.key.namespace, world)
        if why is not None:
            yield f"{path}: {why}"


def _why_not(ref: ProviderRef, namespace: str, world: World) -> str | None:
    """Why a policy of ``namespace`` cannot tell the provider; None: it can."""
    key = provider_key(ref, namespace)
    if key.namespace not in {namespace, world.home}:
        return f"must be in the policy's own namespace or in {world.home}"
    provider = in_force(world.providers, key)
    if provider is None:
        return f"there is no valid NotificationProvider {key}"
    if key.namespace != namespace and not {namespace, "*"} & {*provider.spec.allowed_namespaces}:
        return f"NotificationProvider {key} does not allow the namespace {namespace}"
    if not provider.spec.enabled:
        return f"NotificationProvider {key} is switched off"
    return None
