"""What roles and bindings allow: one row for each way in which a rule can fit or not."""

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import pytest

from kubekuma.standalone.policy import POLICY, RBAC
from kubekuma.standalone.rbac import (
    Action,
    Granted,
    Policies,
    User,
    allows,
    forbidden_action,
    granted,
)

ANN = User(name="ann", groups=("makers", "system:authenticated"))
STATUS_REFUSED = (
    'things.g "a" is forbidden: User "ann" cannot get resource "things/status" in API group "g" '
    'in the namespace "here"'
)
LIST_REFUSED = (
    'things is forbidden: User "ann" cannot list resource "things" in API group "" at the cluster '
    "scope"
)
STARS = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
GET = Action(verb="get", group="g", resource="things", namespace="here", name="a")


def rule(**changes: Sequence[str]) -> dict[str, Sequence[str]]:
    return {"verbs": ["get"], "apiGroups": ["g"], "resources": ["things"], **changes}


@pytest.mark.parametrize(
    ("given", "action", "allowed"),
    [
        (rule(), {}, True),
        (rule(), {"verb": "list"}, False),
        (rule(), {"group": ""}, False),
        (rule(), {"resource": "others"}, False),
        (rule(verbs=["*"]), {"verb": "frobnicate"}, True),
        (rule(apiGroups=["*"]), {"group": "other"}, True),
        (rule(resources=["*"]), {"resource": "others"}, True),
        (rule(resources=["*"]), {"subresource": "status"}, True),
        (rule(), {"subresource": "status"}, False),
        (rule(resources=["things/status"]), {"subresource": "status"}, True),
        (rule(resources=["things/status"]), {}, False),
        (rule(resources=["*/status"]), {"subresource": "status"}, True),
        (rule(resources=["*/status"]), {"subresource": "scale"}, False),
        (rule(resources=["things/*"]), {"subresource": "status"}, False),
        (rule(resourceNames=["a"]), {}, True),
        (rule(resourceNames=["b"]), {}, False),
        (rule(resourceNames=["a"]), {"name": ""}, False),
        (rule(resourceNames=[]), {"name": ""}, True),
        ({"verbs": ["get"]}, {}, False),
        ({"verbs": ["*"], "nonResourceURLs": ["*"]}, {}, False),
        (STARS, {"resource": "", "path": "/x"}, False),
        ({"verbs": ["get"], "nonResourceURLs": ["/x"]}, {"resource": "", "path": "/x"}, True),
        ({"verbs": ["get"], "nonResourceURLs": ["/x"]}, {"resource": "", "path": "/x/y"}, False),
        ({"verbs": ["get"], "nonResourceURLs": ["/x/*"]}, {"resource": "", "path": "/x/y"}, True),
        ({"verbs": ["get"], "nonResourceURLs": ["/x/*"]}, {"resource": "", "path": "/x"}, False),
        ({"verbs": ["put"], "nonResourceURLs": ["*"]}, {"resource": "", "path": "/x"}, False),
    ],
)  # fmt: skip
def test_a_rule_fits_or_it_does_not(
    given: Mapping[str, Any], action: Mapping[str, str], allowed: bool
) -> None:
    asked = attrs.evolve(GET, **action)
    assert allows([given], asked) is allowed


def test_two_rules_do_not_add_up_to_one() -> None:
    assert not allows([rule(resources=["others"]), rule(verbs=["list"])], GET)


