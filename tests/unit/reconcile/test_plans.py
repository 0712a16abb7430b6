"""What becomes of everything that is not a monitor."""

from typing import Any

import pytest
from build import START, at
from support.world import HOME, Cluster, resource

from kubekuma.model.meta import Condition, Key, Truth
from kubekuma.model.state import MonitorState, Standing, Verdict
from kubekuma.reconcile.outcome import Outcome
from kubekuma.reconcile.registry import PLANNERS
from kubekuma.validate.decode import encoded

TCP: dict[str, Any] = {"type": "tcp", "target": {"tcp": {"host": "h", "port": 1}}}
HOOK: dict[str, Any] = {
    "type": "webhook",
    "config": {"webhook": {"url": "https://hooks.example.org/"}},
}
HASH = {"name": "alice", "key": "hash"}
HOOK_AT = ("NotificationProvider", "hook")
BODY = "spec.config.webhook.bodyTemplate"


def plan(
    cluster: Cluster, kind: str, name: str, namespace: str = "shop", seconds: float = 0
) -> Any:
    return PLANNERS[kind](cluster.valid(kind, name, namespace), cluster.world, at(seconds))


def status(outcome: Outcome) -> dict[str, Any]:
    said: dict[str, Any] = encoded(outcome.status)
    return said


def said(outcome: Outcome) -> str:
    told = outcome.forbidden or outcome.reconciled
    return f"{told.reason}: {told.message}"


def monitors(cluster: Cluster) -> Cluster:
    return cluster.put(
        resource("Monitor", "web", labels={"env": "prod"}, **TCP, tags=["a"]),
        resource("Monitor", "db", labels={"env": "test"}, **TCP),
        resource("Monitor", "web", "blog", labels={"env": "prod"}, **TCP),
    )


# Policies and providers ---------------------------------------------------------------------------


def policy(name: str = "p", namespace: str = "shop", ref: Any = None, **more: Any) -> Any:
    routing = {"providers": [{"ref": ref or {"name": "hook"}}]}
    return resource("NotificationPolicy", name, namespace, routing=routing, **more)


def test_a_policy_reaches_its_own_namespace_and_that_of_kubekuma_reaches_all() -> None:
    cluster = monitors(Cluster()).put(policy(), policy("p", HOME))
    assert status(plan(cluster, "NotificationPolicy", "p"))["monitorCount"] == 2
    assert status(plan(cluster, "NotificationPolicy", "p", HOME))["monitorCount"] == 3


def test_a_policy_selects_by_all_that_it_says() -> None:
    match = {
        "labels": {"matchExpressions": [{"key": "env", "operator": "NotIn", "values": ["test"]}]},
        "names": [{"name": "w*"}],
    }
    cluster = monitors(Cluster()).put(policy("p", HOME, match=match))
    assert status(plan(cluster, "NotificationPolicy", "p", HOME))["monitorCount"] == 2
    cluster.put(policy("p", HOME, generation=2, match={**match, "tags": ["a", "b"]}))
    assert status(plan(cluster, "NotificationPolicy", "p", HOME))["monitorCount"] == 1


def test_a_policy_without_its_provider_says_which() -> None:
    cluster = Cluster().put(policy())
    found = plan(cluster, "NotificationPolicy", "p")
    assert said(found) == (
        "ProviderMissing: spec.routing.providers[0].ref:"
        " there is no valid NotificationProvider shop/hook"
    )
    assert status(found)["providersResolved"] == 0
    cluster.put(resource("NotificationProvider", "hook", **HOOK))
    found = plan(cluster, "NotificationPolicy", "p")
    assert found.reconciled.reason == "InForce"
    assert status(found)["providersResolved"] == 1
    cluster.put(resource("NotificationProvider", "hook", generation=2, **HOOK, enabled=False))
    assert "is switched off" in said(plan(cluster, "NotificationPolicy", "p"))


def test_a_bad_template_is_told_and_ends_nothing() -> None:
    formatting = {"titleTemplate": "{{ titel }}", "bodyTemplate": "{{ title }}\n{% if title %}"}
    cluster = Cluster().put(policy(formatting=formatting), resource(*HOOK_AT, **HOOK))
    assert said(plan(cluster, "NotificationPolicy", "p")) == (
        "BadTemplate: in force, with the default texts:"
        " spec.formatting.titleTemplate: line 1, column 4: there is no titel: is title meant?;"
        " spec.formatting.bodyTemplate: line 2, column 1: this if needs an endif"
    )
    cluster.put(policy(generation=2, formatting={"titleTemplate": "{{ monitor.name }}"}))
    assert plan(cluster, "NotificationPolicy", "p").reconciled.reason == "InForce"


