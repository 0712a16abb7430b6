"""k8s monitors look at the cluster with the rights of their overlay, and say so without them."""

import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from support.clusters import Account, Cluster
from support.installed import Recorder, rendered, rights_of, roles_of
from support.program import program, state_is, until

from kubekuma.model.meta import API_VERSION

# A request that is cut off leaves its body half read, and trio says so of what httpx forgot.
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.filterwarnings("ignore:Async generator 'httpx:ResourceWarning"),
]

APPS, CORE, BATCH, DISCOVERY = "apps/v1", "v1", "batch/v1", "discovery.k8s.io/v1"
SETTINGS = f"/apis/{API_VERSION}/kubekumasettings/kubekuma"
SELECTOR = {"matchLabels": {"app": "web"}}
POD_SPEC = {"containers": [{"name": "web", "image": "example.org/web"}]}
TEMPLATE = {"metadata": {"labels": {"app": "web"}}, "spec": POD_SPEC}
JOB_SPEC = {"template": {"spec": {**POD_SPEC, "restartPolicy": "Never"}}}
COMPLETE = {"type": "Complete", "status": "True"}
READY = {"type": "Ready", "status": "True"}

# Kind: apiVersion, what it is made of, what its controller says of it, and what is asked.
KINDS: Mapping[str, tuple[str, Any, Any, Mapping[str, Any]]] = {
    "Deployment": (
        APPS,
        {"spec": {"selector": SELECTOR, "template": TEMPLATE}},
        {"availableReplicas": 2, "replicas": 2},
        {"type": "AvailableReplicasAtLeast", "min": 2},
    ),
    "StatefulSet": (
        APPS,
        {"spec": {"selector": SELECTOR, "template": TEMPLATE, "serviceName": "web"}},
        {"availableReplicas": 1, "replicas": 1},
        {"type": "AvailableReplicasAtLeast"},
    ),
    "DaemonSet": (
        APPS,
        {"spec": {"selector": SELECTOR, "template": TEMPLATE}},
        {"numberReady": 1},
        {"type": "PodReadiness"},
    ),
    "ReplicaSet": (
        APPS,
        {"spec": {"selector": SELECTOR, "template": TEMPLATE}},
        {"readyReplicas": 1, "replicas": 1},
        {"type": "PodReadiness"},
    ),
    "Pod": (CORE, {"spec": POD_SPEC}, {"conditions": [READY]}, {"type": "PodReadiness"}),
    "Job": (BATCH, {"spec": JOB_SPEC}, {"conditions": [COMPLETE]}, {"type": "JobSucceeded"}),
    "Service": (CORE, {"spec": {"ports": [{"port": 80}]}}, None, {"type": "EndpointNonEmpty"}),
    "Endpoints": (
        CORE,
        {"subsets": [{"addresses": [{"ip": "192.0.2.1"}], "ports": [{"port": 80}]}]},
        None,
        {"type": "EndpointNonEmpty"},
    ),
}


def made(cluster: Cluster, kind: str, name: str = "web") -> dict[str, Any]:
    api_version, body, _, _ = KINDS[kind]
    metadata = {"name": name, "namespace": cluster.namespace, "labels": {"app": "web"}}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **body}


def watcher(cluster: Cluster, kind: str, api_version: str, asked: Any, **ref: Any) -> Any:
    resource = {"apiVersion": api_version, "kind": kind, **(ref or {"name": "web"})}
    return {
        "apiVersion": API_VERSION,
        "kind": "Monitor",
        "metadata": {"name": kind.lower(), "namespace": cluster.namespace},
        "spec": {
            "type": "k8s",
            "schedule": {"intervalSeconds": 1},
            "target": {"k8s": {"resource": resource, "check": asked}},
        },
    }


async def seen(cluster: Cluster, kind: str) -> Any:
    path = await cluster.path(API_VERSION, "Monitor", kind.lower())
    return (await cluster.client.get(path)).json()


async def say(cluster: Cluster, kind: str, status: Any, name: str = "web") -> None:
    """Say what the controller of ``kind`` would, if there were one."""
    path = await cluster.path(KINDS[kind][0], kind, name)
    answer = await cluster.client.patch(
        f"{path}/status",
        json={"status": status},
        headers={"Content-Type": "application/merge-patch+json"},
    )
    assert answer.is_success, answer.text


@asynccontextmanager
async def watching(cluster: Cluster, account: Account, folder: Path) -> AsyncIterator[None]:
    await cluster.apply(
        {
            "apiVersion": API_VERSION,
            "kind": "KubeKumaSettings",
            "metadata": {"name": "kubekuma"},
            "spec": {"scheduler": {"minIntervalSeconds": 1}},
        }
    )
    config = {"kubeconfig": account.kubeconfig, "kube_namespace": cluster.namespace}
    try:
        async with program(folder, watch_namespaces=(cluster.namespace,), **config):
            yield
    finally:
        # Whoever watches every namespace later would look at workloads as well.
        with trio.CancelScope(shield=True):
            await cluster.client.delete(await cluster.path(API_VERSION, "Monitor"))
            await cluster.client.delete(SETTINGS)


@pytest.fixture
async def account(cluster: Cluster) -> Account:
    """Who may do all that KubeKuma does, but look at workloads."""
    account = await cluster.user(cluster.name("kubekuma"))
    for role in roles_of(rendered("base")):
        await cluster.grant(account, *role["rules"], cluster_wide=True)
    return account


def builtin_rules() -> list[dict[str, Any]]:
    (role,) = (
        each
        for each in rendered("overlays/workloads")
        if each["metadata"]["name"] == "kubekuma-workloads-builtin"
    )
    rules: list[dict[str, Any]] = role["rules"]
    return rules


