"""The roles that are there from the start, as in every cluster (kube-apiserver's bootstrappolicy).

``cluster-admin`` for the owner of the kubeconfig; ``admin``, ``edit`` and
``view`` to be bound to people, which take in whatever roles are labelled for
them; and what everybody may do: ask who serves here, and what one may do.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

RBAC: Final = "rbac.authorization.k8s.io"
MASTERS: Final = "system:masters"
AUTHENTICATED: Final = "system:authenticated"
UNAUTHENTICATED: Final = "system:unauthenticated"

_READ: Final = ("get", "list", "watch")
_WRITE: Final = ("create", "delete", "deletecollection", "patch", "update")
_HEALTH: Final = ("/healthz", "/livez", "/readyz", "/version", "/version/")
_DISCOVERY: Final = ("/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*", *_HEALTH)
# What may be read by anybody who may look into a namespace: no Secrets.
_VISIBLE: Final[Mapping[str, Sequence[str]]] = {
    "": (
        "configmaps",
        "endpoints",
        "events",
        "namespaces",
        "pods",
        "pods/status",
        "serviceaccounts",
        "services",
        "services/status",
    ),
    "apps": ("daemonsets", "deployments", "replicasets", "statefulsets"),
    "batch": ("cronjobs", "jobs"),
    "discovery.k8s.io": ("endpointslices",),
    "events.k8s.io": ("events",),
}
_EDITABLE: Final[Mapping[str, Sequence[str]]] = {
    "": ("configmaps", "events", "pods", "secrets", "serviceaccounts", "services"),
    "apps": ("daemonsets", "deployments", "replicasets", "statefulsets"),
    "batch": ("cronjobs", "jobs"),
}


def _role(name: str, *rules: Mapping[str, Sequence[str]], **more: Any) -> dict[str, Any]:
    to = more.pop("part_of", "")
    labels = {"kubernetes.io/bootstrapping": "rbac-defaults"}
    if to:
        labels[f"{RBAC}/aggregate-to-{to}"] = "true"
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name, "labels": labels},
        "rules": [{key: list(part) for key, part in rule.items()} for rule in rules],
        **more,
    }


def _collecting(name: str, **more: Any) -> dict[str, Any]:
    selector = {"matchLabels": {f"{RBAC}/aggregate-to-{name}": "true"}}
    return _role(name, aggregationRule={"clusterRoleSelectors": [selector]}, **more)


def _on(verbs: Sequence[str], what: Mapping[str, Sequence[str]]) -> list[dict[str, Sequence[str]]]:
    return [
        {"apiGroups": [group], "resources": resources, "verbs": verbs}
        for group, resources in what.items()
    ]


def _bound(role: str, *groups: str) -> dict[str, Any]:
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": role, "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"}},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": RBAC, "kind": "Group", "name": each} for each in groups],
    }


POLICY: Final = (
    _role(
        "cluster-admin",
        {"apiGroups": ("*",), "resources": ("*",), "verbs": ("*",)},
        {"nonResourceURLs": ("*",), "verbs": ("*",)},
    ),
    _bound("cluster-admin", MASTERS),
    _role("system:discovery", {"nonResourceURLs": _DISCOVERY, "verbs": ("get",)}),
    _bound("system:discovery", AUTHENTICATED),
    _role("system:public-info-viewer", {"nonResourceURLs": _HEALTH, "verbs": ("get",)}),
    _bound("system:public-info-viewer", AUTHENTICATED, UNAUTHENTICATED),
    _role(
        "system:basic-user",
        {
            "apiGroups": ("authorization.k8s.io",),
            "resources": ("selfsubjectaccessreviews", "selfsubjectrulesreviews"),
            "verbs": ("create",),
        },
    ),
    _bound("system:basic-user", AUTHENTICATED),
    _collecting("view", part_of="edit"),
    _collecting("edit", part_of="admin"),
    _collecting("admin"),
    _role("system:aggregate-to-view", *_on(_READ, _VISIBLE), part_of="view"),
    _role("system:aggregate-to-edit", *_on((*_READ, *_WRITE), _EDITABLE), part_of="edit"),
    _role(
        "system:aggregate-to-admin",
        *_on((*_READ, *_WRITE), {RBAC: ("rolebindings", "roles")}),
        part_of="admin",
    ),
)
