"""Decisions by what is stored: they follow every write, and answer what one may do."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.embedded import OPTIONS, running_api

from kubekuma.standalone.access import Access
from kubekuma.standalone.api import Api
from kubekuma.standalone.errors import ApiError
from kubekuma.standalone.feed import Key
from kubekuma.standalone.policy import RBAC
from kubekuma.standalone.rbac import Action, User
from kubekuma.standalone.users import OWNER

ANN = User(name="ann", groups=("system:authenticated",))
GET = Action(verb="get", group="g", resource="things", namespace="default", name="a")
RULE = {"apiGroups": ["g"], "resources": ["things"], "verbs": ["get"]}
ROLE = {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": {"name": "r"}, "rules": [RULE]}
BINDING = {
    "apiVersion": f"{RBAC}/v1",
    "kind": "RoleBinding",
    "metadata": {"name": "b"},
    "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": "r"},
    "subjects": [{"apiGroup": RBAC, "kind": "User", "name": "ann"}],
}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(tmp_path) as running:
        yield running


async def store(api: Api, *objects: dict[str, Any]) -> None:
    for each in objects:
        resource = api.catalog.find_kind(each["apiVersion"], each["kind"])
        assert resource is not None
        key = Key("default" if resource.namespaced else "", each["metadata"]["name"])
        await api.apply(resource, key, each, OPTIONS)


async def test_a_decision_follows_the_last_write(api: Api) -> None:
    access = Access(api.store)
    with pytest.raises(ApiError, match='User "ann" cannot get resource "things"'):
        access.require(ANN, GET)
    await store(api, ROLE, BINDING)
    access.require(ANN, GET)
    await store(api, {**ROLE, "rules": []})
    with pytest.raises(ApiError):
        access.require(ANN, GET)
    access.require(OWNER, GET)


async def test_a_review_answers_for_who_asks(api: Api) -> None:
    access = Access(api.store)
    await store(api, ROLE, BINDING)
    attributes = {"verb": "get", "group": "g", "resource": "things", "namespace": "default"}
    assert access.review(ANN, {"resourceAttributes": attributes}) == {"allowed": True}
    other = {**attributes, "verb": "list"}
    assert access.review(ANN, {"resourceAttributes": other}) == {"allowed": False}
    assert access.review(OWNER, {"resourceAttributes": other}) == {"allowed": True}
    path = {"nonResourceAttributes": {"verb": "get", "path": "/x"}}
    assert access.review(ANN, path) == {"allowed": False}
    for wrong in ({}, {**path, "resourceAttributes": attributes}, {"resourceAttributes": "x"}):
        with pytest.raises(ApiError, match="exactly one of"):
            access.review(ANN, wrong)


async def test_what_one_may_do_is_listed(api: Api) -> None:
    access = Access(api.store)
    await store(api, ROLE, BINDING)
    listed = access.listed(ANN, "default")
    assert listed["resourceRules"] == [RULE]
    assert (listed["nonResourceRules"], listed["incomplete"]) == ([], False)
    assert access.listed(ANN, "other")["resourceRules"] == []
    with pytest.raises(ApiError, match="no namespace"):
        access.listed(ANN, "")


async def test_who_is_allowed_to_acts_as_another(api: Api) -> None:
    access = Access(api.store)
    assert access.impersonated(ANN, "", []) == ANN
    bob = access.impersonated(OWNER, "bob", ["g"])
    assert bob == User(name="bob", groups=("g", "system:authenticated"))
    robot = access.impersonated(OWNER, "system:serviceaccount:ns:robot", [])
    assert robot.groups == (
        "system:serviceaccounts",
        "system:serviceaccounts:ns",
        "system:authenticated",
    )
    with pytest.raises(ApiError, match='cannot impersonate resource "users"'):
        access.impersonated(ANN, "bob", [])
    with pytest.raises(ApiError, match='cannot impersonate resource "serviceaccounts"'):
        access.impersonated(ANN, "system:serviceaccount:ns:robot", [])
    with pytest.raises(ApiError, match="without a user"):
        access.impersonated(OWNER, "", ["g"])
