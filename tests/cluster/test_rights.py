"""KubeKuma uses every right that its manifests give, and no other; none can be spared."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from support.clusters import Cluster
from support.installed import OVERLAYS, RBAC, Object, Recorder, rendered, rights_of, roles_of
from support.program import EVENTS, GROUP, Site, condition, path_of, started, until

from kubekuma.app import run_program
from kubekuma.kube.lease import Timing
from kubekuma.model.meta import API_VERSION
from kubekuma.parts import Config
from kubekuma.record.sqlite import SqliteDatabase

# A request that is cut off leaves its body half read, and trio says so of what httpx forgot.
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.filterwarnings("ignore:Async generator 'httpx:ResourceWarning"),
]

HOME = "monitoring"
SPACES = (HOME, "shop", "blog", "default")
# What people change in the UI is written as theirs, and never of the program's own accord: see
# test_rights_of_people.py.
FOR_PEOPLE = ("kubekuma-ui", "kubekuma-ui-secrets")
# What k8s monitors look at: see test_workloads.py.
FOR_WORKLOADS = ("kubekuma-workloads",)
HASH = {"name": "alice", "key": "hash"}
LEASE = {
    "apiVersion": "coordination.k8s.io/v1",
    "kind": "Lease",
    "metadata": {"name": "kubekuma", "namespace": HOME},
}
TIMING = Timing(
    lease_seconds=6, deadline_seconds=4, renew_seconds=0.5, retry_seconds=0.2, request_seconds=1
)


def scenario(site: Site) -> Iterator[Object]:
    """One object of each kind, one of which is down: so there is an Event."""

    def of(kind: str, name: str, namespace: str = "shop", **spec: Any) -> Object:
        metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
        return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}

    down = {"http": {"url": site.url}}
    opened = {"targets": {"allowCidrs": ["127.0.0.0/8"]}}
    minimum = {"minIntervalSeconds": 1}
    yield of("KubeKumaSettings", "kubekuma", "", networking=opened, scheduler=minimum)
    yield of("Monitor", "web", type="http", target=down, schedule={"intervalSeconds": 1})
    item = {"name": "a", "spec": {"type": "manual", "target": {"manual": {}}}}
    yield of("MonitorSet", "sites", items=[item])
    hook = {"webhook": {"urlSecretRef": {"name": "hook", "key": "url"}}}
    yield of("NotificationProvider", "hook", HOME, type="webhook", config=hook)
    yield of("NotificationPolicy", "p", routing={"providers": [{"ref": {"name": "hook"}}]})
    yield of("StatusPage", "p", slug="shop", title="Shop")
    # Over nobody: what is down within planned work is no outage.
    yield of("MaintenanceWindow", "w", title="Work", match={"tags": ["nobody"]})
    yield of("Silence", "s", match={}, expiresAt="2099-01-01T00:00:00Z")
    yield of("LocalUser", "alice", HOME, username="alice", passwordHashSecretRef=HASH)
    owner = {"name": "alice"}
    scopes = ["monitors:read"]
    yield of("ApiKey", "k", HOME, ownerRef=owner, keyHashSecretRef=HASH, scopes=scopes)


def listed(*objects: Object) -> Object:
    return {"apiVersion": "v1", "kind": "List", "items": [*objects]}


@asynccontextmanager
async def installed(cluster: Cluster, objects: list[Object], site: Site) -> AsyncIterator[Path]:
    """The scenario, and the rights that ``objects`` give; yields a kubeconfig of KubeKuma's."""
    spaces = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": it}} for it in SPACES]
    rights = [each for each in objects if each["kind"] in RBAC]
    things = list(scenario(site))
    apply = ("apply", "--server-side", "--force-conflicts", "-f", "-")
    for part in (spaces, [*rights, *things]):
        await cluster.kubectl(*apply, stdin=listed(*part))
    account = await cluster.user(f"system:serviceaccount:{HOME}:kubekuma")
    try:
        yield account.kubeconfig
    finally:
        with trio.CancelScope(shield=True):
            gone = listed(*rights, *things, LEASE)
            await cluster.kubectl("delete", "--ignore-not-found", "-f", "-", stdin=gone)


