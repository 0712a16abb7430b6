"""Who may do what: users, roles and bindings mean the same everywhere."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import httpx
import pytest
from support.clusters import APPLY, MERGE, Account, Cluster
from support.embedded import widget

pytestmark = pytest.mark.cluster

GROUP: Final = "rbac.authorization.k8s.io"
READ: Final = {
    "apiGroups": ["example.org"],
    "resources": ["widgets"],
    "verbs": ["get", "list", "watch"],
}


def path(cluster: Cluster, rest: str = "") -> str:
    return f"/apis/example.org/v1/namespaces/{cluster.namespace}/widgets{rest}"


def rule(*verbs: str, resource: str = "widgets", **more: Sequence[str]) -> dict[str, Sequence[str]]:
    return {"apiGroups": ["example.org"], "resources": [resource], "verbs": verbs, **more}


def refusal(answer: httpx.Response, code: int = 403) -> str:
    assert answer.status_code == code, answer.text
    status = answer.json()
    assert (status["kind"], status["code"]) == ("Status", code)
    return str(status["message"])


def binding(role: Mapping[str, str], name: str, *subjects: Mapping[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": GROUP, **role},
        "subjects": [*subjects],
    }


async def patch(account: Account, where: str, body: Any, kind: str = MERGE) -> httpx.Response:
    return await account.client.patch(
        where, content=json.dumps(body), headers={"content-type": kind}
    )


async def test_who_has_no_role_is_told_what_is_missing(cluster: Cluster) -> None:
    user = await cluster.user("ann")
    space = cluster.namespace
    assert refusal(await user.client.get(path(cluster))) == (
        'widgets.example.org is forbidden: User "ann" cannot list resource "widgets" in API group '
        f'"example.org" in the namespace "{space}"'
    )
    assert refusal(await user.client.get(path(cluster, "/a"))) == (
        'widgets.example.org "a" is forbidden: User "ann" cannot get resource "widgets" in API '
        f'group "example.org" in the namespace "{space}"'
    )
    everywhere = "/apis/example.org/v1/widgets"
    assert refusal(await user.client.get(everywhere, params={"watch": "true"})) == (
        'widgets.example.org is forbidden: User "ann" cannot watch resource "widgets" in API group '
        '"example.org" at the cluster scope'
    )
    assert refusal(await patch(user, path(cluster, "/a/status"), {})) == (
        'widgets.example.org "a" is forbidden: User "ann" cannot patch resource "widgets/status" '
        f'in API group "example.org" in the namespace "{space}"'
    )
    assert refusal(await user.client.get(f"/api/v1/namespaces/{space}")) == (
        f'namespaces "{space}" is forbidden: User "ann" cannot get resource "namespaces" in API '
        f'group "" in the namespace "{space}"'
    )
    # Nor is it told what there is.
    assert "cannot list" in refusal(await user.client.get("/apis/nowhere.org/v1/things"))
    metrics = await user.client.get("/metrics")
    assert refusal(metrics) == 'forbidden: User "ann" cannot get path "/metrics"'
    assert metrics.json()["details"] == {}


async def test_a_viewer_reads_and_an_author_writes(cluster: Cluster) -> None:
    viewer, author = await cluster.user("viewer"), await cluster.user("author")
    await cluster.grant(viewer, READ)
    await cluster.grant(author, READ, rule("create", "update", "patch", "delete"))
    await author.kubectl("apply", "-f", "-", stdin=widget("a"))
    await author.kubectl(
        "apply", "--server-side", "--force-conflicts", "-f", "-", stdin=widget("a")
    )
    assert "a" in await viewer.kubectl("get", "wd")
    refused = await viewer.kubectl.fails("delete", "wd", "a")
    assert 'User "viewer" cannot delete resource "widgets"' in refused
    refused = await viewer.kubectl.fails("apply", "-f", "-", stdin=widget("b"))
    assert 'cannot create resource "widgets"' in refused
    refused = await viewer.kubectl.fails("get", "wd", "-A")
    assert "at the cluster scope" in refused
    await author.kubectl("delete", "wd", "a")
    assert "deletecollection" in refusal(await author.client.delete(path(cluster)))


async def test_a_controller_writes_nothing_but_status(cluster: Cluster) -> None:
    await cluster.apply(widget("a"))
    controller = await cluster.user(f"system:serviceaccount:{cluster.namespace}:robot")
    role = {"kind": "Role", "name": "controller"}
    await cluster.apply(
        {
            "apiVersion": f"{GROUP}/v1",
            "kind": "Role",
            "metadata": {"name": "controller"},
            "rules": [READ, rule("patch", resource="widgets/status")],
        },
        binding(role, "robots", {"kind": "ServiceAccount", "name": "robot"}),
    )
    status = {**widget("a"), "status": {"state": "Up"}}
    done = await controller.client.patch(
        path(cluster, "/a/status"),
        params={"fieldManager": "robot"},
        content=json.dumps(status),
        headers={"content-type": APPLY},
    )
    assert done.status_code == 200, done.text
    assert done.json()["status"] == {"state": "Up"}
    assert done.json()["spec"] == {"size": 1, "color": "red"}
    assert refusal(await patch(controller, path(cluster, "/a"), {"spec": {"size": 2}}))
    changed = await controller.client.put(path(cluster, "/a/status"), json=done.json())
    assert "cannot update resource" in refusal(changed)


async def test_a_rule_may_be_about_single_objects(cluster: Cluster) -> None:
    await cluster.apply(widget("a"), widget("b"))
    user = await cluster.user("ann")
    await cluster.grant(user, rule("get", "list", "watch", "delete", resourceNames=["a"]))
    assert (await user.client.get(path(cluster, "/a"))).status_code == 200
    assert refusal(await user.client.get(path(cluster, "/b")))
    assert refusal(await user.client.get(path(cluster)))
    one = {"fieldSelector": "metadata.name=a"}
    listed = await user.client.get(path(cluster), params=one)
    assert [each["metadata"]["name"] for each in listed.json()["items"]] == ["a"]
    assert "a" in await user.kubectl("get", "wd", "--field-selector", "metadata.name=a")


async def test_roles_are_bound_here_or_everywhere(cluster: Cluster) -> None:
    here, everywhere = await cluster.user("here"), await cluster.user("everywhere")
    anywhere = "/apis/example.org/v1/widgets"
    role = cluster.name("reader")
    head = {"apiVersion": f"{GROUP}/v1", "metadata": {"name": role}}
    await cluster.apply(
        {**head, "kind": "ClusterRole", "rules": [READ]},
        binding({"kind": "ClusterRole", "name": role}, "b", {"kind": "User", "name": "here"}),
        {
            **head,
            "kind": "ClusterRoleBinding",
            "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": role},
            "subjects": [{"apiGroup": GROUP, "kind": "User", "name": "everywhere"}],
        },
    )
    for user, code in ((here, 403), (everywhere, 200)):
        assert (await user.client.get(path(cluster))).status_code == 200
        assert (await user.client.get(anywhere)).status_code == code
    # What is taken away is gone at once.
    await cluster.kubectl("delete", "clusterrolebinding", role)
    assert refusal(await everywhere.client.get(anywhere))
    await cluster.kubectl("delete", "clusterrole", role)
    missing = f'RBAC: clusterrole.{GROUP} "{role}" not found'
    assert refusal(await here.client.get(path(cluster))).endswith(missing)


async def test_groups_and_wildcards(cluster: Cluster) -> None:
    user = await cluster.user("ann", groups=("makers", "others"))
    stars = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
    await cluster.apply(
        {
            "apiVersion": f"{GROUP}/v1",
            "kind": "Role",
            "metadata": {"name": "all"},
            "rules": [stars],
        },
        binding({"kind": "Role", "name": "all"}, "b", {"kind": "Group", "name": "makers"}),
    )
    await user.kubectl("apply", "-f", "-", stdin=widget("a"))
    assert (await patch(user, path(cluster, "/a/status"), {})).status_code == 200
    refused = await user.kubectl.fails("get", "ns")
    assert "at the cluster scope" in refused


async def test_roles_for_people_take_in_what_is_labelled_for_them(cluster: Cluster) -> None:
    if cluster.server.which == "given":
        pytest.skip("a controller fills them, sooner or later")
    viewer, editor = await cluster.user("viewer"), await cluster.user("editor")
    name = cluster.name("widgets-view")
    await cluster.apply(
        binding({"kind": "ClusterRole", "name": "view"}, "v", {"kind": "User", "name": "viewer"}),
        binding({"kind": "ClusterRole", "name": "edit"}, "e", {"kind": "User", "name": "editor"}),
    )
    assert refusal(await viewer.client.get(path(cluster)))
    labels = {f"{GROUP}/aggregate-to-view": "true"}
    await cluster.apply(
        {
            "apiVersion": f"{GROUP}/v1",
            "kind": "ClusterRole",
            "metadata": {"name": name, "labels": labels},
            "rules": [READ],
        }
    )
    for each in (viewer, editor):
        assert (await each.client.get(path(cluster))).status_code == 200
        assert await each.can("get", "configmaps")
    assert not await viewer.can("get", "secrets")
    assert not await viewer.can("create", "configmaps")
    assert await editor.can("create", "secrets")
    assert not await editor.can("create", f"roles.{GROUP}")
    await cluster.kubectl("delete", "clusterrole", name)


async def test_a_user_may_ask_what_it_may_do(cluster: Cluster) -> None:
    user = await cluster.user("ann")
    await cluster.grant(user, rule("get", "patch", resource="widgets/status"), READ)
    await cluster.grant(
        user, {"nonResourceURLs": ["/metrics", "/logs/*"], "verbs": ["get"]}, cluster_wide=True
    )
    asked = {
        ("get", "widgets"): True,
        ("delete", "widgets"): False,
        ("get", "widgets/a"): True,
        ("list", "secrets"): False,
        ("get", "/metrics"): True,
        ("get", "/logs/x"): True,
        ("get", "/nope"): False,
        ("get", "/version"): True,
    }
    for (verb, what), allowed in asked.items():
        assert await user.can(verb, what) is allowed, (verb, what)
    status = await user.kubectl.run("auth", "can-i", "patch", "widgets", "--subresource=status")
    assert status.out.strip() == "yes"
    listed = (await user.kubectl("auth", "can-i", "--list")).splitlines()
    lines = [line.split() for line in listed]
    assert ["widgets.example.org", "[]", "[]", "[get", "list", "watch]"] in lines
    assert ["widgets.example.org/status", "[]", "[]", "[get", "patch]"] in lines
    assert (await cluster.kubectl("auth", "can-i", "*", "*")).strip() == "yes"


async def test_who_is_nobody_learns_the_version_and_no_more(cluster: Cluster) -> None:
    if cluster.server.which == "given":
        pytest.skip("whether it lets anybody in is its owner's business")
    nobody = await cluster.anonymous()
    for open_path in ("/version", "/livez", "/readyz", "/healthz"):
        assert (await nobody.client.get(open_path)).status_code == 200
    assert 'User "system:anonymous" cannot list' in refusal(await nobody.client.get(path(cluster)))
    assert refusal(await nobody.client.get("/apis"))
    wrong = await nobody.client.get("/version", headers={"authorization": "Bearer wrong"})
    assert refusal(wrong, 401) == "Unauthorized"
    basic = await nobody.client.get("/version", headers={"authorization": "Basic eDp5"})
    assert basic.status_code == 200


async def test_masters_may_act_as_others(cluster: Cluster) -> None:
    user = await cluster.user("ann")
    if cluster.server.which == "given":
        pytest.skip("users are impersonated already")
    refused = await cluster.kubectl.fails("get", "wd", "--as=bob")
    assert 'User "bob" cannot list resource "widgets"' in refused
    await cluster.kubectl("get", "wd", "--as=bob", "--as-group=system:masters")
    robot = f"system:serviceaccount:{cluster.namespace}:robot"
    refused = await cluster.kubectl.fails("get", "wd", f"--as={robot}")
    assert f'User "{robot}" cannot list' in refused
    bob = {"impersonate-user": "bob"}
    refused = refusal(await user.client.get(path(cluster), headers=bob))
    assert refused == (
        'users "bob" is forbidden: User "ann" cannot impersonate resource "users" in API group "" '
        "at the cluster scope"
    )
    await cluster.grant(
        user,
        {"apiGroups": [""], "resources": ["users"], "verbs": ["impersonate"]},
        cluster_wide=True,
    )
    refused = refusal(await user.client.get(path(cluster), headers=bob))
    assert 'User "bob" cannot list resource "widgets"' in refused
    master = {**bob, "impersonate-group": "system:masters"}
    refused = refusal(await user.client.get(path(cluster), headers=master))
    assert 'groups "system:masters" is forbidden: User "ann" cannot impersonate' in refused
    alone = await user.client.get(path(cluster), headers={"impersonate-group": "x"})
    assert alone.status_code == 400
