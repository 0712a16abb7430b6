"""The rules for metadata, one row for each."""

from typing import Any

import pytest
from support.embedded import widgets_definition

from kubekuma.standalone.builtins import BUILTINS
from kubekuma.standalone.definitions import custom_resources
from kubekuma.standalone.metadata import finalizer_warnings, metadata_problems

(WIDGETS,) = custom_resources(widgets_definition())
NAMESPACES = next(each for each in BUILTINS if each.kind == "Namespace")
ROLES = next(each for each in BUILTINS if each.kind == "Role")
OWNER = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}


def problems(metadata: dict[str, Any], old: Any = None, resource: Any = WIDGETS) -> list[str]:
    return [str(each) for each in metadata_problems(resource, {"name": "a", **metadata}, old)]


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"name": "a.b-c.9"},
        {"name": "x" * 253},
        {"generateName": "a-"},
        {"labels": {"a": "", "example.org/a.b_c": "X-1_y.z"}},
        {"annotations": {"Example.Org/A": "anything ✓", "a": ""}},
        {"finalizers": ["example.org/hold", "orphan"]},
        {"ownerReferences": [OWNER, {**OWNER, "uid": "v", "controller": True}]},
    ],
)
def test_what_is_in_order(metadata: dict[str, Any]) -> None:
    assert problems(metadata) == []


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"name": ""}, "metadata.name: Required value: name or generateName is required"),
        ({"name": "A"}, 'metadata.name: Invalid value: "A": a lowercase RFC 1123 subdomain'),
        ({"name": "x" * 254}, "must be no more than 253 characters"),
        ({"name": "a-x", "generateName": "A-"}, 'metadata.generateName: Invalid value: "A-"'),
        ({"labels": {"a b": ""}}, 'metadata.labels: Invalid value: "a b": name part must consist'),
        ({"labels": {"/a": ""}}, "prefix part must be non-empty"),
        ({"labels": {"A/a": ""}}, "prefix part a lowercase RFC 1123 subdomain"),
        ({"labels": {"a/b/c": ""}}, "a valid label key must consist of"),
        ({"labels": {"x" * 64: ""}}, "name part must be no more than 63 bytes"),
        ({"labels": {"a": "b c"}}, 'metadata.labels: Invalid value: "b c": a valid label must be'),
        ({"labels": {"a": "x" * 64}}, "must be no more than 63 bytes"),
        ({"annotations": {"a b": ""}}, 'metadata.annotations: Invalid value: "a b": name part'),
        (
            {"annotations": {"a": "x" * 262144}},
            "metadata.annotations: Too long: may not be more than 262144 bytes",
        ),
        ({"finalizers": ["a b"]}, 'metadata.finalizers: Invalid value: "a b": name part'),
        (
            {"ownerReferences": [{**OWNER, "uid": ""}]},
            'metadata.ownerReferences.uid: Invalid value: "": must not be empty',
        ),
        (
            {"ownerReferences": [{**OWNER, "apiVersion": "g/"}]},
            'metadata.ownerReferences.apiVersion: Invalid value: "g/": version must not be empty',
        ),
        (
            {"ownerReferences": [{**OWNER, "controller": True}, {**OWNER, "controller": True}]},
            'Found "true" in references for Pod/p and Pod/p',
        ),
    ],
)
def test_what_is_not(metadata: dict[str, Any], expected: str) -> None:
    (said,) = problems(metadata)
    assert expected in said


def test_names_of_namespaces_and_roles_have_rules_of_their_own() -> None:
    assert "must not contain dots" in problems({"name": "a.b"}, resource=NAMESPACES)[0]
    assert "RFC 1123 label" in problems({"name": "a_b"}, resource=NAMESPACES)[0]
    assert "63 characters" in problems({"name": "x" * 64}, resource=NAMESPACES)[0]
    assert problems({"name": "system:basic-user"}, resource=ROLES) == []
    assert problems({"name": "a/b"}, resource=ROLES) == [
        "metadata.name: Invalid value: \"a/b\": may not contain '/'"
    ]


def test_what_is_being_deleted_gets_no_new_finalizers() -> None:
    held = {"finalizers": ["g/a"], "deletionTimestamp": "2026-01-01T00:00:00Z"}
    assert problems({"finalizers": ["g/a"]}, held) == []
    assert problems({"finalizers": []}, held) == []
    (said,) = problems({"finalizers": ["g/a", "g/c", "g/b"]}, held)
    assert said.endswith('found new finalizers []string{"g/b", "g/c"}')
    assert problems({"finalizers": ["g/b"]}, {"finalizers": ["g/a"]}) == []


def test_a_name_is_not_asked_again() -> None:
    # What a former version took stays writable.
    assert problems({"name": "A"}, {"name": "A"}) == []


def test_finalizers_without_a_domain_are_warned_of() -> None:
    assert finalizer_warnings({"finalizers": ["g/a", "orphan", "foregroundDeletion"]}) == ()
    (said,) = finalizer_warnings({"finalizers": ["mine"]})
    assert said.startswith('metadata.finalizers: "mine": prefer a domain-qualified finalizer name')
