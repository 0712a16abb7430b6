"""kubectl works as in a cluster: what a user sees and does. What is raw is in test_answers."""

import json
from pathlib import Path
from typing import Any

import pytest
import trio
from support.clusters import Cluster, Server
from support.embedded import KUBECTL, WIDGETS, Kubectl, widget, widgets_definition

pytestmark = pytest.mark.cluster


async def get(kubectl: Kubectl, *what: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(await kubectl("get", *what, "-o", "json"))
    return value


async def test_says_what_there_is_and_explains_it(cluster: Cluster) -> None:
    kubectl = cluster.kubectl
    version = json.loads(await kubectl("version", "-o", "json"))
    assert version["serverVersion"]["major"] == "1"
    resources = await kubectl("api-resources", "--no-headers")
    assert ["widgets", "wd", "example.org/v1", "true", "Widget"] in [
        line.split() for line in resources.splitlines()
    ]
    toys = await kubectl("api-resources", "--categories=toys", "-o", "name")
    assert toys.split() == ["widgets.example.org"]
    assert "example.org/v1" in (await kubectl("api-versions")).split()

    explained = await kubectl("explain", "widgets.spec.parts.name")
    assert "Which part it is." in explained
    assert "FIELD: name <string>" in explained
    assert "How big it is." in await kubectl("explain", "wd.spec")
    assert "ObjectMeta" in await kubectl("explain", "widget.metadata")
    if cluster.server.knows_builtins:
        assert "base64" in await kubectl("explain", "secret.data")
    assert 'field "nope" does not exist' in await kubectl.fails("explain", "widgets.spec.nope")
    assert "no matches for kind" in await kubectl.fails(
        "apply", "-f", "-", stdin={**widget("a"), "kind": "Gadget"}
    )


async def test_applies_changes_and_deletes(kubectl: Kubectl) -> None:
    first, second = widget("a", parts=[{"name": "p", "count": 1}]), widget("a", size=2)
    assert "created" in await kubectl("apply", "-f", "-", stdin=first)
    assert "unchanged" in await kubectl("apply", "-f", "-", stdin=first)
    assert (await kubectl.run("diff", "-f", "-", stdin=first)).code == 0
    difference = await kubectl.run("diff", "-f", "-", stdin=second)
    assert difference.code == 1
    assert "+  size: 2" in difference.out
    assert "configured" in await kubectl("apply", "-f", "-", stdin=second)

    found = await get(kubectl, "widget", "a")
    # What is left out of the file goes; what is defaulted stays.
    assert found["spec"] == {"size": 2, "color": "red"}
    assert found["metadata"]["generation"] == 2

    assert "already exists" in await kubectl.fails("create", "-f", "-", stdin=first)
    await kubectl("replace", "-f", "-", stdin={**first, "metadata": found["metadata"]})
    stale = {**first, "metadata": found["metadata"]}
    assert "object has been modified" in await kubectl.fails("replace", "-f", "-", stdin=stale)

    await kubectl("label", "wd", "a", "team=x")
    await kubectl("annotate", "wd", "a", "why=because")
    await kubectl("patch", "wd", "a", "--type=merge", "-p", '{"spec":{"size":5}}')
    operation = '[{"op":"replace","path":"/spec/color","value":"blue"}]'
    await kubectl("patch", "wd", "a", "--type=json", "-p", operation)
    status = '{"status":{"state":"Up"},"spec":{"size":77}}'
    await kubectl("patch", "wd", "a", "--type=merge", "--subresource=status", "-p", status)
    # Not through the status, and the status not through the object.
    await kubectl("patch", "wd", "a", "--type=merge", "-p", '{"status":{"state":"Down"}}')
    found = await get(kubectl, "widget", "a")
    assert found["metadata"]["labels"] == {"team": "x"}
    assert found["metadata"]["annotations"]["why"] == "because"
    assert found["spec"]["size"] == 5
    assert found["spec"]["color"] == "blue"
    assert found["status"] == {"state": "Up"}

    deleted = await kubectl("delete", "wd", "a")
    assert "deleted" in deleted
    assert "not found" in await kubectl.fails("get", "wd", "a")
    assert "not found" in await kubectl.fails("delete", "wd", "a")
    await kubectl("delete", "wd", "a", "--ignore-not-found")


async def test_edits_with_an_editor(kubectl: Kubectl, tmp_path: Path) -> None:
    await kubectl("create", "-f", "-", stdin=widget("a"))
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nsed -i "s/size: 1/size: 42/" "$1"\n')
    editor.chmod(0o755)
    assert "edited" in await kubectl("edit", "wd", "a", KUBE_EDITOR=str(editor))
    assert await kubectl("get", "wd", "a", "-o", "jsonpath={.spec.size}") == "42"


async def test_refuses_what_the_definition_forbids(kubectl: Kubectl) -> None:
    unknown = {**widget("a"), "spec": {"size": 1, "sise": 2}}
    refused = await kubectl.fails("create", "-f", "-", stdin=unknown)
    assert 'strict decoding error: unknown field "spec.sise"' in refused
    ran = await kubectl.run("create", "-f", "-", "--validate=warn", stdin=unknown)
    assert ran.code == 0
    assert 'Warning: unknown field "spec.sise"' in ran.err
    # What is unknown is pruned.
    assert (await get(kubectl, "wd", "a"))["spec"] == {"size": 1, "color": "red"}

    refused = await kubectl.fails("apply", "-f", "-", stdin=widget("b", size="big"))
    assert "spec.size" in refused
    assert 'must be of type integer: "string"' in refused
    assert "Required value" in await kubectl.fails(
        "apply", "-f", "-", stdin={**widget("b"), "spec": {}}
    )
    refused = await kubectl.fails("apply", "-f", "-", stdin=widget("b", size=100))
    assert "size must be less than 100" in refused
    await kubectl("apply", "-f", "-", stdin=widget("c", size=99))
    refused = await kubectl.fails("apply", "-f", "-", stdin=widget("c", size=2))
    assert "must not shrink by more than 50" in refused

    dry = await kubectl("apply", "--dry-run=server", "-f", "-", stdin=widget("d"))
    assert "created (server dry run)" in dry
    assert "not found" in await kubectl.fails("get", "wd", "d")
    dry = await kubectl("delete", "wd", "a", "--dry-run=server")
    assert "deleted" in dry
    await kubectl("get", "wd", "a")
    assert 'namespaces "nowhere" not found' in await kubectl.fails(
        "create", "-n", "nowhere", "-f", "-", stdin=widget("a")
    )


async def test_shows_tables_and_selects(cluster: Cluster) -> None:
    kubectl, other = cluster.kubectl, cluster.name("blue")
    await kubectl("create", "ns", other)
    for name, namespace, color in (
        ("a", cluster.namespace, "red"),
        ("b", cluster.namespace, "blue"),
        ("c", other, "red"),
    ):
        body = widget(name, color=color)
        labels = {"team": name, "test": cluster.namespace}
        body["metadata"] |= {"namespace": namespace, "labels": labels}
        await kubectl("apply", "-f", "-", stdin=body)
    lines = (await kubectl("get", "wd")).splitlines()
    assert lines[0].split() == ["NAME", "SIZE", "STATE", "AGE"]
    assert [line.split()[:2] for line in lines[1:]] == [["a", "1"], ["b", "1"]]
    wide = await kubectl("get", "wd", "-o", "wide")
    assert wide.split()[:5] == ["NAME", "SIZE", "STATE", "COLOR", "AGE"]
    everywhere = ("-A", "-l", f"test={cluster.namespace}")

    async def names(*arguments: str) -> list[str]:
        said = await kubectl("get", *arguments, "-o", "name")
        return sorted(line.rpartition("/")[2] for line in said.splitlines())

    assert await names("toys", *everywhere) == ["a", "b", "c"]
    assert await names("wd", "-l", "team in (a, c)") == ["a"]
    assert await names("wd", "-l", "team!=a") == ["b"]
    assert await names("wd", *everywhere, "--field-selector", "spec.color=red") == ["a", "c"]
    assert await names("wd", *everywhere, "--field-selector", "metadata.name=b") == ["b"]
    assert await names("wd", *everywhere, "--chunk-size=1") == ["a", "b", "c"]
    refused = await kubectl.fails("get", "wd", "--field-selector", "spec.size=1")
    assert "field label not supported: spec.size" in refused
    sizes = await kubectl("get", "wd", "a", "-o", "jsonpath={.spec.size}/{.spec.color}")
    assert sizes == "1/red"
    assert "kind: Widget" in await kubectl("get", "wd", "a", "-o", "yaml")

    await kubectl("delete", "ns", other)
    assert await names("wd", "-n", other) == ([] if cluster.server.has_controllers else ["c"])
    await kubectl("delete", "wd", "--all")
    assert await names("wd") == []


async def test_applies_on_the_server_and_tells_conflicts(kubectl: Kubectl) -> None:
    apply = ("apply", "--server-side", "-f", "-")
    assert "serverside-applied" in await kubectl(*apply, stdin=widget("a", size=3))
    refused = await kubectl.fails(*apply, "--field-manager=other", stdin=widget("a", size=4))
    assert 'conflict with "kubectl": .spec.size' in refused
    other = ("--field-manager=other", "--force-conflicts")
    await kubectl(*apply, *other, stdin=widget("a", size=4, tags=["x"]))
    found = await get(kubectl, "wd", "a", "--show-managed-fields")
    owned = {each["manager"]: each["fieldsV1"] for each in found["metadata"]["managedFields"]}
    assert owned["other"] == {"f:spec": {"f:size": {}, "f:tags": {'v:"x"': {}}}}
    # Nothing is left of it.
    assert "kubectl" not in owned or owned["kubectl"] == {}

    # From client-side to server-side: the former owner is taken over.
    await kubectl("apply", "-f", "-", stdin=widget("b", size=3))
    await kubectl(*apply, stdin=widget("b", size=4))
    await kubectl(*apply, stdin=widget("b", size=5))
    found = await get(kubectl, "wd", "b", "--show-managed-fields")
    assert found["spec"]["size"] == 5
    owners = {(each["manager"], each["operation"]) for each in found["metadata"]["managedFields"]}
    assert owners == {("kubectl", "Apply"), ("kubectl-last-applied", "Apply")}


async def test_watches_and_waits(kubectl: Kubectl) -> None:
    await kubectl("create", "-f", "-", stdin=widget("a"))
    watch = [str(KUBECTL), "get", "wd", "-w", "--no-headers"]
    with trio.fail_after(30):
        process = await trio.lowlevel.open_process(
            watch, env=kubectl.environment, stdout=-1, stderr=None
        )
        assert process.stdout is not None
        seen = b""
        async with process.stdout:

            async def until(lines: int) -> None:
                nonlocal seen
                while seen.count(b"\n") < lines:
                    seen += await process.stdout.receive_some()  # type: ignore[union-attr]

            await until(1)
            await kubectl("patch", "wd", "a", "--type=merge", "-p", '{"spec":{"size":7}}')
            await until(2)
            await kubectl("create", "-f", "-", stdin=widget("b", size=8))
            await until(3)
            process.terminate()
            await process.wait()
    assert [line.split()[:2] for line in seen.splitlines()] == [
        [b"a", b"1"],
        [b"a", b"7"],
        [b"b", b"8"],
    ]

    async with trio.open_nursery() as nursery:
        for condition in ("condition=Ready", "jsonpath={.status.state}=Up"):
            nursery.start_soon(kubectl, "wait", f"--for={condition}", "wd/a", "--timeout=20s")
        nursery.start_soon(kubectl, "wait", "--for=delete", "wd/b", "--timeout=20s")
        ready = '{"status":{"state":"Up","conditions":[{"type":"Ready","status":"True"}]}}'
        await kubectl("patch", "wd", "a", "--type=merge", "--subresource=status", "-p", ready)
        await kubectl("delete", "wd", "b")
    assert "timed out" in await kubectl.fails(
        "wait", "--for=condition=Gone", "wd/a", "--timeout=200ms"
    )


async def test_creates_what_has_a_command_of_its_own(cluster: Cluster) -> None:
    # Typed clients, which send protobuf.
    kubectl, wide = cluster.kubectl, cluster.name("wide")
    await kubectl("create", "secret", "generic", "login", "--from-literal=password=geheim")
    assert await kubectl("get", "secret", "login", "-o", "jsonpath={.data.password}") == "Z2VoZWlt"
    assert "already exists" in await kubectl.fails("create", "secret", "generic", "login")
    await kubectl("create", "configmap", "settings", "--from-literal=a=b", "--from-literal=c=d")
    assert (await get(kubectl, "configmap", "settings"))["data"] == {"a": "b", "c": "d"}
    await kubectl("create", "serviceaccount", "robot")
    await kubectl("create", "deployment", "d", "--image=x", "--replicas=2", "--port=80")
    made = (await get(kubectl, "deployment", "d"))["spec"]
    assert made["replicas"] == 2
    assert made["selector"] == {"matchLabels": {"app": "d"}}
    (container,) = made["template"]["spec"]["containers"]
    assert (container["name"], container["image"]) == ("x", "x")
    assert [each["containerPort"] for each in container["ports"]] == [80]

    await kubectl("create", "role", "r", "--verb=get,list", "--resource=widgets.example.org")
    await kubectl(
        "create", "rolebinding", "r", "--role=r", f"--serviceaccount={cluster.namespace}:robot"
    )
    await kubectl("create", "clusterrole", wide, "--verb=get", "--non-resource-url=/metrics")
    await kubectl("create", "clusterrolebinding", wide, f"--clusterrole={wide}", "--group=g")
    bound = await get(kubectl, "rolebinding", "r")
    assert bound["roleRef"]["name"] == "r"
    assert [each["name"] for each in bound["subjects"]] == ["robot"]
    rules = (await get(kubectl, "clusterrole", wide))["rules"]
    assert [each["nonResourceURLs"] for each in rules] == [["/metrics"]]
    assert (await kubectl("auth", "can-i", "delete", "widgets")).strip() == "yes"
    await kubectl("delete", "clusterrole,clusterrolebinding", wide)


@pytest.fixture
def whole(server: Server) -> None:
    """Leave out a server without Kubernetes' own rules for its kinds."""
    if not server.knows_builtins:
        pytest.skip("Kubernetes' own validation is not published as a library")


@pytest.mark.usefixtures("whole")
async def test_built_in_kinds_are_checked(cluster: Cluster) -> None:
    kubectl = cluster.kubectl
    await kubectl("create", "secret", "generic", "login", "--from-literal=password=geheim")
    assert await kubectl("get", "secret", "login", "-o", "jsonpath={.type}") == "Opaque"
    assert "Opaque" in await kubectl("get", "secret")
    assert "geheim" not in await kubectl("describe", "secret")
    bad = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "b"}, "data": {"a": "?"}}
    assert "Secret" in await kubectl.fails("apply", "-f", "-", stdin=bad)
    plain = {**bad, "data": {}, "stringData": {"a": "b"}}
    await kubectl("apply", "-f", "-", stdin=plain)
    assert (await get(kubectl, "secret", "b"))["data"] == {"a": "Yg=="}
    await kubectl("create", "deployment", "d", "--image=x")
    assert "deployment.apps/d" in await kubectl("get", "all", "-o", "name")


