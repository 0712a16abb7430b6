"""What the overlay ui-writes lets KubeKuma write for people, and that nothing else does."""

import copy
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest
import trio
import yaml
from support.clusters import APPLY, Account, Cluster
from support.installed import MANIFESTS, RBAC, Object, Right, rendered, rights_of, roles_of

from kubekuma.model.kinds import KINDS
from kubekuma.model.meta import API_VERSION, GROUP

pytestmark = pytest.mark.cluster

HOME = "monitoring"
FOR_PEOPLE = ("kubekuma-ui", "kubekuma-ui-secrets")
SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "token", "namespace": HOME},
    "stringData": {"token": "t0ken"},
}


def _samples() -> Iterator[tuple[str, Object]]:
    for file in sorted((MANIFESTS / "samples").glob("*.yaml")):
        for each in yaml.safe_load_all(file.read_text()):
            each["metadata"].pop("namespace", None)
            yield each["kind"], each


# One of each kind.
SAMPLES = dict(_samples())


class Act(NamedTuple):
    """A request, and the rights that it needs."""

    method: str
    path: str
    body: Object | None
    rights: frozenset[Right]


def acts() -> list[Act]:
    """What somebody does in the UI: write, look at and delete one of each kind."""
    found = []
    for kind in KINDS:
        space = f"/namespaces/{HOME}" if kind.namespaced else ""
        # Whether somebody may create it is asked last, after all that may be wrong with it.
        named = SAMPLES[kind.name]
        path = f"/apis/{API_VERSION}{space}/{kind.plural}/{named['metadata']['name']}"
        for method, body, verbs in (
            ("PATCH", named, ("create", "patch")),
            ("GET", None, ("get",)),
            ("DELETE", None, ("delete",)),
        ):
            rights = frozenset(Right(GROUP, kind.plural, verb) for verb in verbs)
            found.append(Act(method, path, body, rights))
    path = f"/api/v1/namespaces/{HOME}/secrets/token"
    made = frozenset({Right("", "secrets", "create"), Right("", "secrets", "patch")})
    return [*found, Act("PATCH", path, SECRET, made)]


@asynccontextmanager
async def installed(cluster: Cluster, objects: list[Object]) -> AsyncIterator[Account]:
    """The rights that ``objects`` give; yields who has them."""
    rights = [each for each in objects if each["kind"] in RBAC]
    listed = {"apiVersion": "v1", "kind": "List", "items": rights}
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": HOME}}
    await cluster.apply(space)
    apply = ("apply", "--server-side", "--force-conflicts", "-f", "-")
    await cluster.kubectl(*apply, stdin=listed)
    await cluster.client.delete(f"/apis/{API_VERSION}/kubekumasettings/kubekuma")
    try:
        yield await cluster.user(f"system:serviceaccount:{HOME}:kubekuma")
    finally:
        with trio.CancelScope(shield=True):
            await cluster.kubectl("delete", "--ignore-not-found", "-f", "-", stdin=listed)
            await cluster.client.delete(f"/api/v1/namespaces/{HOME}/secrets/token")


async def refused(account: Account, act: Act) -> bool:
    """Whether the rights for ``act`` are missing; what it asks for need not be valid."""
    answer = await account.client.request(
        act.method,
        act.path,
        # A dry run takes every step but the last: nothing is changed for other tests.
        params={"dryRun": "All", "fieldManager": "kubekuma-ui", "force": "true"}
        if act.method == "PATCH"
        else {"dryRun": "All"}
        if act.method == "DELETE"
        else {},
        content=json.dumps(act.body) if act.body else None,
        headers={"content-type": APPLY} if act.body else {},
    )
    return answer.status_code == 403


def without(objects: list[Object], verb: str, role: str) -> list[Object]:
    changed = copy.deepcopy(objects)
    for each in changed:
        if each["metadata"]["name"] == role and "rules" in each:
            for rule in each["rules"]:
                rule["verbs"].remove(verb)
    return changed


@pytest.mark.parametrize("server", ["real"], indirect=True)
async def test_what_people_do_is_allowed_and_uses_every_right(cluster: Cluster) -> None:
    objects = rendered("overlays/ui-writes")
    given = {
        right
        for role in roles_of(objects)
        if role["metadata"]["name"] in FOR_PEOPLE
        for rule in role["rules"]
        for right in rights_of(rule)
    }
    async with installed(cluster, objects) as account:
        assert [act for act in acts() if await refused(account, act)] == []
    assert frozenset().union(*(act.rights for act in acts())) == given


VERBS = [
    *(("kubekuma-ui", verb) for verb in ("get", "create", "patch", "delete")),
    *(("kubekuma-ui-secrets", verb) for verb in ("create", "patch")),
]


@pytest.mark.parametrize("server", ["real"], indirect=True)
@pytest.mark.parametrize(("role", "verb"), VERBS)
async def test_without_a_verb_what_needs_it_is_refused(
    cluster: Cluster, role: str, verb: str
) -> None:
    objects = without(rendered("overlays/ui-writes"), verb, role)
    group = "" if role.endswith("secrets") else GROUP
    async with installed(cluster, objects) as account:
        for act in acts():
            # KubeKuma reads resources anyway, to watch them.
            needs = any((right.group, right.verb) == (group, verb) for right in act.rights)
            expected = needs and (verb != "get" or not _may_read(objects, act))
            assert await refused(account, act) is expected, act


def _may_read(objects: list[Object], act: Act) -> bool:
    rights: set[Right] = set()
    for role in roles_of(objects):
        for rule in role["rules"]:
            rights |= set(rights_of(rule))
    return act.rights <= rights


@pytest.mark.parametrize("server", ["real"], indirect=True)
@pytest.mark.parametrize("folder", ["base", "overlays/gitops", "overlays/postgresql"])
async def test_otherwise_nothing_can_be_written(cluster: Cluster, folder: str) -> None:
    async with installed(cluster, rendered(folder)) as account:
        written: list[Any] = [act for act in acts() if act.method != "GET"]
        assert [act for act in written if not await refused(account, act)] == []
