"""What monitors refer to: missing, or leading back to themselves."""

from typing import Any

from support.world import HOME, Cluster, resource

from kubekuma.reconcile.references import refers, unmet

TCP: dict[str, Any] = {"type": "tcp", "target": {"tcp": {"host": "h", "port": 1}}}


def monitor(name: str, *parents: str, **more: Any) -> Any:
    refs = [{"name": parent} for parent in parents]
    return resource("Monitor", name, **TCP, dependsOn=refs, **more)


def why(cluster: Cluster, name: str) -> str | None:
    found = unmet(cluster.valid("Monitor", name), cluster.world)
    return None if found is None else found.reason


def test_parents_must_be_there() -> None:
    cluster = Cluster().put(monitor("web", "router"))
    assert why(cluster, "web") == "DependencyMissing"
    assert why(cluster.put(monitor("router")), "web") is None


def test_a_cycle_is_told_to_all_its_members_and_to_nobody_else() -> None:
    cluster = Cluster().put(
        monitor("a", "b"), monitor("b", "c"), monitor("c", "a"), monitor("d", "a")
    )
    assert [why(cluster, name) for name in "abcd"] == ["DependencyCycle"] * 3 + [None]


def test_a_policy_must_be_there() -> None:
    lent = {"policyRef": {"name": "p", "namespace": HOME}}
    cluster = Cluster().put(monitor("web", alerting=lent))
    assert why(cluster, "web") == "PolicyMissing"
    routing = {"providers": [{"ref": {"name": "hook"}}]}
    cluster.put(resource("NotificationPolicy", "p", HOME, routing=routing))
    assert why(cluster, "web") is None


def test_most_monitors_refer_to_nothing() -> None:
    cluster = Cluster().put(monitor("web"), monitor("db", "web"))
    assert not refers(cluster.valid("Monitor", "web"))
    assert refers(cluster.valid("Monitor", "db"))
