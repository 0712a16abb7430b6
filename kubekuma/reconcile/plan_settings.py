"""Plans for the settings: whether what they name is there. Pure."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from kubekuma.model.meta import Key, Truth
from kubekuma.model.settings import Settings, SettingsSpec
from kubekuma.reconcile.outcome import Outcome, Said, refused
from kubekuma.reconcile.world import World
from kubekuma.validate.seen import in_force


def plan_settings(settings: Settings, world: World, _: datetime) -> Outcome:
    """Plan for the settings: all that they say holds, but providers may be missing."""
    missing = [
        name
        for name in settings.spec.alerting.system_provider_refs
        if in_force(world.providers, Key(world.home, name)) is None
    ]
    reconciled = Said(Truth.TRUE, "InForce")
    if missing:
        where = "spec.alerting.systemProviderRefs"
        named = ", ".join(missing)
        said = f"{where}: there is no valid NotificationProvider {named} in {world.home}"
        reconciled = refused("ProviderMissing", said)
    elif later := [path for path, value in _UNFOLLOWED.items() if value(settings.spec)]:
        said = f"in force, but for {', '.join(later)}: a later version does that"
        reconciled = refused("NotImplemented", said)
    return Outcome(reconciled=reconciled)


# What is accepted, and not followed yet.
_UNFOLLOWED: Final[Mapping[str, Callable[[SettingsSpec], Any]]] = {
    "spec.discovery": lambda it: it.discovery.enabled,
}
