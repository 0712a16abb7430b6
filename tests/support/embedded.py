"""An embedded API in a test: the verbs alone, or the whole server, and clients of it."""

import copy
import json
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import httpx
import trio

from kubekuma.standalone.api import Api, Options
from kubekuma.standalone.catalog import Catalog
from kubekuma.standalone.collector import collect_garbage
from kubekuma.standalone.database import open_database
from kubekuma.standalone.deletion import finish_deletions
from kubekuma.standalone.feed import Key
from kubekuma.standalone.resources import Resource
from kubekuma.standalone.server import Endpoint, install, serve_embedded_api
from kubekuma.standalone.store import WINDOW, Store

KUBECTL = Path(sys.prefix, "bin", "kubectl")
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
OPTIONS = Options(field_manager="tester", field_validation="Strict")

_SPEC = {
    "type": "object",
    "description": "What is wanted.",
    "required": ["size"],
    "properties": {
        "size": {"type": "integer", "minimum": 1, "description": "How big it is."},
        "color": {
            "type": "string",
            "default": "red",
            "maxLength": 20,
            "description": "Its colour.",
            "x-kubernetes-validations": [
                {"rule": "self != 'grey'", "messageExpression": "self + ' is no colour'"}
            ],
        },
        "note": {"type": "string", "maxLength": 20000},
        "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "parts": {
            "type": "array",
            "description": "What it is made of.",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {
                    "name": {"type": "string", "description": "Which part it is."},
                    "count": {"type": "integer", "default": 1},
                },
            },
        },
    },
    "x-kubernetes-validations": [
        {"rule": "self.size < 100", "message": "size must be less than 100"},
        {
            "rule": "self.size >= oldSelf.size - 50",
            "message": "must not shrink by more than 50",
        },
    ],
}
_STATUS = {
    "type": "object",
    "properties": {
        "state": {"type": "string"},
        "conditions": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["type"],
            "items": {
                "type": "object",
                "required": ["type", "status"],
                "properties": {"type": {"type": "string"}, "status": {"type": "string"}},
            },
        },
    },
}
WIDGETS: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.example.org"},
    "spec": {
        "group": "example.org",
        "scope": "Namespaced",
        "names": {
            "plural": "widgets",
            "kind": "Widget",
            "shortNames": ["wd"],
            "categories": ["toys"],
        },
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "selectableFields": [{"jsonPath": ".spec.color"}],
                "additionalPrinterColumns": [
                    {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
                    {"name": "State", "type": "string", "jsonPath": ".status.state"},
                    {"name": "Color", "type": "string", "jsonPath": ".spec.color", "priority": 1},
                    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
                ],
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "description": "A thing for tests.",
                        "properties": {"spec": _SPEC, "status": _STATUS},
                    }
                },
            }
        ],
    },
}


def widget(name: str, /, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "example.org/v1",
        "kind": "Widget",
        "metadata": {"name": name},
        "spec": {"size": 1, **spec},
    }


def widgets_definition(**changes: Any) -> dict[str, Any]:
    """The definition of widgets, its only version changed."""
    crd = copy.deepcopy(WIDGETS)
    crd["spec"]["versions"][0].update(changes)
    return crd


@attrs.frozen(kw_only=True)
class Verbs:
    """The verbs on one kind, in the namespace default, with objects instead of bytes."""

    api: Api
    resource: Resource

    async def create(self, value: Any, **options: Any) -> dict[str, Any]:
        changed = attrs.evolve(OPTIONS, **options)
        written = await self.api.create(self.resource, self.namespace, value, changed)
        return decoded(written.data)

    async def apply(
        self, value: Any, *, manager: str = "tester", subresource: str = "", **options: Any
    ) -> dict[str, Any]:
        changed = attrs.evolve(OPTIONS, field_manager=manager, **options)
        key = self.key(value["metadata"]["name"])
        written = await self.api.apply(self.resource, key, value, changed, subresource=subresource)
        return decoded(written.data)

    async def replace(self, value: Any, *, subresource: str = "", **options: Any) -> dict[str, Any]:
        changed = attrs.evolve(OPTIONS, **options)
        key = self.key(value["metadata"]["name"])
        written = await self.api.replace(
            self.resource, key, value, changed, subresource=subresource
        )
        return decoded(written.data)

    async def delete(self, name: str, **options: Any) -> dict[str, Any]:
        deleted = await self.api.delete(self.resource, self.key(name), **options)
        return decoded(deleted.data)

    def get(self, name: str) -> dict[str, Any]:
        return decoded(
            self.api.objects.wire(
                self.resource, self.api.objects.get(self.resource, self.key(name))
            )
        )

    def names(self) -> list[str]:
        return [each.key.name for each in self.api.store.select(self.resource.storage)]

    def key(self, name: str) -> Key:
        return Key(self.namespace, name)

    @property
    def namespace(self) -> str:
        return "default" if self.resource.namespaced else ""