def role(name: str, *rules: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    metadata = {"name": name, **more.pop("metadata", {})}
    return {"kind": "ClusterRole", "metadata": metadata, "rules": [*rules], **more}


def bound(name: str, *subjects: Mapping[str, str], kind: str = "ClusterRole") -> dict[str, Any]:
    reference = {"apiGroup": RBAC, "kind": kind, "name": name}
    return {"metadata": {"name": "b"}, "roleRef": reference, "subjects": [*subjects]}


def inside(namespace: str, value: dict[str, Any]) -> dict[str, Any]:
    return {**value, "metadata": {**value["metadata"], "namespace": namespace}}


def policies(
    *cluster_roles: dict[str, Any],
    everywhere: Sequence[Mapping[str, Any]] = (),
    here: Sequence[dict[str, Any]] = (),
    roles: Mapping[str, Mapping[str, Any]] | None = None,
) -> Policies:
    return Policies(
        roles={("here", name): each for name, each in (roles or {}).items()},
        role_bindings=[inside("here", each) for each in here],
        cluster_roles={each["metadata"]["name"]: each for each in cluster_roles},
        cluster_role_bindings=everywhere,
    )


@pytest.mark.parametrize(
    ("subject", "user", "fits"),
    [
        ({"kind": "User", "name": "ann"}, ANN, True),
        ({"kind": "User", "name": "bob"}, ANN, False),
        ({"kind": "Group", "name": "makers"}, ANN, True),
        ({"kind": "Group", "name": "ann"}, ANN, False),
        ({"kind": "User", "name": "makers"}, ANN, False),
        ({"kind": "ServiceAccount", "name": "ann"}, ANN, False),
        (
            {"kind": "ServiceAccount", "name": "r", "namespace": "there"},
            User(name="system:serviceaccount:there:r"),
            True,
        ),
        # Without a namespace it is one in that of the binding.
        (
            {"kind": "ServiceAccount", "name": "r"},
            User(name="system:serviceaccount:here:r"),
            True,
        ),
        ({"kind": "ServiceAccount", "name": "r"}, User(name="system:serviceaccount:x:r"), False),
        ({"kind": "Robot", "name": "ann"}, ANN, False),
    ],
)
def test_a_subject_is_who_is_meant(subject: dict[str, str], user: User, fits: bool) -> None:
    known = policies(role("r", rule()), here=[bound("r", subject)])
    assert bool(granted(known, user, "here").rules) is fits


def test_a_binding_holds_in_its_namespace_or_everywhere() -> None:
    ann = {"kind": "User", "name": "ann"}
    here = policies(role("r", rule()), here=[bound("r", ann)])
    assert granted(here, ANN, "here").rules == (rule(),)
    assert granted(here, ANN, "there").rules == ()
    assert granted(here, ANN, "").rules == ()
    everywhere = policies(role("r", rule()), everywhere=[bound("r", ann)])
    for namespace in ("here", "there", ""):
        assert granted(everywhere, ANN, namespace).rules == (rule(),)
    own = policies(roles={"r": role("r", rule())}, here=[bound("r", ann, kind="Role")])
    assert granted(own, ANN, "here").rules == (rule(),)


def test_who_is_bound_to_what_is_not_there_is_told_so() -> None:
    ann = {"kind": "User", "name": "ann"}
    known = policies(everywhere=[bound("x", ann), bound("y", ann)], here=[bound("x", ann)])
    found = granted(known, ANN, "here")
    assert found.rules == ()
    error = forbidden_action(ANN, GET, found)
    missing = [f'clusterrole.{RBAC} "{name}" not found' for name in "xy"]
    assert error.message.endswith(f": RBAC: [{missing[0]}, {missing[1]}]")
    one = forbidden_action(ANN, GET, Granted(rules=(), missing=(missing[0],)))
    assert one.message.endswith(f": RBAC: {missing[0]}")


def labelled(**labels: str) -> dict[str, Any]:
    return {"labels": labels}


@pytest.mark.parametrize(
    ("selector", "taken"),
    [
        ({"matchLabels": {"to": "view"}}, "ab"),
        ({"matchLabels": {"to": "view", "x": "1"}}, "b"),
        ({"matchExpressions": [{"key": "x", "operator": "Exists"}]}, "b"),
        ({"matchExpressions": [{"key": "to", "operator": "DoesNotExist"}]}, "c"),
        ({"matchExpressions": [{"key": "to", "operator": "In", "values": ["view"]}]}, "ab"),
        ({"matchExpressions": [{"key": "x", "operator": "NotIn", "values": ["1"]}]}, "ac"),
        ({}, "abc"),
    ],
)
def test_a_role_takes_in_those_that_it_selects(selector: dict[str, Any], taken: str) -> None:
    parts = (
        role("a", rule(verbs=["a"]), metadata=labelled(to="view")),
        role("b", rule(verbs=["b"]), metadata=labelled(to="view", x="1")),
        role("c", rule(verbs=["c"])),
    )
    whole = role("whole", aggregationRule={"clusterRoleSelectors": [selector]})
    known = policies(*parts, whole, everywhere=[bound("whole", {"kind": "User", "name": "ann"})])
    assert "".join(each["verbs"][0] for each in granted(known, ANN, "").rules) == taken


def test_roles_that_take_each_other_in_come_to_an_end() -> None:
    selector = {"clusterRoleSelectors": [{"matchLabels": {"x": "1"}}]}
    first = role("first", metadata=labelled(x="1"), aggregationRule=selector)
    second = role("second", metadata=labelled(x="1"), aggregationRule=selector)
    plain = role("plain", rule(), metadata=labelled(x="1"))
    ann = [bound("first", {"kind": "User", "name": "ann"})]
    found = granted(policies(first, second, plain, everywhere=ann), ANN, "")
    assert set(map(str, found.rules)) == {str(rule())}


@pytest.mark.parametrize(
    ("changes", "message", "details"),
    [
        (
            {"subresource": "status"},
            STATUS_REFUSED,
            {"name": "a", "group": "g", "kind": "things"},
        ),
        (
            {"group": "", "namespace": "", "name": "", "verb": "list"},
            LIST_REFUSED,
            {"kind": "things"},
        ),
        (
            {"resource": "", "path": "/metrics"},
            'forbidden: User "ann" cannot get path "/metrics"',
            {},
        ),
    ],
)
def test_a_refusal_says_who_may_not_do_what(
    changes: dict[str, str], message: str, details: dict[str, str]
) -> None:
    action = attrs.evolve(GET, **changes)
    error = forbidden_action(ANN, action, Granted(rules=()))
    assert (error.code, error.reason, error.message) == (403, "Forbidden", message)
    assert error.details == details


def test_the_roles_of_the_start_say_who_may_do_what() -> None:
    by_kind = {
        kind: [each for each in POLICY if each["kind"] == kind]
        for kind in ("ClusterRole", "ClusterRoleBinding")
    }
    people = [bound(name, {"kind": "User", "name": name}) for name in ("admin", "edit", "view")]
    known = policies(*by_kind["ClusterRole"], everywhere=by_kind["ClusterRoleBinding"], here=people)

    def may(user: str, verb: str, what: str, group: str = "") -> bool:
        found = granted(known, User(name=user, groups=("system:authenticated",)), "here")
        return allows(
            found.rules, Action(verb=verb, group=group, resource=what, namespace="here", name="x")
        )

    def who(*asked: str) -> set[str]:
        return {user for user in ("admin", "edit", "view", "other") if may(user, *asked)}

    assert who("get", "pods") == {"admin", "edit", "view"}
    assert who("get", "secrets") == {"admin", "edit"}
    assert who("create", "roles", RBAC) == {"admin"}
    assert who("get", "monitors", "monitoring.kubekuma.io") == set()
    assert may("x", "create", "selfsubjectaccessreviews", "authorization.k8s.io")
    nobody = User(name="system:anonymous", groups=("system:unauthenticated",))
    rules = granted(known, nobody, "").rules
    assert allows(rules, Action(verb="get", path="/version"))
    assert not allows(rules, Action(verb="get", path="/api"))
