"""What schema and CEL can refuse of tests/golden/invalid is refused, in the same words everywhere.

``golden/refusals.yaml`` tells for each file what the API server says, or that it takes it: what it
takes, ``kubekuma validate`` and the condition Valid refuse. Written anew by

    KUBEKUMA_WRITE_GOLDEN=1 pytest tests/cluster/test_refusals.py
"""

import json
import os
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from support.clusters import Cluster, cluster_of

pytestmark = pytest.mark.cluster

ROOT: Final = Path(__file__).parents[2]
INVALID: Final = sorted((ROOT / "tests/golden/invalid").glob("*.yaml"))
GOLDEN: Final = Path(__file__).parent / "golden" / "refusals.yaml"
GROUP: Final = "monitoring.kubekuma.io/v1"
TAKEN: Final = "taken"
# Files that are no objects of ours, or not in the namespace of the request.
UNSENT: Final = "not sent"

WRITE: Final = "KUBEKUMA_WRITE_GOLDEN"


def documents(path: Path) -> list[Any]:
    """What is in the file; nothing if that is no YAML."""
    try:
        return [each for each in yaml.safe_load_all(path.read_text()) if each]
    except yaml.YAMLError:
        return []


async def answer(cluster: Cluster, path: Path) -> str | list[str]:
    """What the server says to the objects in ``path``: one line for each mistake, sorted."""
    found = documents(path)
    if not found:
        return UNSENT
    said: list[str] = []
    for each in found:
        try:
            place = await cluster.path(each["apiVersion"], each["kind"])
        except (LookupError, TypeError):
            return UNSENT
        if "namespaces" in place:
            each.get("metadata", {}).pop("namespace", None)
        params = {"dryRun": "All", "fieldValidation": "Strict"}
        # Dates, which YAML knows and JSON does not, go as they are written.
        got = await cluster.client.post(place, params=params, content=json.dumps(each, default=str))
        if not got.is_success:
            said.extend(told(got.json()))
    return sorted(said) or TAKEN


def told(status: dict[str, Any]) -> list[str]:
    """The causes of a refusal, or its message if it has none."""
    causes = (status.get("details") or {}).get("causes")
    if not causes:
        return [status["message"]]
    return sorted({f"{each['field']}: {each['message']}" for each in causes})


def golden() -> dict[str, Any]:
    return dict(yaml.safe_load(GOLDEN.read_text())) if GOLDEN.exists() else {}


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.stem)
async def test_the_same_is_refused_everywhere(cluster: Cluster, path: Path) -> None:
    if os.environ.get(WRITE):
        pytest.skip(f"{WRITE} is set")
    known = golden()
    assert path.stem in known, f"{path.name} is new: run with {WRITE}=1"
    assert await answer(cluster, path) == known[path.stem]


def test_the_golden_file_lists_no_file_that_has_gone() -> None:
    assert set(golden()) <= {path.stem for path in INVALID}


@pytest.mark.skipif(not os.environ.get(WRITE), reason=f"{WRITE} is not set")
async def test_write_what_the_real_machinery_says(servers: Any, tmp_path: Path) -> None:
    async with cluster_of(servers.get("real"), tmp_path) as cluster:
        said = {path.stem: await answer(cluster, path) for path in INVALID}
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(yaml.safe_dump(said, sort_keys=True, width=1000, allow_unicode=True))