async def test_shows_events_of_an_object(cluster: Cluster) -> None:
    kubectl = cluster.kubectl
    await kubectl("create", "-f", "-", stdin=widget("a"))
    uid = await kubectl("get", "wd", "a", "-o", "jsonpath={.metadata.uid}")
    event = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": "a.1", "namespace": cluster.namespace},
        "eventTime": "2026-01-02T03:04:05.000006Z",
        "type": "Warning",
        "reason": "Broken",
        "action": "Check",
        "note": "a wheel came off",
        "reportingController": "example.org/tester",
        "reportingInstance": "tester-0",
        "regarding": {
            "apiVersion": "example.org/v1",
            "kind": "Widget",
            "namespace": cluster.namespace,
            "name": "a",
            "uid": uid,
        },
    }
    await kubectl("create", "-f", "-", stdin=event)
    assert "a wheel came off" in await kubectl("get", "events.events.k8s.io", "-o", "yaml")
    if not cluster.server.knows_builtins:
        # There, events of both groups are kept apart.
        return
    described = await kubectl("describe", "wd", "a")
    assert "a wheel came off" in described
    assert "Broken" in described
    assert "a wheel came off" in await kubectl("events", "--for=widget/a")
    assert "a wheel came off" in await kubectl("get", "events")
    refused = await kubectl.fails(
        "create", "-f", "-", stdin={**event, "metadata": {"name": "b"}, "reason": ""}
    )
    assert "reason: Required value" in refused
    assert "Status:" in await kubectl("describe", "ns", "default")