@pytest.mark.parametrize(
    ("template", "wrong"),
    [
        ('{"text": {{ text | json }}, "tags": {{ monitor.tags | json }}}', ""),
        ('{"text": "{{ text }}"}', "must make JSON of any text: put what is in quotes through"),
        ('{"text": {{ txt }}}', "line 1, column 13: there is no txt: is text meant?"),
    ],
)
def test_the_body_of_a_webhook_must_be_what_its_content_type_says(
    template: str, wrong: str
) -> None:
    config = {"webhook": {"url": "https://h/", "bodyTemplate": template}}
    cluster = Cluster().put(resource(*HOOK_AT, type="webhook", config=config))
    found = plan(cluster, "NotificationProvider", "hook")
    expected = f"BadTemplate: in force, with the default texts: {BODY}: {wrong}"
    assert said(found).startswith(expected if wrong else "InForce")
    plain = {"webhook": {**config["webhook"], "contentType": "text/plain"}}
    cluster.put(resource(*HOOK_AT, generation=2, type="webhook", config=plain))
    found = plan(cluster, "NotificationProvider", "hook")
    assert (found.reconciled.reason == "BadTemplate") is wrong.startswith("line")


@pytest.mark.parametrize(
    ("allowed", "why"),
    [
        ([], "does not allow the namespace shop"),
        (["blog"], "does not allow the namespace shop"),
        (["shop"], ""),
        (["*"], ""),
    ],
)
def test_kubekuma_lends_providers_to_whom_it_wants(allowed: list[str], why: str) -> None:
    cluster = Cluster().put(
        policy(ref={"name": "hook", "namespace": HOME}),
        resource("NotificationProvider", "hook", HOME, **HOOK, allowedNamespaces=allowed),
    )
    found = plan(cluster, "NotificationPolicy", "p")
    assert status(found)["providersResolved"] == (0 if why else 1)
    assert why in said(found)


def test_nobody_else_lends_providers() -> None:
    cluster = Cluster().put(
        policy(ref={"name": "hook", "namespace": "blog"}),
        resource("NotificationProvider", "hook", "blog", **HOOK, allowedNamespaces=["*"]),
    )
    found = plan(cluster, "NotificationPolicy", "p")
    assert "must be in the policy's own namespace or in monitoring" in said(found)
    lender = plan(cluster, "NotificationProvider", "hook", "blog")
    assert said(lender).startswith("ForbiddenNamespace: spec.allowedNamespaces: must be empty")


def test_settings_name_providers_that_are_there() -> None:
    told = resource("KubeKumaSettings", "kubekuma", "", alerting={"systemProviderRefs": ["ops"]})
    cluster = Cluster().put(told)
    assert said(plan(cluster, "KubeKumaSettings", "kubekuma", "")).startswith("ProviderMissing")
    cluster.put(resource("NotificationProvider", "ops", HOME, **HOOK))
    assert said(plan(cluster, "KubeKumaSettings", "kubekuma", "")).startswith("InForce")


# Windows and silences -----------------------------------------------------------------------------


def window(**more: Any) -> Any:
    return resource("MaintenanceWindow", "w", title="Work", match={}, **more)


DAILY: dict[str, Any] = {
    "start": "2026-01-01T02:00:00Z",
    "end": "2026-01-01T04:00:00Z",
    "recurrence": {"rrule": "FREQ=DAILY;COUNT=3"},
    "exdates": ["2026-01-02T02:00:00Z"],
}
HOUR = 3600


@pytest.mark.parametrize(
    ("hours", "active", "following", "again"),
    [
        (0, False, "2026-01-01T02:00:00Z", 2 * HOUR),
        (2, True, "2026-01-03T02:00:00Z", 2 * HOUR),
        (4, False, "2026-01-03T02:00:00Z", 25 * HOUR - 1),
        (51, True, None, HOUR),
        (52, False, None, None),
    ],
)
def test_a_window_is_active_when_its_schedule_says(
    hours: int, active: bool, following: str | None, again: float | None
) -> None:
    found = plan(
        Cluster().put(window(schedule=DAILY)), "MaintenanceWindow", "w", seconds=hours * HOUR
    )
    assert status(found)["isActive"] is active
    assert status(found).get("nextOccurrence") == following
    assert found.again_seconds == (None if again is None else again + 1)


def test_a_window_without_schedule_is_active_while_enabled() -> None:
    cluster = monitors(Cluster()).put(window())
    assert status(plan(cluster, "MaintenanceWindow", "w")) == {"isActive": True, "monitorCount": 2}
    cluster.put(window(generation=2, enabled=False))
    found = plan(cluster, "MaintenanceWindow", "w")
    assert status(found)["isActive"] is False
    assert found.reconciled.reason == "Disabled"


