"""A kind that is forbidden, or not there any more, is told, and holds up no other (I13)."""

from collections.abc import AsyncIterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import yaml
from support.clusters import Account, Cluster
from support.program import Program, Site, monitor, program, started, state_is, until

from kubekuma.model.kinds import KINDS, PAGE, WINDOW
from kubekuma.model.meta import API_VERSION, GROUP
from kubekuma.model.schema import crd

# A request that is cut off leaves its body half read, and trio says so of what httpx forgot.
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.filterwarnings("ignore:Async generator 'httpx:ResourceWarning"),
]

SETTINGS = f"/apis/{API_VERSION}/kubekumasettings/kubekuma"
FOLLOWED = [each.plural for each in KINDS if each.name != "Silence"]
READ = ["get", "list", "watch"]


@pytest.fixture
async def site(nursery: trio.Nursery) -> Site:
    """A target that is up."""
    return await started(nursery)


@pytest.fixture
async def settings(cluster: Cluster) -> AsyncIterator[str]:
    """The path of settings that let the site be checked often."""
    await cluster.apply(
        {
            "apiVersion": API_VERSION,
            "kind": "KubeKumaSettings",
            "metadata": {"name": "kubekuma"},
            "spec": {
                "networking": {"targets": {"allowCidrs": ["127.0.0.0/8"]}},
                "scheduler": {"minIntervalSeconds": 1},
            },
        }
    )
    yield SETTINGS
    with trio.CancelScope(shield=True):
        await cluster.client.delete(SETTINGS)


@pytest.fixture
async def narrow(cluster: Cluster) -> Account:
    """Who may do all that KubeKuma does, except for reading silences."""
    account = await cluster.user("narrow")
    statuses = [f"{each.plural}/status" for each in KINDS]
    await cluster.grant(
        account,
        {"apiGroups": [GROUP], "resources": FOLLOWED, "verbs": READ},
        {"apiGroups": [GROUP], "resources": statuses, "verbs": ["patch"]},
        {
            "apiGroups": ["coordination.k8s.io"],
            "resources": ["leases"],
            "verbs": ["get", "create", "update"],
        },
        {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create"]},
        cluster_wide=True,
    )
    return account


async def get(cluster: Cluster, path: str) -> Any:
    return (await cluster.client.get(path)).json()


def in_test(cluster: Cluster, document: Mapping[str, Any]) -> dict[str, Any]:
    return {**document, "metadata": {**document["metadata"], "namespace": cluster.namespace}}


def follows(how: str, *kinds: str) -> Any:
    """Whether the settings say that of exactly ``kinds``."""

    def holds(seen: Mapping[str, Any]) -> bool:
        found = [
            each
            for each in seen["status"].get("conditions", ())
            if each["type"] == "WatchesHealthy"
        ]
        if not found or (found[0]["status"], found[0]["reason"]) != (str(not kinds), how):
            return False
        said = found[0]["message"].partition("is seen: ")[2]
        return [part.partition(":")[0] for part in said.split("; ") if part] == sorted(kinds)

    return holds


async def age_of(it: Program, kind: str) -> float:
    (line,) = [
        each
        for each in (await it.text("/metrics")).splitlines()
        if each.startswith(f'kubekuma_informer_last_sync_age_seconds{{kind="{kind}"}}')
    ]
    return float(line.rpartition(" ")[2])


@pytest.mark.parametrize("server", ["embedded", "real"], indirect=True)
async def test_what_is_forbidden_or_gone_is_told_and_the_others_go_on(
    cluster: Cluster, narrow: Account, settings: str, site: Site, tmp_path: Path
) -> None:
    look = partial(get, cluster, settings)
    web = in_test(cluster, monitor(site))
    page = {
        "apiVersion": API_VERSION,
        "kind": "StatusPage",
        "metadata": {"name": "p"},
        "spec": {"slug": cluster.namespace, "title": "Shop"},
    }
    await cluster.apply(web, page)
    path = await cluster.path(API_VERSION, "Monitor", "web")
    how = {
        "kubeconfig": narrow.kubeconfig,
        "kube_namespace": cluster.namespace,
        "watch_namespaces": (cluster.namespace,),
    }
    await cluster.kubectl("delete", "crd", WINDOW.crd_name)
    try:
        async with program(tmp_path, **how) as it:
            await until(partial(get, cluster, path), state_is("up"))
            await until(look, follows("CannotFollow", "MaintenanceWindow", "Silence"))
            assert await age_of(it, "Silence") == float("inf")
            assert await age_of(it, "Monitor") < 60
            ready = partial(it.get, "/ready")
            await until(ready, lambda it: set(it["waits"]) == {"MaintenanceWindow", "Silence"})

            # A definition goes while it is followed, and its objects with it.
            await cluster.kubectl("delete", "crd", PAGE.crd_name)
            await until(
                look,
                follows("CannotFollow", "MaintenanceWindow", "Silence", "StatusPage"),
                seconds=30,
            )
            site.status = "500 Oops"
            await until(partial(get, cluster, path), state_is("down"))

            # And all is well again once it can be: nothing has to be started anew.
            await install(cluster)
            await cluster.grant(
                narrow,
                {"apiGroups": [GROUP], "resources": ["silences"], "verbs": READ},
                cluster_wide=True,
            )
            await until(look, follows("Following"), seconds=60)
            assert await age_of(it, "Silence") < 60
    finally:
        with trio.CancelScope(shield=True):
            await install(cluster)


async def install(cluster: Cluster) -> None:
    text = yaml.safe_dump_all([crd(kind) for kind in (WINDOW, PAGE)])
    apply = ("apply", "--server-side", "--force-conflicts", "-f", "-")
    await cluster.kubectl(*apply, stdin=text)
    await cluster.kubectl(
        "wait", "--for=condition=Established", "crd", WINDOW.crd_name, PAGE.crd_name
    )
