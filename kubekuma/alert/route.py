"""Who is told of a monitor: policies walked by priority, or the default providers. Pure."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Final

import attrs

from kubekuma.model.meta import Key
from kubekuma.model.monitor import Monitor
from kubekuma.model.policy import Formatting, Happening, Policy
from kubekuma.model.provider import Provider
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
class Route:
    """One provider that is told. ``policy`` is the first that says so; None: it is a default."""

    provider: Key
    policy: Key | None
    after: timedelta = timedelta(0)
    wait: timedelta = timedelta(0)  # for more messages, to put them together
    resend: timedelta | None = None
    formatting: Formatting = PLAIN


def routes(monitor: Monitor, happening: Happening, directory: Directory) -> tuple[Route, ...]:
    """Every provider that is told of ``happening``, each once: the earliest time counts."""
    if not _wanted(monitor, happening):
        return ()
    chosen = [*_policies(monitor, directory)]
    if not chosen:
        return tuple(_defaults(monitor, directory))
    found: dict[Key, Route] = {}
    for policy in chosen:
        if not getattr(policy.spec.triggers, _TRIGGERS[happening]):
            continue
        for route in _of_policy(policy, monitor, happening, directory):
            first = found.setdefault(route.provider, route)
            earliest = min(first.after, route.after)
            found[route.provider] = attrs.evolve(first, after=earliest)
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
        if why_not(each.ref, namespace, directory.providers, directory.home) is None:
            yield Route(
                provider=provider_key(each.ref, namespace),
                policy=policy.meta.key,
                after=timedelta(minutes=each.after_minutes),
                wait=timedelta(seconds=routing.group.wait_seconds),
                resend=timedelta(minutes=minutes) if minutes else None,
                formatting=policy.spec.formatting,
            )


def _defaults(monitor: Monitor, directory: Directory) -> Iterator[Route]:
    own, minutes = monitor.meta.key.namespace, monitor.spec.alerting.resend_interval_minutes
    for provider in sorted(all_in_force(directory.providers), key=lambda it: it.meta.key):
        spec, key = provider.spec, provider.meta.key
        if spec.enabled and spec.default and reaches(key.namespace, own, directory.home):
            resend = timedelta(minutes=minutes) if minutes else None
            yield Route(provider=key, policy=None, wait=DEFAULT_WAIT, resend=resend)