@pytest.mark.parametrize("server", ["embedded"], indirect=True)
async def test_every_kind_is_looked_at_with_the_rights_of_the_overlay_and_all_of_them(
    cluster: Cluster, account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = builtin_rules()
    for rule in rules:
        await cluster.grant(account, rule)
    given = {right for rule in rules for right in rights_of(rule)}
    for kind, (api_version, _, status, asked) in KINDS.items():
        await cluster.apply(made(cluster, kind), watcher(cluster, kind, api_version, asked))
        if status is not None:
            await say(cluster, kind, status)
    (job,) = [await cluster.path(BATCH, "Job", "web")]
    cron = {
        "apiVersion": BATCH,
        "kind": "CronJob",
        "metadata": {"name": "web", "namespace": cluster.namespace},
        "spec": {"schedule": "30 2 * * *", "jobTemplate": {"spec": JOB_SPEC}},
    }
    await cluster.apply(cron, watcher(cluster, "CronJob", BATCH, {"type": "JobSucceeded"}))
    uid = (await cluster.client.get(await cluster.path(BATCH, "CronJob", "web"))).json()
    owner = {
        "apiVersion": BATCH,
        "kind": "CronJob",
        "name": "web",
        "uid": uid["metadata"]["uid"],
        "controller": True,
    }
    await cluster.client.patch(
        job,
        json={"metadata": {"ownerReferences": [owner]}},
        headers={"Content-Type": "application/merge-patch+json"},
    )
    slices = {
        "apiVersion": DISCOVERY,
        "kind": "EndpointSlice",
        "metadata": {
            "name": "web-abcde",
            "namespace": cluster.namespace,
            "labels": {"kubernetes.io/service-name": "web"},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["192.0.2.1"]}],
    }
    await cluster.apply(slices)
    recorder = Recorder(monkeypatch, streams=False)
    async with watching(cluster, account, tmp_path):
        for kind in (*KINDS, "CronJob"):
            await until(partial(seen, cluster, kind), state_is("up"))
        # A list and a watch of each kind are all that it takes.
        await until(trio.lowlevel.checkpoint, lambda _: recorder.used >= given)
        await say(cluster, "Deployment", {"availableReplicas": 1})
        found = await until(partial(seen, cluster, "Deployment"), state_is("down"))
        assert found["status"]["lastResult"]["message"] == "1 replicas available, and 2 should be"
        await cluster.client.delete(await cluster.path(CORE, "Pod", "web"))
        found = await until(partial(seen, cluster, "Pod"), state_is("down"))
        assert found["status"]["lastResult"]["reason"] == "WorkloadMissing"
    assert recorder.refused == set()


@pytest.mark.parametrize("server", ["embedded"], indirect=True)
async def test_without_the_rights_nobody_is_blamed(
    cluster: Cluster, account: Account, tmp_path: Path
) -> None:
    await cluster.apply(
        made(cluster, "Deployment"),
        watcher(cluster, "Deployment", APPS, {"type": "AvailableReplicasAtLeast"}),
        watcher(cluster, "Nothing", "example.org/v1", {"type": "PodReadiness"}),
    )
    async with watching(cluster, account, tmp_path):

        def is_told(it: Any) -> bool:
            return "reason" in it.get("status", {}).get("lastResult", {})

        found = await until(partial(seen, cluster, "Deployment"), is_told)
        last = found["status"]["lastResult"]
        assert (last["state"], last["reason"]) == ("unknown", "NoPermission")
        assert "deployments" in last["message"]
        found = await until(partial(seen, cluster, "Nothing"), is_told)
        last = found["status"]["lastResult"]
        assert last["message"] == "the cluster has no kind Nothing in example.org/v1"


async def test_a_condition_of_a_kind_that_somebody_has_defined(
    cluster: Cluster, account: Account, tmp_path: Path
) -> None:
    await cluster.grant(
        account,
        {
            "apiGroups": ["monitoring.kubekuma.io"],
            "resources": ["silences"],
            "verbs": ["list", "watch"],
        },
    )
    silence = {
        "apiVersion": API_VERSION,
        "kind": "Silence",
        "metadata": {"name": "web", "namespace": cluster.namespace},
        "spec": {"match": {}, "expiresAt": "2099-01-01T00:00:00Z"},
    }
    asked = {"type": "Condition", "condition": {"type": "Valid"}}
    await cluster.apply(silence, watcher(cluster, "Silence", API_VERSION, asked))
    async with watching(cluster, account, tmp_path):
        await until(partial(seen, cluster, "Silence"), state_is("up"))


@pytest.mark.parametrize("server", ["embedded"], indirect=True)
async def test_a_check_at_a_terminal_looks_into_the_cluster_of_the_kubeconfig(
    cluster: Cluster, tmp_path: Path
) -> None:
    api_version, _, well, asked = KINDS["Deployment"]
    await cluster.apply(made(cluster, "Deployment"))
    await say(cluster, "Deployment", well)
    file = tmp_path / "monitor.json"
    file.write_text(json.dumps(watcher(cluster, "Deployment", api_version, asked)))

    async def checked() -> tuple[int, str]:
        done = await trio.run_process(
            [sys.executable, "-m", "kubekuma", "check", str(file)],
            env={**os.environ, "KUBECONFIG": str(cluster.master.kubeconfig)},
            capture_stdout=True,
            check=False,
        )
        return done.returncode, done.stdout.decode()

    code, said = await checked()
    assert code == 0, said
    assert "2 replicas available" in said
    await say(cluster, "Deployment", {**well, "availableReplicas": 1})
    code, said = await checked()
    assert code == 1
    assert "WorkloadNotReady: 1 replicas available, and 2 should be" in said
