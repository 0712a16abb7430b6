"""Who is told of a monitor: policies walked by priority, or the default providers. Pure."""

from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta
from typing import Final

import attrs

from kubekuma.model.meta import Key
from kubekuma.model.monitor import Monitor
from kubekuma.model.policy import ActiveTime, Dedupe, Formatting, Happening, Policy
from kubekuma.model.provider import KEYED, Provider, ProviderType
from kubekuma.model.reach import reaches, selector
from kubekuma.validate.lending import provider_key, why_not
from kubekuma.validate.seen import Objects, all_in_force, in_force

DEFAULT_WAIT: Final = timedelta(seconds=10)
PLAIN: Final = Formatting()
_TRIGGERS: Final[Mapping[Happening, str]] = {
    Happening.DOWN: "on_down",
    Happening.UP: "on_up",
    Happening.FLAPPING: "on_flapping",
    Happening.DEGRADED: "on_degraded",
    Happening.CERT_EXPIRING: "on_cert_expiring",
    Happening.UNKNOWN: "on_unknown",
    Happening.BUDGET_BURN: "on_budget_burn",
}


@attrs.frozen(kw_only=True)
class Directory:
    """The policies and providers that there are; ``home`` is KubeKuma's own namespace."""

    home: str
    policies: Objects[Policy]
    providers: Objects[Provider]


@attrs.frozen(kw_only=True)
class Way:
    """One policy's word that a provider is told: how long after the verdict, in which hours."""

    after: timedelta = timedelta(0)
    hours: tuple[ActiveTime, ...] = ()  # none: at any


@attrs.frozen(kw_only=True)
class Route:
    """One provider that is told. ``policy`` is the first that says so; None: it is a default.

    ``group`` names whom its messages are put together with, and ``every`` is
    how long the next of them waits then. ``apart`` is how long the policy wants
    to hear of no other outage.
    """

    provider: Key
    policy: Key | None
    is_keyed: bool = False  # has an alert of its own for each outage
    takes_anything: bool = False  # hears also of what is no alert
    ways: tuple[Way, ...] = (Way(),)
    wait: timedelta = timedelta(0)  # for more messages, to put them together
    group: str = ""
    every: timedelta = timedelta(0)
    apart: timedelta = timedelta(0)
    resend: timedelta | None = None
    dedupe: Dedupe | None = None
    fallback: Key | None = None
    formatting: Formatting = PLAIN


def routes(monitor: Monitor, happening: Happening, directory: Directory) -> tuple[Route, ...]:
    """Every provider that is told of ``happening``, each once, in the first policy's manner.

    It is told as soon as any of them says.
    """
    if not _wanted(monitor, happening):
        return ()
    chosen = [*_policies(monitor, directory)]
    if not chosen:
        return tuple(_defaults(monitor, directory))
    found: dict[Key, Route] = {}
    for policy in chosen:
        if not getattr(policy.spec.triggers, _TRIGGERS.get(happening, ""), True):
            continue
        for route in _of_policy(policy, monitor, happening, directory):
            first = found.get(route.provider)
            ways = (*first.ways, *route.ways) if first is not None else route.ways
            found[route.provider] = attrs.evolve(first or route, ways=ways)
    return tuple(found.values())


def _wanted(monitor: Monitor, happening: Happening) -> bool:
    notify_on = monitor.spec.alerting.notify_on
    match happening:
        case Happening.DOWN:
            return notify_on.down
        case Happening.UP:
            return notify_on.up
        case Happening.FLAPPING:
            return notify_on.flapping
        case Happening.DEGRADED:
            return notify_on.degraded
        case Happening.CERT_EXPIRING:
            return notify_on.cert_expiring
        case Happening.UNKNOWN:
            return notify_on.unknown_after_minutes > 0
        case Happening.BUDGET_BURN:
            return monitor.spec.slo is not None and monitor.spec.slo.alert_on_burn
        case Happening.ACKNOWLEDGED | Happening.MAINTENANCE:
            return True


