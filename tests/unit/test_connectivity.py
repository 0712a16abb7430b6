"""Who bears witness, as the settings and the resources are now."""

from typing import Any

import pytest
from support.world import HOME, Cluster, resource

from kubekuma.check.scopes import Scope
from kubekuma.check.sight import Witness
from kubekuma.connectivity import Witnesses
from kubekuma.model.settings import Connectivity, ConnectivityScope, Scheduler, SettingsSpec


def settings(**targets: tuple[str, ...]) -> SettingsSpec:
    scopes = {scope: ConnectivityScope(targets=them) for scope, them in targets.items()}
    return SettingsSpec(scheduler=Scheduler(connectivity=Connectivity(**scopes)))


def provider(cluster: Cluster, name: str, /, **spec: Any) -> None:
    cluster.put(resource("NotificationProvider", name, HOME, **spec))


def unnamed(*addresses: str) -> list[Witness]:
    return [Witness(each, named=False) for each in addresses]


def test_those_of_the_settings_are_named() -> None:
    spec = settings(internet=("9.9.9.9:443", "one.example:53"), local=("nas:445",))
    witnesses = Witnesses(lambda: spec, Cluster().world.providers)
    assert witnesses(Scope.INTERNET) == [Witness("9.9.9.9:443"), Witness("one.example:53")]
    assert witnesses(Scope.LOCAL) == [Witness("nas:445")]


def test_of_the_internet_messengers_speak_if_they_are_two() -> None:
    cluster = Cluster()
    witnesses = Witnesses(SettingsSpec, cluster.world.providers)
    ref = {"name": "s", "key": "k"}
    slack = {"slack": {"webhookUrlSecretRef": ref}}
    provider(cluster, "slack", type="slack", config=slack)
    provider(cluster, "slack-too", type="slack", config=slack)
    assert witnesses(Scope.INTERNET) == []
    ntfy = {"ntfy": {"topic": "t"}}
    provider(cluster, "ntfy", type="ntfy", config=ntfy, enabled=False)
    assert witnesses(Scope.INTERNET) == []
    provider(cluster, "ntfy", type="ntfy", config=ntfy, generation=2)
    assert witnesses(Scope.INTERNET) == unnamed("hooks.slack.com:443", "ntfy.sh:443")


def test_nearby_gateways_and_resolvers_speak(monkeypatch: pytest.MonkeyPatch) -> None:
    near = ("192.168.1.1", "fe80::1%eth0")
    monkeypatch.setattr("kubekuma.connectivity.gateways", lambda: near)
    # A resolver of this machine is always there, and a public one is somewhere else.
    asked = ("127.0.0.53", "9.9.9.9", "192.168.1.1", "10.96.0.10")
    monkeypatch.setattr("kubekuma.connectivity.system_addresses", lambda: asked)
    witnesses = Witnesses(SettingsSpec, Cluster().world.providers)
    assert witnesses(Scope.LOCAL) == unnamed("192.168.1.1:53", "[fe80::1%eth0]:53", "10.96.0.10:53")