async def test_serves_kinds_as_long_as_they_are_defined(kubectl: Kubectl) -> None:
    gadgets = widgets_definition()
    gadgets["metadata"]["name"] = "gadgets.example.org"
    gadgets["spec"]["names"] = {"plural": "gadgets", "kind": "Gadget"}
    await kubectl("apply", "-f", "-", stdin=gadgets)
    await kubectl("wait", "--for=condition=Established", "crd/gadgets.example.org", "--timeout=5s")
    await kubectl("apply", "--server-side", "-f", "-", stdin={**widget("g"), "kind": "Gadget"})
    assert "g" in await kubectl("get", "gadgets")
    wrong = {**WIDGETS, "metadata": {"name": "wrong.example.org"}}
    assert "must be spec.names.plural" in await kubectl.fails("create", "-f", "-", stdin=wrong)
    await kubectl("delete", "crd", "gadgets.example.org")
    refused = await kubectl.fails("get", "gadgets")
    assert "could not find the requested resource" in refused


async def test_leases_and_built_in_kinds_are_changed_as_in_a_cluster(cluster: Cluster) -> None:
    kubectl = cluster.kubectl
    lease: dict[str, Any] = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "leader"},
        "spec": {
            "holderIdentity": "one",
            "leaseDurationSeconds": 30,
            "renewTime": "2026-01-02T03:04:05.000006Z",
        },
    }
    await kubectl("apply", "-f", "-", stdin=lease)
    holder = "jsonpath={.spec.holderIdentity}"
    assert await kubectl("get", "lease", "leader", "-o", holder) == "one"
    two = '{"spec":{"holderIdentity":"two"}}'
    await kubectl("patch", "lease", "leader", "-p", two)
    assert "two" in await kubectl("describe", "lease", "leader")
    if cluster.server.knows_builtins:
        seconds = '{"spec":{"leaseDurationSeconds":0}}'
        refused = await kubectl.fails("patch", "lease", "leader", "-p", seconds)
        assert "spec.leaseDurationSeconds" in refused
    stale = {**lease, "metadata": {**lease["metadata"], "resourceVersion": "1"}}
    assert "object has been modified" in await kubectl.fails("replace", "-f", "-", stdin=stale)

    await kubectl("create", "configmap", "c", "--from-literal=a=b", "--from-literal=x=y")
    await kubectl("patch", "cm", "c", "-p", '{"data":{"a":null,"c":"d"}}')
    assert (await get(kubectl, "cm", "c"))["data"] == {"x": "y", "c": "d"}
    await kubectl("label", "ns", cluster.namespace, "team=x")
    assert "team=x" in await kubectl("get", "ns", cluster.namespace, "--show-labels")
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "a", "image": "x"}, {"name": "b", "image": "y"}]},
    }
    await kubectl("apply", "-f", "-", stdin=pod)
    image = '{"spec":{"containers":[{"name":"b","image":"z"}]}}'
    await kubectl("patch", "pod", "p", "-p", image)
    assert await kubectl("get", "pod", "p", "-o", "jsonpath={.spec.containers[*].image}") == "x z"
    if cluster.server.which == "embedded":
        running = '{"status":{"phase":"Running"}}'
        await kubectl("patch", "pod", "p", "--subresource=status", "-p", running)
        assert "Running" in await kubectl("get", "pods")
    await kubectl("delete", "pod,cm,lease", "--all")


