"""Requests that both servers must answer alike, one story a row."""

import json
from collections.abc import Mapping
from typing import Any, Final

import attrs
from support.embedded import widget, widgets_definition

WIDGETS: Final = "/apis/example.org/v1/namespaces/{ns}/widgets"
CORE: Final = "/api/v1/namespaces/{ns}"
CRDS: Final = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
MERGE: Final = "application/merge-patch+json"
PATCH: Final = "application/json-patch+json"
STRATEGIC: Final = "application/strategic-merge-patch+json"
APPLY: Final = "application/apply-patch+yaml"
TABLE: Final = "application/json;as=Table;v=v1;g=meta.k8s.io"
PARTIAL: Final = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"


@attrs.frozen
class Step:
    """One request. ``{ns}`` in texts is the namespace of the test."""

    method: str
    path: str
    body: Any = None
    type: str = "application/json"
    headers: Mapping[str, str] = attrs.field(factory=dict)

    @property
    def content(self) -> bytes | None:
        """The body as it is sent."""
        if self.body is None or isinstance(self.body, bytes):
            return self.body
        return json.dumps(self.body).encode()


def post(body: Any, query: str = "", path: str = WIDGETS) -> Step:
    return Step("POST", f"{path}{query}", body)


def put(body: Any, name: str = "a", query: str = "") -> Step:
    return Step("PUT", f"{WIDGETS}/{name}{query}", body)


def merge(body: Any, name: str = "a", query: str = "") -> Step:
    return Step("PATCH", f"{WIDGETS}/{name}{query}", body, MERGE)


def patch(body: Any, name: str = "a", query: str = "") -> Step:
    return Step("PATCH", f"{WIDGETS}/{name}{query}", body, PATCH)


def apply(body: Any, manager: str = "one", name: str = "a", query: str = "") -> Step:
    return Step("PATCH", f"{WIDGETS}/{name}?fieldManager={manager}{query}", body, APPLY)


def get(path: str, accept: str = "application/json") -> Step:
    return Step("GET", path, headers={"accept": accept})


def delete(name: str = "a", body: Any = None, query: str = "") -> Step:
    return Step("DELETE", f"{WIDGETS}/{name}{query}", body)


def at(body: Mapping[str, Any], **metadata: Any) -> dict[str, Any]:
    return {**body, "metadata": {**body["metadata"], **metadata}}


def definition(**changes: Any) -> dict[str, Any]:
    """A definition of a kind that no other test knows."""
    crd = widgets_definition(**changes)
    crd["metadata"]["name"] = "gears.answers.example.org"
    crd["spec"]["group"] = "answers.example.org"
    crd["spec"]["names"] = {"plural": "gears", "kind": "Gear"}
    # The real machinery of 1.35 panics at such fields where there is no schema.
    del crd["spec"]["versions"][0]["selectableFields"]
    return crd


def schema(**properties: Any) -> dict[str, Any]:
    return {"openAPIV3Schema": {"type": "object", "properties": properties}}


A: Final = widget("a")
PART: Final = {"name": "p", "count": 1}
STATUS: Final = {"state": "Up", "conditions": [{"type": "Ready", "status": "True"}]}
DRY: Final = "?dryRun=All"

