"""Every sample is taken, in every way that kubectl has to bring it."""

from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from support.clusters import Cluster

pytestmark = pytest.mark.cluster

FOLDER: Final = Path(__file__).parents[2] / "manifests/samples"
SAMPLES: Final = sorted(FOLDER.rglob("*.yaml"))
SETTINGS: Final = "KubeKumaSettings"


@pytest.fixture
def samples(cluster: Cluster) -> str:
    """All samples in the namespace of the test; a given cluster keeps its settings."""
    found = [
        here(document, cluster)
        for path in SAMPLES
        for document in yaml.safe_load_all(path.read_text())
        if document and document["kind"] != "Namespace"
    ]
    if cluster.server.which == "given":
        found = [each for each in found if each["kind"] != SETTINGS]
    return str(yaml.safe_dump_all(found))


def here(document: dict[str, Any], cluster: Cluster) -> dict[str, Any]:
    if document["kind"] != SETTINGS:
        document["metadata"]["namespace"] = cluster.namespace
    return document


def outcomes(said: str) -> set[str]:
    """What became of the objects, each on a line of its own: created, configured ..."""
    return {line.partition(" ")[2] for line in said.splitlines()}


async def generations(cluster: Cluster) -> set[str]:
    said = await cluster.kubectl(
        "get", "kubekuma", "-o", "jsonpath={.items[*].metadata.generation}"
    )
    return set(said.split())


async def test_a_dry_run_takes_every_sample_and_stores_none(cluster: Cluster, samples: str) -> None:
    said = await cluster.kubectl("apply", "--dry-run=server", "-f", "-", stdin=samples)
    settled = {"created (server dry run)", "configured (server dry run)"}
    assert outcomes(said) <= {*settled, "unchanged (server dry run)"}
    said = await cluster.kubectl("get", "monitors", "-o", "name")
    assert said == ""


async def test_samples_are_applied_by_the_client_once_and_for_all(
    cluster: Cluster, samples: str
) -> None:
    await cluster.kubectl("apply", "-f", "-", stdin=samples)
    assert await generations(cluster) == {"1"}
    # Lists of entries with defaults are sent again, and change nothing.
    said = await cluster.kubectl("apply", "-f", "-", stdin=samples)
    assert outcomes(said) <= {"unchanged", "configured"}
    assert await generations(cluster) == {"1"}
    assert (await cluster.kubectl.run("diff", "-f", "-", stdin=samples)).out == ""


async def test_samples_are_applied_by_the_server_once_and_for_all(
    cluster: Cluster, samples: str
) -> None:
    apply = ("apply", "--server-side", "--force-conflicts", "-f", "-")
    assert outcomes(await cluster.kubectl(*apply, stdin=samples)) == {"serverside-applied"}
    versions = ("get", "kubekuma", "-o", "jsonpath={.items[*].metadata.resourceVersion}")
    before = await cluster.kubectl(*versions)
    await cluster.kubectl(*apply, stdin=samples)
    assert await cluster.kubectl(*versions) == before
    assert (await cluster.kubectl.run("diff", "--server-side", "-f", "-", stdin=samples)).code == 0
    for each in yaml.safe_load_all(samples):
        if each["kind"] in {"Monitor", "StatusPage"}:
            continue
        described = await cluster.kubectl("describe", each["kind"], each["metadata"]["name"])
        assert each["metadata"]["name"] in described
        break
    await cluster.kubectl("delete", "--wait=false", "-f", "-", stdin=samples)
    assert await cluster.kubectl("get", "kubekuma", "-o", "name") == ""
