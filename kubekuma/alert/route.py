"""Who is told of a monitor: policies walked by priority, or the default providers. Pure."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import Final, TypeAlias

import attrs

from kubekuma.model.meta import Key
from kubekuma.model.monitor import Monitor
from kubekuma.model.policy import ActiveTime, Dedupe, Formatting, Happening, Policy
from kubekuma.model.provider import KEYED, Provider, ProviderType
from kubekuma.model.reach import Selects, reaches, selector
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


_Walk: TypeAlias = tuple[tuple[Policy, Selects], ...]


@attrs.frozen(kw_only=True)
class Directory:
    """The policies and providers that there are; ``home`` is KubeKuma's own namespace.

    It is good until one of them changes, and then there is to be another one.
    """

    home: str
    policies: Objects[Policy]
    providers: Objects[Provider]
    # By whom a monitor was selected, as that monitor was.
    _chosen: dict[Key, tuple[Monitor, tuple[Policy, ...]]] = attrs.field(factory=dict, init=False)

    def chosen(self, monitor: Monitor) -> tuple[Policy, ...]:
        """The policies that there are for ``monitor``, in order; asked several times in a row."""
        key = monitor.meta.key
        of, found = self._chosen.get(key, (None, ()))
        if of is not monitor:
            found = tuple(_policies(monitor, self))
            self._chosen[key] = (monitor, found)
        return found

    def keeps_alerts(self, provider: Key) -> bool:
        """Whether it has alerts that are opened and closed, and is no mere receiver of events."""
        return _is_of(KEYED - {ProviderType.WEBHOOK}, provider, self)

    @cached_property
    def walks(self) -> Mapping[str, _Walk]:
        """The policies of each namespace in order, with whom each selects."""
        within: dict[str, list[Policy]] = {}
        for policy in all_in_force(self.policies):
            within.setdefault(policy.meta.key.namespace, []).append(policy)
        return {
            namespace: tuple(
                (policy, selector(policy.spec.match, namespace, self.home))
                for policy in sorted(found, key=lambda it: (-it.spec.priority, it.meta.key.name))
            )
            for namespace, found in within.items()
        }

    @cached_property
    def defaults(self) -> tuple[Provider, ...]:
        """Who is told of whatever no policy selects."""
        found = (it for it in all_in_force(self.providers) if it.spec.enabled and it.spec.default)
        return tuple(sorted(found, key=lambda it: it.meta.key))


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
    chosen = directory.chosen(monitor)
    if not chosen:
        return tuple(_defaults(monitor, directory))
    told: dict[Key, tuple[Policy, list[Way]]] = {}
    for policy in chosen:
        if not getattr(policy.spec.triggers, _TRIGGERS.get(happening, ""), True):
            continue
        for key, way in _of_policy(policy, happening, directory):
            _, ways = told.setdefault(key, (policy, []))
            ways.append(way)
    return tuple(
        _route(key, policy, ways, monitor, directory) for key, (policy, ways) in told.items()
    )


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
    for policy, selects in directory.walks.get(namespace, ()):
        if selects(monitor):
            yield policy
            if policy.spec.routing.stop_after_match:
                return


def _of_policy(
    policy: Policy, happening: Happening, directory: Directory
) -> Iterator[tuple[Key, Way]]:
    namespace, routing = policy.meta.key.namespace, policy.spec.routing
    for each in routing.providers:
        if each.events is not None and happening not in each.events:
            continue
        if why_not(each.ref, namespace, directory.providers, directory.home) is None:
            after = timedelta(minutes=each.after_minutes)
            yield provider_key(each.ref, namespace), Way(after=after, hours=routing.active_times)


def _route(
    key: Key, policy: Policy, ways: Sequence[Way], monitor: Monitor, directory: Directory
) -> Route:
    routing, is_keyed = policy.spec.routing, _is_of(KEYED, key, directory)
    minutes = monitor.spec.alerting.resend_interval_minutes
    if routing.resend is not None:
        minutes = routing.resend.resend_interval_minutes
    limit = routing.rate_limit
    return Route(
        provider=key,
        policy=policy.meta.key,
        is_keyed=is_keyed,
        ways=tuple(ways),
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
    for provider in directory.defaults:
        key = provider.meta.key
        if reaches(key.namespace, own, directory.home):
            is_keyed = _is_of(KEYED, key, directory)
            yield Route(
                provider=key,
                policy=None,
                is_keyed=is_keyed,
                wait=timedelta(0) if is_keyed else DEFAULT_WAIT,
                resend=timedelta(minutes=minutes) if minutes else None,
            )
