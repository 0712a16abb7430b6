"""Who is a member of a group: by name, by labels, over namespaces, and never the group itself."""

from typing import Any

import pytest
from support.world import HOME, Cluster, resource

from kubekuma.reconcile.members import is_member, members
from kubekuma.reconcile.references import refers, unmet

TCP: dict[str, Any] = {"type": "tcp", "target": {"tcp": {"host": "h", "port": 1}}}


def single(name: str, namespace: str = "shop", **labels: str) -> Any:
    return resource("Monitor", name, namespace, labels=labels, **TCP)


def group(name: str, *names: str, namespace: str = "shop", **labels: str) -> Any:
    target = {"members": [{"name": each} for each in names]} if names else {"selector": labels}
    spec: dict[str, Any] = {"type": "group", "target": {"group": target}}
    return resource("Monitor", name, namespace, **spec)


def found(cluster: Cluster, name: str, namespace: str = "shop") -> list[str]:
    it = cluster.valid("Monitor", name, namespace)
    return sorted(str(key) for key in members(it, cluster.world))


def why(cluster: Cluster, name: str) -> str | None:
    it = cluster.valid("Monitor", name)
    assert refers(it)
    said = unmet(it, cluster.world)
    return None if said is None else said.reason


def test_by_name_they_need_not_be_there() -> None:
    cluster = Cluster().put(group("all", "a", "b"), single("a"))
    assert found(cluster, "all") == ["shop/a", "shop/b"]
    assert why(cluster, "all") == "MemberMissing"
    assert why(cluster.put(single("b")), "all") is None


def test_by_labels_all_of_them_must_be_there() -> None:
    cluster = Cluster().put(
        group("all", app="web", tier="front"),
        single("a", app="web", tier="front", more="x"),
        single("b", app="web"),
        single("c", "other", app="web", tier="front"),
    )
    assert found(cluster, "all") == ["shop/a"]
    assert why(cluster, "all") is None
    assert why(cluster.put(group("none", app="nobody")), "none") == "MemberMissing"


def test_from_our_own_namespace_every_one_is_reached() -> None:
    cluster = Cluster().put(
        group("all", namespace=HOME, app="web"), single("a", app="web"), single("b", "x", app="web")
    )
    assert found(cluster, "all", HOME) == ["shop/a", "x/b"]


def test_items_of_sets_are_members_too() -> None:
    items = [{"name": "a", "labels": {"app": "web"}, "spec": TCP}]
    cluster = Cluster().put(
        group("all", app="web"), resource("MonitorSet", "sites", "shop", items=items)
    )
    assert found(cluster, "all") == ["shop/sites.a"]


def test_groups_may_be_members_but_not_of_themselves() -> None:
    cluster = Cluster().put(
        group("top", "left", "right", "leaf"),
        group("left", "leaf"),
        group("right", "top", "leaf"),
        single("leaf"),
    )
    assert found(cluster, "left") == ["shop/leaf"]
    assert found(cluster, "top") == ["shop/leaf", "shop/left"]
    assert found(cluster, "right") == ["shop/leaf"]
    assert [why(cluster, name) for name in ("top", "left", "right")] == [
        "MemberCycle",
        None,
        "MemberCycle",
    ]


def test_a_group_that_selects_itself_leaves_itself_out() -> None:
    itself = resource(
        "Monitor",
        "all",
        labels={"app": "web"},
        type="group",
        target={"group": {"selector": {"app": "web"}}},
    )
    cluster = Cluster().put(itself, single("a", app="web"))
    assert found(cluster, "all") == ["shop/a"]
    assert why(cluster, "all") is None


@pytest.mark.parametrize("by_name", [True, False])
def test_membership_of_one_is_what_the_whole_list_says(by_name: bool) -> None:
    names = ("a", "c") if by_name else ()
    cluster = Cluster().put(
        group("all", *names, app="web"), single("a", app="web"), single("b"), single("c", app="web")
    )
    it = cluster.valid("Monitor", "all")
    one_by_one = [
        f"shop/{name}"
        for name in "abc"
        if is_member(cluster.valid("Monitor", name), it, cluster.world.home)
    ]
    assert one_by_one == found(cluster, "all") == ["shop/a", "shop/c"]