@pytest.mark.parametrize(
    ("up_since", "minutes", "active", "why"),
    [
        # Nothing was down: the work has not begun in earnest.
        ([0, 0], 1000, True, "Active"),
        ([0, 3000], 59, True, "Active"),
        ([0, 3000], 60, False, "EndedEarly"),
        ([None, 3000], 1000, True, "Active"),
    ],
)
def test_a_window_may_end_once_all_its_monitors_are_up_again(
    up_since: list[float | None], minutes: float, *, active: bool, why: str
) -> None:
    cluster = monitors(Cluster())
    for name, seconds in zip(("web", "db"), up_since, strict=True):
        verdict = Verdict.DOWN if seconds is None else Verdict.UP
        cluster.states[Key("shop", name)] = MonitorState(
            standing=Standing(verdict=verdict, since=at(seconds or 0))
        )
    schedule = {"start": "2026-01-01T00:30:00Z", "end": "2026-01-03T00:00:00Z"}
    cluster.put(window(schedule=schedule, endWhenUpMinutes=60))
    found = plan(cluster, "MaintenanceWindow", "w", seconds=3000 + minutes * 60)
    assert (status(found)["isActive"], found.reconciled.reason) == (active, why)
    assert (found.holds is not None) is active
    assert found.again_seconds is not None


def test_a_window_names_pages_that_are_there() -> None:
    cluster = Cluster().put(window(pages=["shop"]))
    assert said(plan(cluster, "MaintenanceWindow", "w")) == (
        "PageMissing: spec.pages[0]: there is no valid StatusPage shop"
    )


@pytest.mark.parametrize(
    ("hours", "active", "left", "again"),
    [
        (-1, False, "2d", HOUR),
        (0, True, "2d", 24 * HOUR),
        (47, True, "1h", HOUR),
        (47.5, True, "<1h", HOUR / 2),
        (48, False, None, None),
    ],
)
def test_a_silence_holds_from_its_start_to_its_end(
    hours: float, active: bool, left: str | None, again: float | None
) -> None:
    quiet = resource(
        "Silence",
        "s",
        match={"types": ["tcp"]},
        startsAt="2026-01-01T00:00:00Z",
        expiresAt="2026-01-03T00:00:00Z",
    )
    cluster = monitors(Cluster()).put(quiet)
    found = plan(cluster, "Silence", "s", seconds=hours * HOUR)
    said_now = status(found)
    assert said_now["isActive"] is active
    assert said_now.get("expiresIn") == left
    assert said_now["affectedCount"] == 2
    assert found.again_seconds == (None if again is None else again + 1)


def test_a_silence_without_start_holds_from_its_creation() -> None:
    quiet = resource("Silence", "s", match={}, expiresAt="2026-01-03T00:00:00Z")
    found = plan(Cluster().put(quiet), "Silence", "s")
    assert status(found)["isActive"] is True


# Pages --------------------------------------------------------------------------------------------


def page(name: str, slug: str = "shop", namespace: str = "shop", **more: Any) -> Any:
    return resource("StatusPage", name, namespace, slug=slug, title="Shop", **more)


def test_of_two_pages_with_one_slug_the_older_is_served() -> None:
    cluster = Cluster().put(
        page("young", created="2026-01-02T00:00:00Z"),
        page("old", namespace="blog"),
    )
    assert plan(cluster, "StatusPage", "old", "blog").forbidden is None
    taken = plan(cluster, "StatusPage", "young")
    assert said(taken) == "SlugTaken: spec.slug: shop is that of blog/old"
    assert taken.reconciled.status is Truth.UNKNOWN


def test_a_page_shows_what_is_within_reach() -> None:
    groups = [
        {
            "name": "all",
            "monitors": [
                {"ref": {"name": "web"}},
                {"selector": {"matchLabels": {"env": "prod"}}},
                {"ref": {"name": "web", "namespace": "blog"}},
                {"ref": {"name": "gone"}},
            ],
        }
    ]
    cluster = monitors(Cluster()).put(page("p", groups=groups))
    found = plan(cluster, "StatusPage", "p")
    assert status(found)["monitorCount"] == 1
    assert said(found) == (
        "MonitorMissing: spec.groups[0].monitors[2].ref: must be in the page's own namespace;"
        " spec.groups[0].monitors[3].ref: there is no valid Monitor shop/gone"
    )
    cluster.put(page("p", "all", HOME, groups=groups))
    assert status(plan(cluster, "StatusPage", "p", HOME))["monitorCount"] == 2


