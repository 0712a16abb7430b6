"""Who bears witness that our own network works: as the settings say, or whoever there is."""

from collections.abc import Callable, Sequence
from typing import Final

import attrs

from kubekuma.check.scopes import Scope, scope_of
from kubekuma.check.sight import Witness
from kubekuma.check.system_resolver import system_addresses
from kubekuma.kit.gateways import gateways
from kubekuma.model.provider import Provider
from kubekuma.model.provider_hosts import provider_hosts
from kubekuma.model.settings import ConnectivityScope, SettingsSpec
from kubekuma.validate.seen import Objects, all_in_force

# Resolvers listen there, gateways often do, and whoever does not refuses.
DNS_PORT: Final = 53
# One messenger alone may be what failed.
LEAST_PROVIDERS: Final = 2


@attrs.frozen
class Witnesses:
    """Finds the witnesses of a scope, as of now."""

    settings: Callable[[], SettingsSpec]
    providers: Objects[Provider]

    def __call__(self, scope: Scope) -> Sequence[Witness]:
        """Return the settings' targets, or else those that nobody had to name."""
        connectivity = self.settings().scheduler.connectivity
        match scope:
            case Scope.INTERNET:
                return _chosen(connectivity.internet, self._messengers)
            case Scope.LOCAL:
                return _chosen(connectivity.local, _neighbours)

    def _messengers(self) -> Sequence[str]:
        specs = (each.spec for each in all_in_force(self.providers))
        hosts = provider_hosts(spec.config_in_use for spec in specs if spec.enabled)
        return hosts if len(hosts) >= LEAST_PROVIDERS else ()


def _chosen(settings: ConnectivityScope, others: Callable[[], Sequence[str]]) -> Sequence[Witness]:
    if settings.targets:
        return [Witness(each) for each in settings.targets]
    return [Witness(each, named=False) for each in others()]


def _neighbours() -> Sequence[str]:
    """The default gateways, and the resolvers that are nearby but not on this machine."""
    near = (each for each in system_addresses() if scope_of(each) is Scope.LOCAL)
    found = dict.fromkeys((*gateways(), *near))
    return [f"[{each}]:{DNS_PORT}" if ":" in each else f"{each}:{DNS_PORT}" for each in found]
