"""Monitors of their own and items of sets, seen as one."""

from typing import Any

from support.world import Cluster, resource

from kubekuma.model.meta import Key
from kubekuma.model.monitor import Monitor
from kubekuma.validate.rule import Rejected

DEFAULTS: dict[str, Any] = {
    "type": "tcp",
    "target": {"tcp": {"host": "h", "port": 1}, "http": {"url": "http://h.example.org/"}},
    "tags": ["prod"],
    "schedule": {"intervalSeconds": 30, "retries": {"maxRetries": 2}},
}
A, B = Key("shop", "sites.a"), Key("shop", "sites.b")
WRONG: dict[str, Any] = {"schedule": {"intervalSeconds": 0}}


def sites(*items: Any, generation: int = 1, uid: str = "s", **more: Any) -> Any:
    head: dict[str, Any] = {"generation": generation, "uid": uid, **more}
    return resource("MonitorSet", "sites", defaults=DEFAULTS, items=list(items), **head)


def item(name: str, **spec: Any) -> dict[str, Any]:
    return {"name": name, "spec": spec}


def running(cluster: Cluster, key: Key) -> Monitor | None:
    seen = cluster.monitors.get(key)
    return None if seen is None else seen.valid


def test_an_item_says_only_what_differs() -> None:
    http = item("b", type="http", tags=[], schedule={"intervalSeconds": 60})
    labelled = {**item("a"), "labels": {"team": "x", "env": "test"}}
    cluster = Cluster().put(sites(labelled, http, labels={"env": "prod"}))
    a, b = running(cluster, A), running(cluster, B)
    assert a is not None
    assert b is not None
    assert a.spec.target_text == "h:1"
    assert a.spec.target.http is None
    assert (a.meta.labels, a.meta.origin) == ({"env": "test", "team": "x"}, Key("shop", "sites"))
    assert (a.spec.tags, b.spec.tags) == (("prod",), ())
    assert b.spec.target_text == "http://h.example.org/"
    assert (b.spec.schedule.interval_seconds, b.spec.schedule.retries.max_retries) == (60, 2)


def test_only_what_changed_is_looked_at_again() -> None:
    cluster = Cluster().put(sites(item("a"), item("b")))
    assert cluster.changed == [A, B]
    before = running(cluster, B)
    cluster.changed.clear()
    cluster.put(sites(item("a", displayName="A"), item("b"), generation=2))
    assert cluster.changed == [A]
    # The other one does not begin anew with the set's next generation.
    assert running(cluster, B) == before


def test_an_item_or_a_set_that_is_gone_is_gone() -> None:
    cluster = Cluster().put(sites(item("a"), item("b")))
    cluster.put(sites(item("b"), generation=2))
    assert set(cluster.monitors.keys()) == {B}
    cluster.caches["MonitorSet"].remove(Key("shop", "sites"))
    cluster.monitors.expand(Key("shop", "sites"))
    assert set(cluster.monitors.keys()) == set()
    assert cluster.changed[-1] == B


def test_one_bad_item_goes_on_as_it_was_and_spoils_no_other() -> None:
    cluster = Cluster().put(sites(item("a", displayName="A"), item("b")))
    cluster.put(sites(item("a", **WRONG), item("b", displayName="B"), generation=2))
    seen = cluster.monitors.get(A)
    assert seen is not None
    assert isinstance(seen.latest, Rejected)
    assert seen.valid is not None
    assert seen.valid.spec.display_name == "A"
    other = running(cluster, B)
    assert other is not None
    assert other.spec.display_name == "B"
    # Put right again, nothing is kept of it.
    assert cluster.kept[A]["spec"]["displayName"] == "A"
    cluster.put(sites(item("a"), item("b"), generation=3))
    assert cluster.kept[A] is None


def test_what_a_bad_item_was_survives_a_restart() -> None:
    cluster = Cluster().put(sites(item("a", displayName="A")))
    cluster.put(sites(item("a", **WRONG), generation=2))
    again = Cluster()
    again.monitors.seed([cluster.kept[A]])
    again.put(sites(item("a", **WRONG), generation=2))
    former = running(again, A)
    assert former is not None
    assert former.spec.display_name == "A"
    assert former.meta.origin == Key("shop", "sites")
    # Of another set with its name it is not.
    other = Cluster()
    other.monitors.seed([cluster.kept[A]])
    other.put(sites(item("a", **WRONG), uid="t"))
    assert running(other, A) is None


def test_an_invalid_set_leaves_its_items_running() -> None:
    cluster = Cluster().put(sites(item("a")))
    cluster.put(sites({"name": "No Name"}, generation=2))
    assert running(cluster, A) is not None


def test_a_monitor_of_its_own_wins() -> None:
    cluster = Cluster().put(sites(item("a"), item("b")))
    mine: dict[str, Any] = {"type": "manual", "target": {"manual": {}}}
    cluster.put(resource("Monitor", "sites.a", **mine))
    found = running(cluster, A)
    assert found is not None
    assert found.spec.type == "manual"
    assert set(cluster.monitors.keys()) == {A, B}
    assert len(cluster.monitors) == 2
    cluster.caches["Monitor"].remove(A)
    found = running(cluster, A)
    assert found is not None
    assert found.spec.type == "tcp"