# People -------------------------------------------------------------------------------------------


def user(name: str = "alice", namespace: str = HOME, **more: Any) -> Any:
    return resource(
        "LocalUser", name, namespace, passwordHashSecretRef=HASH, **{"username": "alice", **more}
    )


def key(namespace: str = HOME, **more: Any) -> Any:
    return resource(
        "ApiKey",
        "k",
        namespace,
        ownerRef={"name": "alice"},
        keyHashSecretRef=HASH,
        scopes=["monitors:read"],
        **more,
    )


@pytest.mark.parametrize("kind", ["LocalUser", "ApiKey"])
def test_accounts_count_in_kubekumas_namespace_alone(kind: str) -> None:
    cluster = Cluster().put(user("alice", "shop"), key("shop"))
    name = {"LocalUser": "alice", "ApiKey": "k"}[kind]
    found = plan(cluster, kind, name)
    assert said(found) == "ForbiddenNamespace: metadata.namespace: must be monitoring"
    assert found.reconciled.status is Truth.UNKNOWN


def test_a_user_name_belongs_to_the_older_account() -> None:
    cluster = Cluster().put(user("bob", created="2026-01-02T00:00:00Z"), user())
    taken = plan(cluster, "LocalUser", "bob", HOME)
    assert said(taken) == "UsernameTaken: spec.username: is that of LocalUser alice"
    assert plan(cluster, "LocalUser", "alice", HOME).forbidden is None


def test_a_second_factor_counts_once_it_is_set_up() -> None:
    cluster = Cluster().put(user(mfa={"totpSecretRef": HASH}))
    assert status(plan(cluster, "LocalUser", "alice", HOME)) == {"mfaEnabled": True}
    cluster.put(user(generation=2, mfa={"mode": "disabled", "totpSecretRef": HASH}))
    assert status(plan(cluster, "LocalUser", "alice", HOME)) == {"mfaEnabled": False}


def test_a_key_needs_its_owner_and_ends() -> None:
    cluster = Cluster().put(key(expiresAt="2026-01-01T01:00:00Z"))
    assert said(plan(cluster, "ApiKey", "k", HOME)).startswith("OwnerMissing")
    cluster.put(user())
    found = plan(cluster, "ApiKey", "k", HOME)
    assert found.reconciled.reason == "NotImplemented"
    assert found.again_seconds == HOUR + 1
    assert plan(cluster, "ApiKey", "k", HOME, seconds=HOUR).reconciled.reason == "Expired"


# Sets ---------------------------------------------------------------------------------------------


def sites(*items: Any, **more: Any) -> Any:
    return resource("MonitorSet", "sites", defaults=TCP, items=list(items), **more)


READY = (Condition(type="Ready", status=Truth.TRUE, reason="Scheduled"),)


def test_a_set_counts_what_is_right_and_names_what_is_not_well() -> None:
    wrong = {"name": "bad", "spec": {"schedule": {"intervalSeconds": 0}}}
    cluster = Cluster().put(sites({"name": "a"}, {"name": "b"}, wrong))
    for name, verdict in (("a", Verdict.UP), ("b", Verdict.DOWN)):
        cluster.items[Key("shop", f"sites.{name}")] = READY
        state = MonitorState(standing=Standing(verdict=verdict, since=START))
        cluster.states[Key("shop", f"sites.{name}")] = state
    found = plan(cluster, "MonitorSet", "sites")
    assert said(found).startswith("InvalidItems: 1 of 3 items are wrong, 2 go on; the first, bad:")
    assert status(found)["validCount"] == 2
    assert status(found)["invalidCount"] == 1
    assert [(it["name"], it["ready"], it["state"]) for it in status(found)["itemStatuses"]] == [
        ("b", True, "down"),
        ("bad", False, "pending"),
    ]


def test_a_monitor_of_its_own_wins_over_an_item() -> None:
    cluster = Cluster().put(sites({"name": "a"}), resource("Monitor", "sites.a", **TCP))
    found = plan(cluster, "MonitorSet", "sites")
    assert "NameTaken: there is a Monitor sites.a, which wins" in said(found)


def test_a_set_is_ready_once_all_its_items_are() -> None:
    cluster = Cluster().put(sites({"name": "a"}, {"name": "b"}))
    cluster.items[Key("shop", "sites.a")] = READY
    found = plan(cluster, "MonitorSet", "sites")
    assert said(found).startswith("ItemsNotReady: 1 of 2 items are not in force")
    cluster.items[Key("shop", "sites.b")] = READY
    assert plan(cluster, "MonitorSet", "sites").reconciled.status is Truth.TRUE