@asynccontextmanager
async def at_work(kubeconfig: Path, folder: Path, spaces: tuple[str, ...]) -> AsyncIterator[None]:
    """KubeKuma with that kubeconfig, which may be in want of rights."""
    config = Config(
        database=SqliteDatabase(folder / "history.db"),
        kubeconfig=kubeconfig,
        listen="127.0.0.1:0",
        kube_namespace=HOME,
        watch_namespaces=spaces,
        timing=TIMING,
    )
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(run_program, config, stop=stop))
        yield
        stop.set()


async def get(cluster: Cluster, path: str) -> Any:
    return (await cluster.client.get(path)).json()


async def all_is_well(cluster: Cluster, site: Site) -> None:
    """Wait until everything is said and done that KubeKuma has rights for."""
    for each in scenario(site):
        look = partial(get, cluster, path_of(each))
        await until(look, lambda it: condition(it, "Ready")[0] != "", seconds=20)
    web = f"{GROUP}/namespaces/shop/monitors/web"
    seen = await until(partial(get, cluster, web), lambda it: it["status"].get("state") == "down")
    assert condition(seen, "Up")[0] == "False"
    await until(
        partial(get, cluster, EVENTS),
        lambda it: any(each["regarding"]["uid"] == seen["metadata"]["uid"] for each in it["items"]),
    )


def watched(folder: str) -> tuple[str, ...]:
    return (HOME, "shop", "blog") if folder == "overlays/namespaced" else ()


@pytest.fixture
async def site(nursery: trio.Nursery) -> Site:
    """A target that is down."""
    found = await started(nursery)
    found.status = "500 Oops"
    return found


@pytest.mark.parametrize("server", ["real"], indirect=True)
@pytest.mark.parametrize("folder", OVERLAYS)
async def test_every_right_is_used_and_no_other(
    cluster: Cluster, folder: str, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = rendered(folder)
    given = {
        right
        for role in roles_of(objects)
        if role["metadata"]["name"] not in {*FOR_PEOPLE, *FOR_WORKLOADS}
        for rule in role["rules"]
        for right in rights_of(rule)
    }
    # Where lists come as a stream, the right to list is spare.
    recorder = Recorder(monkeypatch, streams=False)
    async with (
        installed(cluster, objects, site) as kubeconfig,
        at_work(kubeconfig, tmp_path, watched(folder)),
    ):
        await all_is_well(cluster, site)
        await until(trio.lowlevel.checkpoint, lambda _: recorder.used >= given)
    assert recorder.used == given
    assert recorder.refused == set()


@pytest.mark.parametrize("server", ["real"], indirect=True)
async def test_where_lists_come_as_a_stream_nothing_is_listed(
    cluster: Cluster, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder(monkeypatch)
    async with (
        installed(cluster, rendered("base"), site) as kubeconfig,
        at_work(kubeconfig, tmp_path, ()),
    ):
        await all_is_well(cluster, site)
    assert {right.resource for right in recorder.used if right.verb == "watch"} >= {"monitors"}
    assert not [right for right in recorder.used if right.verb == "list"]


BASE = rendered("base")
RULES = [
    pytest.param(
        role["kind"], role["metadata"]["name"], index, id=f"{role['metadata']['name']}-{index}"
    )
    for role in roles_of(BASE)
    for index in range(len(role["rules"]))
]


@pytest.mark.parametrize("server", ["real"], indirect=True)
@pytest.mark.parametrize(("kind", "name", "index"), RULES)
async def test_without_a_rule_something_breaks(
    cluster: Cluster,
    kind: str,
    name: str,
    index: int,
    site: Site,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    objects = rendered("base")
    (role,) = (it for it in objects if (it["kind"], it["metadata"]["name"]) == (kind, name))
    missing = set(rights_of(role["rules"].pop(index)))
    recorder = Recorder(monkeypatch)
    async with installed(cluster, objects, site) as kubeconfig, at_work(kubeconfig, tmp_path, ()):
        await until(
            trio.lowlevel.checkpoint, lambda _: bool(recorder.refused & missing), seconds=30
        )
    assert recorder.refused <= missing
