"""Who is told: policies by priority and namespace, defaults, and what stops whom."""

from datetime import timedelta
from itertools import count
from typing import Any

from support.world import HOME, Cluster, resource

from kubekuma.alert.route import Directory, Route, routes
from kubekuma.model.policy import Happening

TCP: dict[str, Any] = {"type": "tcp", "target": {"tcp": {"host": "h", "port": 1}}}
HOOK: dict[str, Any] = {"type": "webhook", "config": {"webhook": {"url": "http://h/"}}}


def provider(name: str, namespace: str = "shop", **spec: Any) -> Any:
    return resource("NotificationProvider", name, namespace, **HOOK, **spec)


def policy(name: str, *providers: Any, namespace: str = "shop", **spec: Any) -> Any:
    routed = [each if isinstance(each, dict) else {"ref": {"name": each}} for each in providers]
    routing = {"providers": routed, **spec.pop("routing", {})}
    return resource("NotificationPolicy", name, namespace, routing=routing, **spec)


_generations = count(1)


def monitor(**spec: Any) -> Any:
    return resource("Monitor", "web", generation=next(_generations), **TCP, **spec)


def found(
    cluster: Cluster, happening: Happening = Happening.DOWN, **spec: Any
) -> tuple[Route, ...]:
    cluster.put(monitor(**spec))
    world = cluster.world
    directory = Directory(home=HOME, policies=world.policies, providers=world.providers)
    return routes(cluster.valid("Monitor", "web"), happening, directory)


def names(*args: Any, **more: Any) -> list[str]:
    return [str(each.provider) for each in found(*args, **more)]


def test_both_namespaces_are_walked_each_by_priority_and_name() -> None:
    cluster = Cluster().put(
        *(provider(each) for each in ("a", "b", "c")),
        provider("ours", HOME),
        policy("z", "a", priority=5),
        policy("y", "b"),
        policy("x", "c"),
        policy("all", "ours", namespace=HOME, priority=100),
    )
    assert names(cluster) == ["shop/a", "shop/c", "shop/b", "monitoring/ours"]


def test_a_policy_that_stops_ends_its_own_walk_alone() -> None:
    cluster = Cluster().put(
        provider("a"),
        provider("b"),
        provider("ours", HOME),
        policy("first", "a", priority=1, routing={"stopAfterMatch": True}),
        policy("second", "b"),
        policy("all", "ours", namespace=HOME),
    )
    assert names(cluster) == ["shop/a", "monitoring/ours"]


def test_of_two_policies_for_one_provider_the_first_formats_and_the_earliest_counts() -> None:
    late = {"ref": {"name": "a"}, "afterMinutes": 30}
    cluster = Cluster().put(provider("a"), policy("first", late, priority=1), policy("second", "a"))
    (route,) = found(cluster)
    assert route.policy is not None
    assert route.policy.name == "first"
    assert [way.after for way in route.ways] == [timedelta(minutes=30), timedelta(0)]


def test_who_is_not_selected_is_told_of_by_the_defaults_in_reach() -> None:
    cluster = Cluster().put(
        provider("own", default=True),
        provider("plain"),
        provider("off", default=True, enabled=False),
        provider("ours", HOME, default=True),
        provider("theirs", "blog", default=True),
        policy("others", "plain", match={"tags": ["other"]}),
    )
    assert names(cluster) == ["monitoring/ours", "shop/own"]
    cluster.put(policy("all", "plain"))
    assert names(cluster) == ["shop/plain"]


def test_the_policy_that_a_monitor_names_is_the_only_one_unless_it_is_not_there() -> None:
    cluster = Cluster().put(
        provider("a"), provider("b"), policy("one", "a"), policy("two", "b", match={"tags": ["x"]})
    )
    named = {"policyRef": {"name": "two"}}
    assert names(cluster, alerting=named) == ["shop/b"]
    assert names(cluster, alerting={"policyRef": {"name": "gone"}}) == ["shop/a"]


def test_what_is_told_is_what_monitor_policy_and_route_agree_on() -> None:
    only = {"ref": {"name": "a"}, "events": ["up"]}
    cluster = Cluster().put(provider("a"), policy("p", only))
    assert names(cluster) == []
    assert names(cluster, Happening.UP) == ["shop/a"]
    quiet = {"notifyOn": {"up": False}}
    assert names(cluster, Happening.UP, alerting=quiet) == []
    cluster.put(policy("p", "a", generation=2, triggers={"onDown": False}))
    assert names(cluster) == []
    assert names(cluster, Happening.FLAPPING) == ["shop/a"]


def test_providers_that_cannot_be_told_are_left_out() -> None:
    cluster = Cluster().put(
        provider("off", enabled=False),
        provider("ours", HOME),
        policy("p", "off", "gone", {"ref": {"name": "ours", "namespace": HOME}}),
    )
    assert names(cluster) == []
    cluster.put(provider("ours", HOME, generation=2, allowedNamespaces=["shop"]))
    assert names(cluster) == ["monitoring/ours"]


def test_reminders_are_the_policys_or_else_the_monitors() -> None:
    cluster = Cluster().put(provider("a"), policy("p", "a"))
    every = {"resendIntervalMinutes": 30}
    assert found(cluster)[0].resend is None
    assert found(cluster, alerting=every)[0].resend == timedelta(minutes=30)
    resend = {"resend": {"resendIntervalMinutes": 5}}
    cluster.put(policy("p", "a", generation=2, routing=resend))
    assert found(cluster, alerting=every)[0].resend == timedelta(minutes=5)


def test_what_a_policy_says_of_groups_limits_hours_and_fallback_goes_with_its_routes() -> None:
    routing: dict[str, Any] = {
        "group": {"by": ["namespace", "tag", "label:team"], "waitSeconds": 5},
        "rateLimit": {"minMinutesBetweenAlerts": 30},
        "activeTimes": [{"start": "08:00", "end": "18:00"}],
        "dedupe": {"key": "{{ reason }}"},
    }
    chat: dict[str, Any] = {
        "type": "slack",
        "config": {"slack": {"webhookUrlSecretRef": {"name": "s", "key": "u"}}},
    }
    cluster = Cluster().put(
        provider("hook"),
        resource("NotificationProvider", "chat", "shop", **chat),
        provider("mail"),
        policy("p", "chat", "hook", routing=routing, fallback={"name": "mail"}),
    )
    people, keyed = found(cluster, tags=["b", "a"])
    assert people.group == "shop/p namespace=shop tag=a,b label:team="
    assert (people.wait, people.every) == (timedelta(seconds=5), timedelta(seconds=60))
    # A pager has an alert of its own for each outage: it waits for nobody.
    assert (keyed.is_keyed, keyed.group, keyed.wait) == (True, "", timedelta(0))
    for route in (people, keyed):
        assert route.apart == timedelta(minutes=30)
        assert [hours.start for way in route.ways for hours in way.hours] == ["08:00"]
        assert route.fallback is not None
        assert (route.fallback.name, route.dedupe is not None) == ("mail", True)


def test_a_budget_is_told_of_only_where_there_is_one() -> None:
    cluster = Cluster().put(provider("a"), policy("p", "a"))
    assert names(cluster, Happening.BUDGET_BURN) == []
    assert names(cluster, Happening.BUDGET_BURN, slo={"objectivePercent": "99.9"}) == ["shop/a"]
    quiet = {"objectivePercent": "99.9", "alertOnBurn": False}
    assert names(cluster, Happening.BUDGET_BURN, slo=quiet) == []
