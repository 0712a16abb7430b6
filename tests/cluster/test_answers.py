"""The embedded API answers as the real machinery does: codes, reasons, causes, warnings, bodies."""

import json
import re
from typing import Any, Final

import attrs
import httpx
import pytest
from support.clusters import Cluster
from support.clusters_differences import DIFFERENCES, WORDS
from support.clusters_requests import STORIES, Step

pytestmark = pytest.mark.cluster


@attrs.frozen
class Said:
    """An answer without what differs from run to run."""

    code: int
    warnings: tuple[str, ...]
    body: Any

    @property
    def kind(self) -> tuple[int, Any]:
        """Code and, of a refusal, reason."""
        return self.code, self.body.get("reason") if isinstance(self.body, dict) else None


@pytest.mark.parametrize("story", STORIES)
async def test_both_servers_tell_the_same(both: tuple[Cluster, Cluster], story: str) -> None:
    embedded, real = [[await answer(cluster, step) for step in STORIES[story]] for cluster in both]
    if story in DIFFERENCES:
        assert embedded != real, f"there is no difference any more: {DIFFERENCES[story]}"
        if DIFFERENCES[story] == WORDS:
            assert [each.kind for each in embedded] == [each.kind for each in real]
    else:
        assert embedded == real


async def answer(cluster: Cluster, step: Step) -> Said:
    headers = {"accept": "application/json", **step.headers}
    if step.body is not None:
        headers["content-type"] = step.type
    got = await cluster.client.request(
        step.method,
        step.path.replace("{ns}", cluster.namespace),
        content=step.content,
        headers=headers,
    )
    warnings = tuple(got.headers.get_list("warning"))
    return Said(code=got.status_code, warnings=warnings, body=neutral(cluster, got))


_VARYING: Final = (
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UID"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME"),
    (r'"resourceVersion": "\d+"', '"resourceVersion": "N"'),
    (r"(object meta|current): \d+", r"\1: N"),
    (r"record \(\d+\)", "record (N)"),
    (r"A_[a-z0-9]{5}", "A_GENERATED"),
    (r'"cells": \[(.*?)"\d+s"\]', r'"cells": [\1"AGE"]'),
)


def neutral(cluster: Cluster, got: httpx.Response) -> Any:
    """The body without times, versions and identities."""
    try:
        text = json.dumps(got.json(), sort_keys=True)
    except ValueError:
        return got.text.strip()
    text = text.replace(cluster.namespace, "NAMESPACE")
    for pattern, instead in _VARYING:
        text = re.sub(pattern, instead, text)
    value = json.loads(text)
    if isinstance(value, dict) and value.get("kind") == "Table":
        value["columnDefinitions"][0].pop("description")
    if isinstance(value, dict) and value.get("reason") == "Invalid":
        _sort_causes(value)
    return value


def _sort_causes(status: dict[str, Any]) -> None:
    # In which order mistakes are found is left to chance, and some are found twice.
    details = status.get("details") or {}
    if causes := details.get("causes"):
        unique = {json.dumps(each, sort_keys=True) for each in causes}
        details["causes"] = [json.loads(each) for each in sorted(unique)]
        head, is_list, listed = status["message"].partition(": [")
        if is_list:
            status["message"] = head, sorted(re.split(r", (?=[a-z<])", listed.removesuffix("]")))