STORIES: Final[Mapping[str, tuple[Step, ...]]] = {
    # Creating
    "create": (post(A), get(f"{WIDGETS}/a"), get(WIDGETS)),
    "create twice": (post(A), post(A)),
    "create without a name": (post(at(A, name="")),),
    "create with a bad name": (post(at(A, name="A_b")),),
    "create with a long name": (post(at(A, name="a" * 254)),),
    "create with a generated name and a bad prefix": (post(at(A, name="", generateName="A_")),),
    "create with a version": (post(at(A, resourceVersion="1")),),
    "create with a uid": (post(at(A, uid="x")),),
    "create in another namespace": (post(at(A, namespace="other")),),
    "create in no namespace": (post(A, path="/apis/example.org/v1/widgets"),),
    "create in a namespace that is not there": (
        post(A, path="/apis/example.org/v1/namespaces/nope/widgets"),
    ),
    "create of another kind": (post({**A, "kind": "Gadget"}),),
    "create of another version": (
        post({"apiVersion": "example.org/v2", "kind": "Widget", "metadata": {"name": "a"}}),
    ),
    "create without kind": (post({key: A[key] for key in ("metadata", "spec")}),),
    "create without a spec": (post({key: A[key] for key in ("apiVersion", "kind", "metadata")}),),
    "create with bad labels": (post(at(A, labels={"a": "b c", "x/y/z": "1", "": "v"})),),
    "create with labels that are no texts": (post(at(A, labels={"a": 1})),),
    "create with bad annotations": (post(at(A, annotations={"a b": "c"})),),
    "create with a bad finalizer": (post(at(A, finalizers=["nope nope"])),),
    "create with an unqualified finalizer": (post(at(A, finalizers=["nope"])),),
    "create with a bad owner": (
        post(at(A, ownerReferences=[{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": ""}])),
    ),
    "create with two controllers": (
        post(
            at(
                A,
                ownerReferences=[
                    {
                        "apiVersion": "v1",
                        "kind": "Pod",
                        "name": name,
                        "uid": name,
                        "controller": True,
                    }
                    for name in ("p", "q")
                ],
            )
        ),
    ),
    "create with unknown metadata": (post(at(A, nope="x"), "?fieldValidation=Strict"),),
    "create with metadata of a wrong type": (post({**A, "metadata": "x"}),),
    "create with status": (post({**A, "status": STATUS}),),
    "create dry": (post(A, DRY), get(f"{WIDGETS}/a")),
    "create with bad options": (
        post(A, "?dryRun=Some"),
        post(A, "?fieldValidation=Maybe"),
        post(A, "?fieldManager=" + "x" * 129),
        post(A, "?fieldManager=%01"),
    ),
    # Bodies
    "no body": (Step("POST", WIDGETS, b""),),
    "half a body": (Step("POST", WIDGETS, b"{"),),
    "a list as body": (Step("POST", WIDGETS, b"[]"),),
    "text as body": (Step("POST", WIDGETS, b"x", "text/plain"),),
    "yaml as body": (Step("POST", WIDGETS, json.dumps(A).encode(), "application/yaml"),),
    # What the schema says
    "strict": (
        post(widget("a", sise=1, parts=[{"name": "p", "n": 1}]), "?fieldValidation=Strict"),
        post(widget("a", sise=1, parts=[{"name": "p", "n": 1}]), "?fieldValidation=Warn"),
    ),
    "ignored": (post(widget("a", sise=1), "?fieldValidation=Ignore"),),
    "fields given twice": (
        Step(
            "POST",
            f"{WIDGETS}?fieldValidation=Strict",
            json.dumps(A).replace('"size": 1', '"size": 1, "size": 2').encode(),
        ),
        Step(
            "POST",
            f"{WIDGETS}?fieldValidation=Warn",
            json.dumps(A).replace('"size": 1', '"size": 1, "size": 2').encode(),
        ),
    ),
    "a wrong type": (post(widget("a", size="x")),),
    "a fraction": (post(widget("a", size=1.5)),),
    "null for a number": (post(widget("a", size=None)),),
    "null for a default": (post(widget("a", color=None)),),
    "too small": (post(widget("a", size=0)),),
    "too long": (post(widget("a", color="x" * 21)),),
    "a list for an object": (post({**A, "spec": []}),),
    "an object for a list": (post(widget("a", tags={})),),
    "members missing": (post(widget("a", parts=[{"count": 1}])),),
    "entries twice": (post(widget("a", tags=["x", "x"], parts=[PART, PART])),),
    "many mistakes": (post(widget("a", size="x", tags=[1], parts=[{"name": 1}])),),
    # What the rules say
    "a rule": (post(widget("a", size=100)),),
    "a message that is computed": (post(widget("a", color="grey")),),
    "two rules": (post(widget("a", size=100, color="grey")),),
    "a rule about changes": (post(widget("a", size=90)), merge({"spec": {"size": 2}})),
    # Replacing
    "replace without a version": (post(A), put(A)),
    "replace a stale one": (post(A), put(at(A, resourceVersion="1"))),
    "replace with a bad version": (post(A), put(at(A, resourceVersion="x"))),
    "replace what is not there": (put(at(A, resourceVersion="1")),),
    "replace another name": (post(A), put(at(widget("b"), resourceVersion="1"))),
    "replace with another uid": (post(A), put(at(A, resourceVersion="1", uid="x"))),
    # Patching
    "merge": (
        post(widget("a", parts=[PART])),
        merge({"spec": {"size": 3, "parts": None}}),
        merge({"spec": {"size": 3}}),
        merge({"metadata": {"labels": {"x": "y"}}}),
        merge({"status": STATUS}),
    ),
    "merge what is not there": (merge({}),),
    "merge another name": (post(A), merge({"metadata": {"name": "b"}})),
    "merge another kind": (post(A), merge({"kind": "Gadget"})),
    "merge what is unknown": (
        post(A),
        merge({"spec": {"nope": 1}}, query="?fieldValidation=Strict"),
        merge({"spec": {"nope": 1}}, query="?fieldValidation=Warn"),
    ),
    "merge no object": (post(A), merge([])),
    "merge with a stale version": (post(A), merge({"metadata": {"resourceVersion": "1"}})),
    "merge with another uid": (post(A), merge({"metadata": {"uid": "x"}})),
    "merge with force": (post(A), merge({}, query="?force=true")),
    "a json patch": (
        post(A),
        patch([{"op": "test", "path": "/spec/size", "value": 1}]),
        patch([{"op": "replace", "path": "/spec/size", "value": 2}]),
        patch([{"op": "add", "path": "/spec/tags", "value": ["x"]}]),
        patch([{"op": "remove", "path": "/spec/tags/0"}]),
    ),
    "a json patch whose test fails": (
        post(A),
        patch([{"op": "test", "path": "/spec/size", "value": 2}]),
    ),
    "a json patch to nowhere": (
        post(A),
        patch([{"op": "remove", "path": "/spec/tags"}]),
        patch([{"op": "replace", "path": "/spec/nope/x", "value": 2}]),
    ),
    "a json patch that is none": (post(A), patch({}), patch([{"op": "nope", "path": "/x"}])),
    "a strategic patch": (post(A), Step("PATCH", f"{WIDGETS}/a", {}, STRATEGIC)),
    "a patch of no type": (post(A), Step("PATCH", f"{WIDGETS}/a", {}, "application/json")),
    # Status
    "status": (
        post(A),
        merge({"status": STATUS, "spec": {"size": 5}}, "a/status"),
        merge({"status": {"state": 1}}, "a/status"),
        get(f"{WIDGETS}/a/status"),
    ),
    "status of what is not there": (
        merge({"status": STATUS}, "a/status"),
        get(f"{WIDGETS}/a/status"),
    ),
    "another subresource": (post(A), get(f"{WIDGETS}/a/scale")),
    # Applying
    "apply": (
        apply(widget("a", size=2, tags=["x"], parts=[PART])),
        apply(widget("a", size=2, tags=["x"], parts=[PART])),
        apply(widget("a", size=3, parts=[{"name": "q"}])),
        apply(widget("a", tags=["y"]), "two", query="&force=true"),
        apply({**widget("a"), "spec": {"tags": ["z"]}}, "two"),
        get(f"{WIDGETS}/a"),
    ),
    "apply with a conflict": (
        apply(widget("a", size=2)),
        apply(widget("a", size=3), "two"),
        apply(widget("a", size=3, color="blue"), "two", query="&force=true"),
        apply(widget("a", size=4, color="red"), "one"),
    ),
    "apply against updates": (
        post(widget("a", size=2, color="blue"), "?fieldManager=ed"),
        apply(widget("a", size=3, color="red")),
    ),
    "apply the status": (
        apply(A),
        apply({**A, "status": STATUS}, "st", "a/status"),
        apply({**A, "status": {"state": "Down"}}, "nd", "a/status"),
        merge({"status": {"state": "Down"}}, "a/status", "?fieldManager=up"),
        get(f"{WIDGETS}/a"),
    ),
    "apply the status of what is not there": (apply({**A, "status": STATUS}, "st", "a/status"),),
    "apply in nobody's name": (Step("PATCH", f"{WIDGETS}/a", A, APPLY),),
    "apply another name": (apply(widget("b")),),
    "apply without kind": (apply({key: A[key] for key in ("metadata", "spec")}),),
    "apply with owners": (
        apply(at(A, managedFields=[{"manager": "x", "operation": "Apply", "apiVersion": "v1"}])),
    ),
    "apply with a version": (apply(A), apply(at(A, resourceVersion="1"))),
    "apply what is unknown": (apply(widget("a", nope=1), query="&fieldValidation=Strict"),),
    "apply entries twice": (apply(widget("a", parts=[PART, PART])),),
    "apply what is no yaml": (Step("PATCH", f"{WIDGETS}/a?fieldManager=one", b"a: [", APPLY),),
    "apply dry": (apply(A, query="&dryRun=All"), get(f"{WIDGETS}/a")),
    "apply what breaks a rule": (apply(widget("a", size=100)),),
    # Deleting
    "delete": (post(A), delete(), delete()),
    "delete dry": (post(A), delete(query=DRY), get(f"{WIDGETS}/a")),
    "delete another": (
        post(A),
        delete(body={"preconditions": {"uid": "x"}}),
        delete(body={"preconditions": {"resourceVersion": "1"}}),
    ),
    "delete with bad options": (
        post(A),
        delete(body={"preconditions": "x"}),
        delete(body={"propagationPolicy": "Nope"}),
        delete(body={"kind": "DeleteOptions", "apiVersion": "v1", "nope": 1}),
    ),
    "delete what is held": (
        post(at(A, finalizers=["example.org/hold"])),
        delete(),
        delete(),
        merge({"metadata": {"finalizers": ["example.org/hold", "example.org/new"]}}),
        merge({"metadata": {"finalizers": None}}),
        get(f"{WIDGETS}/a"),
    ),
    "delete in the foreground": (
        post(A),
        delete(body={"propagationPolicy": "Foreground"}),
    ),
    "delete in the foreground, as it says itself": (
        post(at(A, finalizers=["foregroundDeletion"])),
        delete(),
    ),
    "delete and orphan": (post(A), delete(body={"propagationPolicy": "Orphan"})),
    "delete and orphan, said in the path": (post(A), delete(query="?propagationPolicy=Orphan")),
    "delete and orphan, as it was said before": (post(A), delete(body={"orphanDependents": True})),
    "delete in the background what has other finalizers": (
        post(at(A, finalizers=["foregroundDeletion", "example.org/hold"])),
        delete(body={"propagationPolicy": "Background"}),
        get(f"{WIDGETS}/a"),
    ),
    "delete and do not orphan": (post(A), delete(body={"orphanDependents": False})),
    "delete in another way than it says": (
        post(at(A, finalizers=["orphan", "example.org/hold"])),
        delete(body={"propagationPolicy": "Foreground"}),
    ),
    "delete in two ways": (
        post(A),
        delete(body={"propagationPolicy": "Foreground", "orphanDependents": True}),
    ),
    "delete in the foreground, dry": (
        post(A),
        delete(body={"propagationPolicy": "Foreground", "dryRun": ["All"]}),
        get(f"{WIDGETS}/a"),
    ),
    "delete what is held, dry": (
        post(at(A, finalizers=["example.org/hold"])),
        delete(query=DRY),
        get(f"{WIDGETS}/a"),
    ),
    "delete many and orphan": (
        post(A),
        Step("DELETE", WIDGETS, {"propagationPolicy": "Orphan"}),
    ),
    "delete many": (
        post(at(widget("a"), labels={"x": "1"})),
        post(widget("b")),
        Step("DELETE", f"{WIDGETS}?labelSelector=x%3D1"),
        get(WIDGETS),
    ),
    # Listing
    "select": (
        post(at(widget("a", color="blue"), labels={"x": "1"})),
        post(at(widget("b"), labels={"x": "2"})),
        get(f"{WIDGETS}?labelSelector=x%3D1"),
        get(f"{WIDGETS}?labelSelector=x+in+(1,3)"),
        get(f"{WIDGETS}?labelSelector=x+notin+(1)"),
        get(f"{WIDGETS}?labelSelector=!y,x"),
        get(f"{WIDGETS}?fieldSelector=metadata.name%3Da"),
        get(f"{WIDGETS}?fieldSelector=metadata.name!%3Da"),
        get(f"{WIDGETS}?fieldSelector=spec.color%3Dblue"),
    ),
    "select badly": (
        get(f"{WIDGETS}?labelSelector=a+b"),
        get(f"{WIDGETS}?labelSelector=a+in+b"),
        get(f"{WIDGETS}?labelSelector=a%3Db%3Dc"),
        get(f"{WIDGETS}?labelSelector=a%3D" + "x" * 64),
        get(f"{WIDGETS}?fieldSelector=spec.size%3D1"),
        get(f"{WIDGETS}?fieldSelector=x"),
    ),
    "list badly": (
        get(f"{WIDGETS}?limit=x"),
        get(f"{WIDGETS}?limit=-1"),
        get(f"{WIDGETS}?resourceVersion=x"),
        get(f"{WIDGETS}?resourceVersion=999999999"),
        get(f"{WIDGETS}?resourceVersionMatch=Exact"),
        get(f"{WIDGETS}?resourceVersionMatch=Nope&resourceVersion=1"),
        get(f"{WIDGETS}?resourceVersionMatch=Exact&resourceVersion=0"),
        get(f"{WIDGETS}?continue=x"),
        get(f"{WIDGETS}?sendInitialEvents=true"),
    ),
    "watch badly": (
        get(f"{WIDGETS}?watch=true&timeoutSeconds=1&labelSelector=a+b"),
        get(f"{WIDGETS}?watch=true&timeoutSeconds=1&sendInitialEvents=true"),
        get(f"{WIDGETS}?watch=true&timeoutSeconds=1&sendInitialEvents=Nope"),
        get(f"{WIDGETS}?watch=true&timeoutSeconds=1&resourceVersionMatch=Exact&resourceVersion=1"),
        get(f"{WIDGETS}?watch=true&timeoutSeconds=x"),
    ),
    "watch from a bad version": (get(f"{WIDGETS}?watch=true&timeoutSeconds=1&resourceVersion=x"),),
    "tables": (
        post(widget("a", color="blue")),
        merge({"status": STATUS}, "a/status"),
        get(WIDGETS, TABLE),
        get(f"{WIDGETS}/a", TABLE),
        get(f"{WIDGETS}?includeObject=None", TABLE),
        get(f"{WIDGETS}?includeObject=Object", TABLE),
        get(f"{WIDGETS}?includeObject=Nope", TABLE),
    ),
    "metadata alone": (
        post(A),
        get(WIDGETS, PARTIAL),
        get(f"{WIDGETS}/a", PARTIAL.replace("List", "")),
    ),
    "forms of answers": (
        get(WIDGETS, "text/html"),
        get(WIDGETS, "*/*"),
        get(WIDGETS, "application/vnd.kubernetes.protobuf,application/json"),
        get(WIDGETS, "application/vnd.kubernetes.protobuf"),
        get(WIDGETS, f"{TABLE.replace('v=v1', 'v=v9')},application/json"),
    ),
    # Paths and methods
    "a path outside of the API": (get("/nowhere"),),
    "nowhere": (
        get("/apis/nowhere.org"),
        get("/apis/example.org/v9"),
        get("/apis/example.org/v9/widgets"),
        get("/apis/example.org/v1/gadgets"),
        get("/apis/example.org/v1/widgets/a"),
        get(f"{WIDGETS}/nope"),
        get("/api/v1/namespaces/nope"),
        get("/apis/example.org/v1/namespaces/nope/widgets"),
    ),
    "methods": (
        Step("PUT", WIDGETS, A),
        Step("PATCH", WIDGETS, {}, MERGE),
        Step("POST", "/version", {}),
        Step("DELETE", "/apis/example.org/v1/widgets"),
        Step("DELETE", f"{WIDGETS}/a/status"),
    ),
    "create where it will be": (Step("POST", f"{WIDGETS}/a", A),),
    # Definitions
    "a definition of another name": (
        post(at(definition(), name="x.answers.example.org"), query=DRY, path=CRDS),
    ),
    "a definition without schema": (post(definition(schema={}), query=DRY, path=CRDS),),
    "a definition without type": (
        post(
            definition(schema=schema(spec={"properties": {"a": {"type": "string"}}})),
            query=DRY,
            path=CRDS,
        ),
    ),
    "a definition of an unknown type": (
        post(definition(schema=schema(spec={"type": "text"})), query=DRY, path=CRDS),
    ),
    "a definition with a bad pattern": (
        post(
            definition(schema=schema(spec={"type": "string", "pattern": "("})), query=DRY, path=CRDS
        ),
    ),
    "a definition with a bad rule": (
        post(
            definition(
                schema=schema(
                    spec={
                        "type": "object",
                        "properties": {"a": {"type": "integer"}},
                        "x-kubernetes-validations": [{"rule": "self.b > 1"}],
                    }
                )
            ),
            query=DRY,
            path=CRDS,
        ),
    ),
    "a definition with a bad default": (
        post(
            definition(schema=schema(spec={"type": "integer", "default": "x"})),
            query=DRY,
            path=CRDS,
        ),
    ),
    "a definition whose map keys are optional": (
        post(
            definition(
                schema=schema(
                    spec={
                        "type": "array",
                        "x-kubernetes-list-type": "map",
                        "x-kubernetes-list-map-keys": ["k"],
                        "items": {"type": "object", "properties": {"k": {"type": "string"}}},
                    }
                )
            ),
            query=DRY,
            path=CRDS,
        ),
    ),
    "a definition that stores nothing": (post(definition(storage=False), query=DRY, path=CRDS),),
    "a definition with unknown fields": (
        post(definition(nope=1), f"{DRY}&fieldValidation=Strict", CRDS),
    ),
    # Built-in kinds
    "a namespace that stays": (Step("DELETE", "/api/v1/namespaces/default"),),
    "configmaps": (
        post(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "c"},
                "data": {"a": "b"},
            },
            path=CORE + "/configmaps",
        ),
        Step("PATCH", CORE + "/configmaps/c", {"data": {"a": None, "c": "d"}}, STRATEGIC),
        Step(
            "PATCH",
            CORE + "/configmaps/c?fieldManager=x",
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "c"},
                "data": {"c": "e"},
            },
            APPLY,
        ),
        get(CORE + "/configmaps/c"),
        post(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "d"}, "data": {"a": 1}},
            path=CORE + "/configmaps",
        ),
        post(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "d"}, "datum": {}},
            "?fieldValidation=Strict",
            CORE + "/configmaps",
        ),
    ),
    "a lease": (
        post(
            {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {"name": "l"},
                "spec": {"holderIdentity": "x", "renewTime": "2026-01-02T03:04:05.000006Z"},
            },
            path="/apis/coordination.k8s.io/v1/namespaces/{ns}/leases",
        ),
        post(
            {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {"name": "m"},
                "spec": {"renewTime": "yesterday"},
            },
            path="/apis/coordination.k8s.io/v1/namespaces/{ns}/leases",
        ),
    ),
}
