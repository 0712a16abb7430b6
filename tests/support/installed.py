"""What manifests install: rendered by kustomize, and the rights that they give to KubeKuma."""

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import yaml
from support.embedded import KUBECTL

Object: TypeAlias = dict[str, Any]

MANIFESTS = Path(__file__).parents[2] / "manifests"
OVERLAYS = (
    "base",
    *(f"overlays/{each.name}" for each in sorted((MANIFESTS / "overlays").iterdir())),
)
ACCOUNT = {"kind": "ServiceAccount", "name": "kubekuma", "namespace": "monitoring"}
ROLES = ("Role", "ClusterRole")
# What an API server says without the feature gate WatchList.
NO_STREAMS = {
    "kind": "Status",
    "apiVersion": "v1",
    "status": "Failure",
    "reason": "Invalid",
    "message": "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for watch unless the "
    "WatchList feature gate is enabled",
    "code": 422,
}
RBAC = (*ROLES, "RoleBinding", "ClusterRoleBinding")


def rendered(folder: str) -> list[Object]:
    """Every object of a kustomization below ``manifests``."""
    command: list[str | Path] = [KUBECTL, "kustomize", MANIFESTS / folder]
    said = subprocess.run(command, capture_output=True, check=True).stdout
    return [each for each in yaml.safe_load_all(said) if each]


class Right(NamedTuple):
    """A right to do something with objects of a resource, such as ``monitors/status``."""

    group: str
    resource: str
    verb: str


def rights_of(rule: Mapping[str, Any]) -> Iterator[Right]:
    """Every right that one rule of a role gives."""
    for group in rule["apiGroups"]:
        for resource in rule["resources"]:
            for verb in rule["verbs"]:
                yield Right(group, resource, verb)


def roles_of(objects: list[Object]) -> Iterator[Object]:
    """The roles that are bound to KubeKuma's account."""
    bound = {
        (each["roleRef"]["kind"], each["roleRef"]["name"])
        for each in objects
        if each["kind"].endswith("Binding") and ACCOUNT in each["subjects"]
    }
    return (it for it in objects if (it["kind"], it["metadata"]["name"]) in bound)


def right_used(request: httpx.Request) -> Right:
    """The right that a request to an API server needs."""
    parts = urlsplit(str(request.url))
    root, *path = parts.path.strip("/").split("/")
    group = "" if root == "api" else path.pop(0)
    path.pop(0)  # the version
    if path[0] == "namespaces" and len(path) > 2:
        path = path[2:]
    resource, *named = path
    if len(named) > 1:
        resource = f"{resource}/{named[1]}"
    if request.method == "GET":
        watches = parse_qs(parts.query).get("watch") == ["true"]
        return Right(group, resource, "get" if named else "watch" if watches else "list")
    verbs = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
    return Right(group, resource, verbs[request.method])


def _is_discovery(request: httpx.Request) -> bool:
    """Whether the request asks which kinds there are, as anybody may."""
    root, *path = request.url.path.strip("/").split("/")
    return len(path) == (1 if root == "api" else 2)


class Recorder:
    """The requests of the product, and what became of them.

    Without ``streams``, the API server is as one before 1.34: it gives lists by pages alone.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, streams: bool = True) -> None:
        self.used: set[Right] = set()
        self.refused: set[Right] = set()
        send = httpx.AsyncClient.send

        async def recorded(client: httpx.AsyncClient, request: httpx.Request, **how: Any) -> Any:
            if not streams and "sendInitialEvents" in request.url.params:
                return httpx.Response(422, json=NO_STREAMS, request=request)
            answer = await send(client, request, **how)
            asks = request.headers["User-Agent"].startswith("kubekuma")
            if asks and not _is_discovery(request):
                right = right_used(request)
                (self.refused if answer.status_code == 403 else self.used).add(right)
            return answer

        monkeypatch.setattr(httpx.AsyncClient, "send", recorded)
