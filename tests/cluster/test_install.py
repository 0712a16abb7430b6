"""What is installed is what an API server takes, and what it serves it takes as it is."""

import json
from typing import Any

import kubernetes_validate
import pytest
from support.clusters import Cluster
from support.installed import OVERLAYS, rendered

pytestmark = pytest.mark.cluster

OURS = {"CustomResourceDefinition", "KubeKumaSettings"}


@pytest.mark.parametrize("folder", OVERLAYS)
def test_every_object_has_the_schema_of_its_kind(folder: str) -> None:
    objects = rendered(folder)
    assert len(objects) > 20
    for each in objects:
        if each["kind"] not in OURS:
            kubernetes_validate.validate(each, kubernetes_validate.latest_version(), strict=True)


@pytest.mark.parametrize("folder", OVERLAYS)
async def test_a_server_takes_all_that_it_serves(cluster: Cluster, folder: str) -> None:
    objects = rendered(folder)
    spaces = [each for each in objects if each["kind"] == "Namespace"]
    await cluster.apply(
        *spaces, *({**spaces[0], "metadata": {"name": it}} for it in ("shop", "blog"))
    )
    refused = {}
    for each in objects:
        done = await cluster.kubectl.run(
            "apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", "-", stdin=each
        )
        if done.code != 0:
            refused[each["kind"]] = done.err
    # Kinds that neither server serves, and whose schema the other test looks at.
    assert set(refused) <= {"NetworkPolicy", "PodDisruptionBudget"}, json.dumps(refused)
    assert all("no matches for kind" in said for said in refused.values())


def pod(folder: str) -> Any:
    workloads = {"StatefulSet", "Deployment"}
    (workload,) = (each for each in rendered(folder) if each["kind"] in workloads)
    return workload["spec"]["template"]["spec"]


@pytest.mark.parametrize("folder", OVERLAYS)
def test_the_pod_is_restricted(folder: str) -> None:
    """Pod Security Standards, profile "restricted"."""
    spec = pod(folder)
    (container,) = spec["containers"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {next(iter(set(it) - {"name"})) for it in spec["volumes"]} <= {"emptyDir"}
    safe = {"net.ipv4.ping_group_range"}
    assert {it["name"] for it in spec["securityContext"].get("sysctls", ())} <= safe
    assert not spec.keys() & {"hostNetwork", "hostPID", "hostIPC"}


def test_one_pod_writes_one_database() -> None:
    (workload,) = (each for each in rendered("base") if each["kind"] == "StatefulSet")
    assert workload["spec"]["replicas"] == 1
    (claim,) = workload["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["accessModes"] == ["ReadWriteOncePod"]


def test_with_postgresql_there_are_two_and_no_volume() -> None:
    (workload,) = (it for it in rendered("overlays/postgresql") if it["kind"] == "Deployment")
    spec = workload["spec"]
    assert spec["replicas"] == 2
    assert not spec.keys() & {"volumeClaimTemplates", "serviceName"}
    (container,) = spec["template"]["spec"]["containers"]
    environ = {each["name"]: each for each in container["env"]}
    assert environ["DATABASE_URL"]["valueFrom"]["secretKeyRef"]["name"] == "kubekuma-database"
    assert "KUBEKUMA_DATA" not in environ
    mounted = {each["name"] for each in container["volumeMounts"]}
    assert mounted == {each["name"] for each in spec["template"]["spec"]["volumes"]}
    # An update would wait for ever for a standby to lead.
    assert container["readinessProbe"]["httpGet"]["path"] == "/ready?standby=true"


def test_a_namespaced_install_has_no_right_in_the_whole_cluster_but_the_settings() -> None:
    bindings = [it for it in rendered("overlays/namespaced") if it["kind"] == "ClusterRoleBinding"]
    assert [each["roleRef"]["name"] for each in bindings] == ["kubekuma-settings"]