async def test_what_many_clients_rely_on_is_there(cluster: Cluster) -> None:
    kubectl = cluster.kubectl
    await kubectl("create", "-f", "-", stdin={**widget("x"), "metadata": {"generateName": "w-"}})
    assert (await kubectl("get", "wd", "-o", "name")).startswith("widget.example.org/w-")
    assert "SIZE" in await kubectl("get", "wd", "-o", "custom-columns=SIZE:.spec.size")
    assert "parts" in await kubectl("explain", "widgets", "--recursive")
    if cluster.server.knows_builtins:
        assert "containers" in await kubectl("explain", "deployment.spec.template.spec")
    assert await kubectl("get", "--raw", "/readyz") == "ok"
    assert json.loads(await kubectl("get", "--raw", "/apis/example.org/v1"))["groupVersion"]
    await kubectl("apply", "-f", "-", stdin=widget("a"))
    await kubectl("replace", "--force", "-f", "-", stdin=widget("a", size=3))
    assert await kubectl("get", "wd", "a", "-o", "jsonpath={.spec.size}") == "3"
    await kubectl("wait", "--for=create", "wd/a", "--timeout=5s")
    await kubectl("delete", "-f", "-", stdin=widget("a"))
    assert "No resources found" in (await kubectl.run("get", "wd", "-l", "no=such")).err