def _policies(monitor: Monitor, directory: Directory) -> Iterator[Policy]:
    """The one that the monitor names, or those of its namespace and of ours that select it."""
    own = monitor.meta.key.namespace
    ref = monitor.spec.alerting.policy_ref
    if ref is not None:
        named = in_force(directory.policies, Key(ref.namespace or own, ref.name))
        # One that is not there is as if none were named: nobody is left without word.
        if named is not None:
            yield named
            return
    for namespace in dict.fromkeys((own, directory.home)):
        yield from _walk(monitor, namespace, directory)


def _walk(monitor: Monitor, namespace: str, directory: Directory) -> Iterator[Policy]:
    within = [it for it in all_in_force(directory.policies) if it.meta.key.namespace == namespace]
    for policy in sorted(within, key=lambda it: (-it.spec.priority, it.meta.key.name)):
        if selector(policy.spec.match, namespace, directory.home)(monitor):
            yield policy
            if policy.spec.routing.stop_after_match:
                return


def _of_policy(
    policy: Policy, monitor: Monitor, happening: Happening, directory: Directory
) -> Iterator[Route]:
    namespace, routing = policy.meta.key.namespace, policy.spec.routing
    minutes = monitor.spec.alerting.resend_interval_minutes
    if routing.resend is not None:
        minutes = routing.resend.resend_interval_minutes
    for each in routing.providers:
        if each.events is not None and happening not in each.events:
            continue
        if why_not(each.ref, namespace, directory.providers, directory.home) is not None:
            continue
        key = provider_key(each.ref, namespace)
        is_keyed = _is_of(KEYED, key, directory)
        limit = routing.rate_limit
        yield Route(
            provider=key,
            policy=policy.meta.key,
            is_keyed=is_keyed,
            takes_anything=_is_of({ProviderType.WEBHOOK}, key, directory),
            ways=(Way(after=timedelta(minutes=each.after_minutes), hours=routing.active_times),),
            wait=timedelta(seconds=0 if is_keyed else routing.group.wait_seconds),
            group="" if is_keyed else _group(policy, monitor),
            every=timedelta(seconds=routing.group.interval_seconds),
            apart=timedelta(minutes=limit.min_minutes_between_alerts if limit else 0),
            resend=timedelta(minutes=minutes) if minutes else None,
            dedupe=routing.dedupe,
            fallback=_fallback(policy, directory),
            formatting=policy.spec.formatting,
        )


def _is_of(types: Collection[ProviderType], key: Key, directory: Directory) -> bool:
    provider = in_force(directory.providers, key)
    return provider is not None and provider.spec.type in types


def _group(policy: Policy, monitor: Monitor) -> str:
    """What those have in common whose messages go together; empty: they stay apart."""
    shared = [f"{by}={_common(by, monitor)}" for by in policy.spec.routing.group.by]
    return " ".join([str(policy.meta.key), *shared]) if shared else ""


def _common(by: str, monitor: Monitor) -> str:
    match by:
        case "namespace":
            return monitor.meta.key.namespace
        case "tag":
            return ",".join(sorted(monitor.spec.tags))
        case _:
            return monitor.meta.labels.get(by.removeprefix("label:"), "")


def _fallback(policy: Policy, directory: Directory) -> Key | None:
    ref, namespace = policy.spec.fallback, policy.meta.key.namespace
    if ref is None or why_not(ref, namespace, directory.providers, directory.home) is not None:
        return None
    return provider_key(ref, namespace)


def _defaults(monitor: Monitor, directory: Directory) -> Iterator[Route]:
    own, minutes = monitor.meta.key.namespace, monitor.spec.alerting.resend_interval_minutes
    for provider in sorted(all_in_force(directory.providers), key=lambda it: it.meta.key):
        spec, key = provider.spec, provider.meta.key
        if spec.enabled and spec.default and reaches(key.namespace, own, directory.home):
            is_keyed = _is_of(KEYED, key, directory)
            yield Route(
                provider=key,
                policy=None,
                is_keyed=is_keyed,
                takes_anything=_is_of({ProviderType.WEBHOOK}, key, directory),
                wait=timedelta(0) if is_keyed else DEFAULT_WAIT,
                resend=timedelta(minutes=minutes) if minutes else None,
            )
