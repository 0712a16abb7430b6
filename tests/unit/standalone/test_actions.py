"""What a request wants to do, by its method and path."""

from typing import Any

import pytest

from kubekuma.standalone.actions import action_of
from kubekuma.standalone.rbac import Action

HERE: dict[str, Any] = {"group": "g", "resource": "things", "namespace": "here"}


@pytest.mark.parametrize(
    ("method", "path", "query", "expected"),
    [
        ("GET", "/apis/g/v1/namespaces/here/things/a", {}, {**HERE, "verb": "get", "name": "a"}),
        ("HEAD", "/apis/g/v1/namespaces/here/things/a", {}, {**HERE, "verb": "get", "name": "a"}),
        ("PUT", "/apis/g/v1/namespaces/here/things/a", {}, {**HERE, "verb": "update", "name": "a"}),
        (
            "PATCH",
            "/apis/g/v1/namespaces/here/things/a/status",
            {},
            {**HERE, "verb": "patch", "name": "a", "subresource": "status"},
        ),
        ("GET", "/apis/g/v1/namespaces/here/things", {}, {**HERE, "verb": "list"}),
        ("GET", "/apis/g/v1/namespaces/here/things", {"watch": "1"}, {**HERE, "verb": "watch"}),
        ("GET", "/apis/g/v1/namespaces/here/things", {"watch": "0"}, {**HERE, "verb": "list"}),
        ("GET", "/apis/g/v1/namespaces/here/things", {"watch": ""}, {**HERE, "verb": "watch"}),
        (
            "GET",
            "/apis/g/v1/namespaces/here/things",
            {"fieldSelector": "x=1,metadata.name=a"},
            {**HERE, "verb": "list", "name": "a"},
        ),
        (
            "GET",
            "/apis/g/v1/namespaces/here/things",
            {"fieldSelector": "metadata.name!=a"},
            {**HERE, "verb": "list"},
        ),
        ("POST", "/apis/g/v1/namespaces/here/things", {}, {**HERE, "verb": "create"}),
        ("DELETE", "/apis/g/v1/namespaces/here/things", {}, {**HERE, "verb": "deletecollection"}),
        (
            "DELETE",
            "/apis/g/v1/namespaces/here/things/a",
            {},
            {**HERE, "verb": "delete", "name": "a"},
        ),
        ("GET", "/apis/g/v1/things", {}, {**HERE, "verb": "list", "namespace": ""}),
        ("GET", "/api/v1/pods", {}, {"verb": "list", "resource": "pods"}),
        ("GET", "/api/v1/namespaces", {}, {"verb": "list", "resource": "namespaces"}),
        (
            "GET",
            "/api/v1/namespaces/here",
            {},
            {"verb": "get", "resource": "namespaces", "namespace": "here", "name": "here"},
        ),
        (
            "PUT",
            "/api/v1/namespaces/here/finalize",
            {},
            {
                "verb": "update",
                "resource": "namespaces",
                "subresource": "finalize",
                "namespace": "here",
                "name": "here",
            },
        ),
        ("GET", "/apis/g/v1", {}, {"verb": "get", "path": "/apis/g/v1"}),
        ("GET", "/api", {}, {"verb": "get", "path": "/api"}),
        ("POST", "/version/", {}, {"verb": "post", "path": "/version/"}),
        ("GET", "/", {}, {"verb": "get", "path": "/"}),
    ],
)
def test_a_method_on_a_path_means(
    method: str, path: str, query: dict[str, str], expected: dict[str, str]
) -> None:
    assert action_of(method, path, query) == Action(**expected)


@pytest.mark.parametrize("selector", ["metadata.name=a,metadata.name=b", "metadata.name=a,"])
def test_a_name_that_is_selected_twice_is_never_more_than_one(selector: str) -> None:
    asked = action_of("GET", "/apis/g/v1/things", {"fieldSelector": selector})
    assert asked.name in {"", "a"}