def verbs(api: Api, api_version: str = "example.org/v1", kind: str = "Widget") -> Verbs:
    resource = api.catalog.find_kind(api_version, kind)
    assert resource is not None
    return Verbs(api=api, resource=resource)


async def eventually(holds: Callable[[], bool], *, seconds: float = 10) -> None:
    """Return once ``holds`` says yes; fail if it takes too long."""
    with trio.fail_after(seconds):
        while not holds():  # noqa: ASYNC110 (what is waited for tells nobody)
            await trio.sleep(0.002)


def decoded(data: bytes) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(data)
    return value


@asynccontextmanager
async def running_api(
    data: Path,
    crds: Sequence[Mapping[str, Any]] = (WIDGETS,),
    *,
    window: int = WINDOW,
    collects: bool = True,
) -> AsyncIterator[Api]:
    """The verbs on a store in the folder ``data``, without a server."""
    store = Store(open_database(data / "api.db"), window=window)
    api = Api(store, Catalog(), lambda: NOW)
    async with trio.open_nursery() as nursery:
        await nursery.start(store.run)
        await nursery.start(finish_deletions, api.objects)
        if collects:
            await nursery.start(collect_garbage, api)
        await install(api, crds, ("default", "kube-system"))
        try:
            yield api
        finally:
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def embedded_server(
    data: Path, crds: Sequence[Mapping[str, Any]] = (WIDGETS,), **options: Any
) -> AsyncIterator[Endpoint]:
    """The whole server, until the end of the block."""
    stop = trio.Event()
    serve = partial(serve_embedded_api, data, crds, stop=stop, **options)
    async with trio.open_nursery() as nursery:
        with trio.fail_after(20):
            endpoint = await nursery.start(serve)
        try:
            yield endpoint
        finally:
            stop.set()


def client_of(endpoint: Endpoint, **options: Any) -> httpx.AsyncClient:
    """A client that has the token and trusts the server."""
    return httpx.AsyncClient(
        base_url=endpoint.url,
        headers={"authorization": f"Bearer {endpoint.token}"},
        verify=ssl.create_default_context(cadata=endpoint.ca_pem.decode()),
        trust_env=False,
        **options,
    )


@attrs.frozen(kw_only=True)
class Ran:
    """What a command has said, and how it ended."""

    code: int
    out: str
    err: str


@attrs.frozen(kw_only=True)
class Kubectl:
    """kubectl with its home in a folder of its own."""

    kubeconfig: Path
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        return {
            "HOME": str(self.home),
            "KUBECACHEDIR": str(self.home / "cache"),
            "KUBECONFIG": str(self.kubeconfig),
            "PATH": "/usr/bin:/bin",
        }

    async def run(self, *arguments: str, stdin: Any = None, **environment: str) -> Ran:
        """Run a command; ``stdin`` may be an object, which is given as JSON."""
        text = stdin if isinstance(stdin, str) else json.dumps(stdin) if stdin else ""
        with trio.fail_after(30):
            done: subprocess.CompletedProcess[bytes] = await trio.run_process(
                [str(KUBECTL), *arguments],
                stdin=text.encode(),
                env={**self.environment, **environment},
                capture_stdout=True,
                capture_stderr=True,
                check=False,
            )
        return Ran(code=done.returncode, out=done.stdout.decode(), err=done.stderr.decode())

    async def __call__(self, *arguments: str, stdin: Any = None, **environment: str) -> str:
        """Run a command that must not fail, and return what it prints."""
        ran = await self.run(*arguments, stdin=stdin, **environment)
        assert ran.code == 0, f"kubectl {' '.join(arguments)}: {ran.out}{ran.err}"
        return ran.out

    async def fails(self, *arguments: str, stdin: Any = None, **environment: str) -> str:
        """Run a command that must fail, and return what it complains of."""
        ran = await self.run(*arguments, stdin=stdin, **environment)
        assert ran.code != 0, f"kubectl {' '.join(arguments)}: {ran.out}{ran.err}"
        return ran.err or ran.out
