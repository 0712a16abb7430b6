"""Every kubectl command in README, docs and manifests can be typed as it stands there."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from support.clusters import Cluster

pytestmark = pytest.mark.cluster

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
MANIFESTS: Final = sorted((ROOT / "manifests").rglob("*.yaml"))

_IN_PAGES: Final = re.compile(r"^kubectl [^#\n]+|`(kubectl [^`]+)`", re.MULTILINE)
_IN_MANIFESTS: Final = re.compile(r"^# +(kubectl [^#\n]+)", re.MULTILINE)
# What is mentioned rather than typed: `kubectl get`.
_MENTION: Final = 2


# They need a pod that runs, and there is none here.
_PODS: Final = frozenset({"exec", "cp", "scale", "rollout", "logs"})


def documented() -> Iterator[tuple[str, ...]]:
    for pattern, paths in ((_IN_PAGES, PAGES), (_IN_MANIFESTS, MANIFESTS)):
        for path in paths:
            for match in pattern.finditer(path.read_text()):
                words = tuple(shlex.split(match.group(1) or match.group(0)))
                if len(words) > _MENTION and "…" not in words and not _PODS.intersection(words):
                    yield words[1:]


COMMANDS: Final = sorted(set(documented()))


def here(words: tuple[str, ...], cluster: Cluster, folder: Path) -> list[str]:
    """The command in the namespace of the test, and with the files that it names."""
    found = []
    previous = ""
    for word in words:
        if previous in {"-n", "--namespace", "namespace"}:
            found.append(cluster.namespace)
        elif "/" in word and (ROOT / word).exists():
            found.append(str(ROOT / word))
        elif word.startswith("--from-file="):
            option, _, name = word.rpartition("=")
            (folder / name).write_text("x")
            found.append(f"{option}={folder / name}")
        else:
            found.append(word)
        previous = word
    return found


@pytest.fixture
async def furnished(cluster: Cluster) -> Cluster:
    """A namespace with what the commands are about."""
    head: dict[str, Any] = {"metadata": {"name": "kubekuma"}}
    lease = {**head, "apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
    monitors = [
        document
        for path in MANIFESTS
        if path.parent.name in {"quickstart", "samples"}
        for document in yaml.safe_load_all(path.read_text())
        if document and document["kind"] == "Monitor"
    ]
    for each in monitors:
        each["metadata"].pop("namespace", None)
    await cluster.apply({**lease, "spec": {"holderIdentity": "x"}}, *monitors)
    return cluster


def test_there_are_commands_to_type() -> None:
    assert ("get", "monitors", "-A") in COMMANDS
    assert any(words[:2] == ("apply", "--server-side") for words in COMMANDS)


async def test_every_command_can_be_typed(furnished: Cluster, tmp_path: Path) -> None:
    for words in COMMANDS:
        await furnished.kubectl(*here(words, furnished, tmp_path))
