"""The verbs: what is stored, refused and left alone."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from support.embedded import (
    OPTIONS,
    Verbs,
    eventually,
    running_api,
    verbs,
    widget,
    widgets_definition,
)

from kubekuma.standalone.api import Api
from kubekuma.standalone.errors import ApiError
from kubekuma.standalone.feed import Key
from kubekuma.standalone.patches import merge_patch


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(tmp_path) as running:
        yield running


@pytest.fixture
def widgets(api: Api) -> Verbs:
    return verbs(api)


async def patch(widgets: Verbs, name: str, change: Any, **options: Any) -> None:
    edit = lambda value: merge_patch(value, change)  # noqa: E731 (a name for the argument)
    changed = attrs.evolve(OPTIONS, field_validation="Warn")
    await widgets.api.patch(widgets.resource, widgets.key(name), edit, changed, **options)


def at(value: dict[str, Any], revision: str) -> dict[str, Any]:
    return {**value, "metadata": {**value["metadata"], "resourceVersion": revision}}


async def gone(verbs_of_kind: Verbs, name: str) -> None:
    await eventually(lambda: name not in verbs_of_kind.names())


async def test_a_new_object_gets_what_only_the_server_gives(widgets: Verbs) -> None:
    body = widget("a")
    body["metadata"] |= {"uid": "mine", "generation": 9, "creationTimestamp": None, "selfLink": "x"}
    made = await widgets.create({**body, "status": {"state": "Up"}})
    metadata = made["metadata"]
    assert metadata["generation"] == 1
    assert metadata["namespace"] == "default"
    assert metadata["creationTimestamp"] == "2026-01-02T03:04:05Z"
    assert metadata["uid"] != "mine"
    assert "selfLink" not in metadata
    assert "status" not in made
    assert made["spec"]["color"] == "red"
    assert metadata["managedFields"][0]["manager"] == "tester"
    assert widgets.get("a") == made


async def test_a_name_is_made_of_generate_name(widgets: Verbs) -> None:
    body = {**widget(""), "metadata": {"generateName": "w-"}}
    first, second = [(await widgets.create(body))["metadata"]["name"] for _ in range(2)]
    assert first.startswith("w-")
    assert len(first) == 7
    assert first != second


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"metadata": {"name": "a"}}, 409, 'widgets.example.org "a" already exists'),
        ({"metadata": {}}, 422, "metadata.name: Required value: name or generateName is required"),
        ({"metadata": {"name": "A_b"}}, 422, "a lowercase RFC 1123 subdomain"),
        ({"metadata": {"name": "x" * 254}}, 422, "must be no more than 253 characters"),
        ({"metadata": {"name": "b", "labels": {"x": "?"}}}, 422, "a valid label must be"),
        ({"metadata": {"name": "b", "labels": {"x": 1}}}, 400, "must be of type string"),
        ({"metadata": {"name": "b", "namespace": "other"}}, 400, "does not match the namespace"),
        ({"metadata": {"name": "b", "resourceVersion": "3"}}, 400, "should not be set"),
        ({"metadata": {"name": "b"}, "spec": {}}, 422, "spec.size: Required value"),
        ({"metadata": {"name": "b"}, "spec": {"size": 0}}, 422, "greater than or equal to 1"),
        ({"metadata": {"name": "b"}, "spec": {"size": 100}}, 422, "size must be less than 100"),
        ({"metadata": {"name": "b"}, "kind": "Gadget"}, 422, "must be Widget"),
        ({"metadata": {"name": "b"}, "extra": 1}, 400, 'unknown field "extra"'),
    ],
)
async def test_refuses_to_create(
    widgets: Verbs, change: dict[str, Any], code: int, words: str
) -> None:
    await widgets.create(widget("a"))
    with pytest.raises(ApiError) as refused:
        await widgets.create({**widget("b"), **change})
    assert refused.value.code == code
    assert words in refused.value.message
    assert widgets.names() == ["a"]


async def test_all_causes_are_told_at_once(widgets: Verbs) -> None:
    with pytest.raises(ApiError) as refused:
        await widgets.create(widget("a", size="big", color=3, parts=[{"name": "p"}, {"name": "p"}]))
    details = refused.value.details
    assert details is not None
    fields = {(cause["field"], cause["reason"]) for cause in details["causes"]}
    assert fields == {
        ("spec.size", "FieldValueTypeInvalid"),
        ("spec.color", "FieldValueTypeInvalid"),
        ("spec.parts[1]", "FieldValueDuplicate"),
        # That rules were not asked.
        ("<nil>", "FieldValueInvalid"),
    }
    assert details["group"] == "example.org"


async def test_unknown_fields_are_refused_warned_of_or_ignored(widgets: Verbs) -> None:
    body = {**widget("a"), "spec": {"size": 1, "sise": 2}}
    made = await widgets.api.create(
        widgets.resource, "default", body, attrs.evolve(OPTIONS, field_validation="Warn")
    )
    assert made.warnings == ('unknown field "spec.sise"',)
    assert "sise" not in widgets.get("a")["spec"]
    body["metadata"]["name"] = "b"
    ignored = attrs.evolve(OPTIONS, field_validation="Ignore")
    assert not (await widgets.api.create(widgets.resource, "default", body, ignored)).warnings
    with pytest.raises(ApiError, match='duplicate field "spec"'):
        await widgets.create(widget("c"), twice=("spec",))


async def test_an_update_needs_the_version_it_was_made_from(widgets: Verbs) -> None:
    made = await widgets.create(widget("a"))
    with pytest.raises(ApiError, match="must be specified for an update") as refused:
        await widgets.replace(widget("a", size=2))
    assert refused.value.code == 422
    changed = await widgets.replace(at(widget("a", size=2), made["metadata"]["resourceVersion"]))
    assert changed["metadata"]["uid"] == made["metadata"]["uid"]
    with pytest.raises(ApiError, match="the object has been modified") as refused:
        await widgets.replace(at(widget("a", size=3), made["metadata"]["resourceVersion"]))
    assert (refused.value.code, refused.value.reason) == (409, "Conflict")
    other = at(widget("a", size=3), changed["metadata"]["resourceVersion"])
    other["metadata"]["uid"] = "another"
    with pytest.raises(ApiError, match="UID in precondition: another"):
        await widgets.replace(other)
    with pytest.raises(ApiError, match='"b" not found'):
        await widgets.replace(at(widget("b"), "1"))


async def test_two_writers_who_have_seen_the_same_do_not_both_win(widgets: Verbs) -> None:
    version = (await widgets.create(widget("a")))["metadata"]["resourceVersion"]
    lost: list[ApiError] = []

    async def write(size: int) -> None:
        try:
            await widgets.replace(at(widget("a", size=size), version))
        except ApiError as error:
            lost.append(error)

    async with trio.open_nursery() as nursery:
        for size in range(2, 12):
            nursery.start_soon(write, size)
    assert len(lost) == 9
    assert {error.reason for error in lost} == {"Conflict"}


async def test_patches_made_at_once_all_count(widgets: Verbs) -> None:
    await widgets.create(widget("a"))

    def grow(value: dict[str, Any]) -> dict[str, Any]:
        return {**value, "spec": {**value["spec"], "size": value["spec"]["size"] + 1}}

    async def write() -> None:
        await widgets.api.patch(widgets.resource, widgets.key("a"), grow, OPTIONS)

    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(write)
    assert widgets.get("a")["spec"]["size"] == 21
    assert widgets.get("a")["metadata"]["generation"] == 21


async def test_generation_counts_what_is_wanted_only(widgets: Verbs) -> None:
    await widgets.apply(widget("a"))
    await patch(widgets, "a", {"metadata": {"labels": {"x": "y"}}})
    await patch(widgets, "a", {"status": {"state": "Up"}}, subresource="status")
    assert widgets.get("a")["metadata"]["generation"] == 1
    await patch(widgets, "a", {"spec": {"size": 2}})
    assert widgets.get("a")["metadata"]["generation"] == 2


async def test_status_and_the_rest_do_not_touch_each_other(widgets: Verbs) -> None:
    await widgets.apply(widget("a"))
    change = {"status": {"state": "Up"}, "spec": {"size": 9}, "metadata": {"labels": {"x": "y"}}}
    await patch(widgets, "a", change, subresource="status")
    found = widgets.get("a")
    assert found["status"] == {"state": "Up"}
    assert found["spec"]["size"] == 1
    assert "labels" not in found["metadata"]
    await patch(widgets, "a", {"status": {"state": "Down"}, "spec": {"size": 2}})
    await widgets.apply({**widget("a", size=2, color="blue"), "status": {"state": "Odd"}})
    found = widgets.get("a")
    assert found["status"] == {"state": "Up"}
    assert found["spec"] == {"size": 2, "color": "blue"}


async def test_writing_what_is_there_already_changes_nothing(widgets: Verbs) -> None:
    made = await widgets.apply(widget("a"))
    assert await widgets.apply(widget("a")) == made
    await patch(widgets, "a", {"spec": {"size": 1}})
    version = made["metadata"]["resourceVersion"]
    assert await widgets.replace(at(made, version)) == made


async def test_a_dry_run_shows_the_outcome_and_stores_nothing(widgets: Verbs) -> None:
    shown = await widgets.create(widget("a"), dry_run=True)
    assert shown["spec"]["color"] == "red"
    assert "resourceVersion" not in shown["metadata"]
    assert widgets.names() == []
    made = await widgets.apply(widget("a"))
    shown = await widgets.apply(widget("a", size=2), dry_run=True)
    assert shown["spec"]["size"] == 2
    assert shown["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    assert (await widgets.api.delete(widgets.resource, widgets.key("a"), dry_run=True)).gone
    assert widgets.get("a") == made
    with pytest.raises(ApiError, match="size must be less than 100"):
        await widgets.create(widget("b", size=100), dry_run=True)


async def test_transition_rules_look_back(widgets: Verbs) -> None:
    await widgets.apply(widget("a", size=90))
    with pytest.raises(ApiError, match="must not shrink by more than 50") as refused:
        await widgets.apply(widget("a", size=30))
    assert refused.value.code == 422
    await widgets.apply(widget("a", size=40))


async def test_managed_fields_may_be_set_and_reset_by_clients(widgets: Verbs) -> None:
    made = await widgets.create(widget("a"))
    owners = [{**made["metadata"]["managedFields"][0], "manager": "renamed", "operation": "Apply"}]
    renamed = at(made, made["metadata"]["resourceVersion"])
    renamed["metadata"]["managedFields"] = owners
    changed = await widgets.replace(renamed)
    assert [each["manager"] for each in changed["metadata"]["managedFields"]] == ["renamed"]
    await patch(widgets, "a", {"metadata": {"managedFields": [{}]}})
    assert "managedFields" not in widgets.get("a")["metadata"]


async def test_applied_status_is_owned_apart_from_the_rest(widgets: Verbs) -> None:
    await widgets.apply(widget("a"))
    conditions = [{"type": "Ready", "status": "True"}, {"type": "Up", "status": "False"}]
    body = {**widget("a", size=50), "status": {"conditions": conditions}}
    await widgets.apply(body, manager="controller", subresource="status")
    other = {**widget("a"), "status": {"conditions": [{"type": "Slow", "status": "True"}]}}
    await widgets.apply(other, manager="other", subresource="status")
    only = {**widget("a"), "status": {"conditions": conditions[:1]}}
    found = await widgets.apply(only, manager="controller", subresource="status")
    assert [each["type"] for each in found["status"]["conditions"]] == ["Ready", "Slow"]
    assert found["spec"]["size"] == 1
    wanted = {**widget("a"), "status": {"conditions": [{"type": "Slow", "status": "False"}]}}
    with pytest.raises(ApiError) as refused:
        await widgets.apply(wanted, manager="controller", subresource="status")
    words = (
        'conflict with "other" with subresource "status": .status.conditions[type="Slow"].status'
    )
    assert words in refused.value.message
    with pytest.raises(ApiError, match="not found"):
        await widgets.apply(widget("nope"), manager="controller", subresource="status")


async def test_applying_to_a_recreated_object_can_be_refused(widgets: Verbs) -> None:
    made = await widgets.apply(widget("a"))
    await widgets.delete("a")
    body = widget("a")
    body["metadata"]["uid"] = made["metadata"]["uid"]
    with pytest.raises(ApiError, match="UID in precondition") as refused:
        await widgets.apply(body)
    assert refused.value.code == 409


async def test_finalizers_keep_an_object_until_they_are_gone(widgets: Verbs) -> None:
    body = widget("a")
    body["metadata"]["finalizers"] = ["example.org/hold"]
    await widgets.create(body)
    marked = await widgets.delete("a")
    assert marked["metadata"]["deletionTimestamp"]
    assert marked["metadata"]["generation"] == 2
    assert await widgets.delete("a") == marked
    await patch(widgets, "a", {"metadata": {"finalizers": None}})
    assert widgets.names() == []


async def test_a_deletion_can_be_bound_to_one_version(widgets: Verbs) -> None:
    made = await widgets.create(widget("a"))
    for wrong in ({"uid": "x"}, {"resourceVersion": "1"}):
        with pytest.raises(ApiError, match="in the precondition") as refused:
            await widgets.delete("a", preconditions=wrong)
        assert refused.value.code == 409
    metadata = made["metadata"]
    right = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
    await widgets.delete("a", preconditions=right)
    assert widgets.names() == []


async def test_a_namespace_takes_everything_in_it_along(api: Api, widgets: Verbs) -> None:
    namespaces, secrets = verbs(api, "v1", "Namespace"), verbs(api, "v1", "Secret")
    made = await namespaces.create({"metadata": {"name": "blue"}})
    assert made["metadata"]["labels"] == {"kubernetes.io/metadata.name": "blue"}
    assert made["status"] == {"phase": "Active"}
    for index in range(150):
        await api.create(widgets.resource, "blue", widget(f"w{index}"), OPTIONS)
    held = widget("held")
    held["metadata"]["finalizers"] = ["example.org/hold"]
    await api.create(widgets.resource, "blue", held, OPTIONS)
    await api.create(secrets.resource, "blue", {"metadata": {"name": "s"}}, OPTIONS)
    marked = await namespaces.delete("blue")
    assert marked["status"]["phase"] == "Terminating"
    with pytest.raises(ApiError, match="because it is being terminated") as refused:
        await api.create(widgets.resource, "blue", widget("late"), OPTIONS)
    assert refused.value.code == 403
    await gone(secrets, "s")
    await gone(widgets, "w149")
    assert "blue" in namespaces.names()
    await api.patch(
        widgets.resource,
        Key("blue", "held"),
        lambda value: merge_patch(value, {"metadata": {"finalizers": None}}),
        OPTIONS,
    )
    await gone(namespaces, "blue")
    with pytest.raises(ApiError, match="may not be deleted"):
        await namespaces.delete("default")


async def test_a_definition_takes_its_objects_along(api: Api, widgets: Verbs) -> None:
    await widgets.create(widget("a"))
    definitions = verbs(api, "apiextensions.k8s.io/v1", "CustomResourceDefinition")
    await definitions.delete("widgets.example.org")
    await gone(definitions, "widgets.example.org")
    assert widgets.names() == []
    assert api.catalog.find_kind("example.org/v1", "Widget") is None


async def test_what_was_being_deleted_is_deleted_after_a_restart(tmp_path: Path) -> None:
    async with running_api(tmp_path) as api:
        held = widget("held")
        held["metadata"]["finalizers"] = ["example.org/hold"]
        await verbs(api, "v1", "Namespace").create({"metadata": {"name": "blue"}})
        await api.create(verbs(api).resource, "blue", held, OPTIONS)
        await verbs(api, "v1", "Namespace").delete("blue")
    async with running_api(tmp_path) as api:
        resource, key = verbs(api).resource, Key("blue", "held")
        change: dict[str, Any] = {"metadata": {"finalizers": []}}
        await api.patch(resource, key, lambda value: merge_patch(value, change), OPTIONS)
        await gone(verbs(api, "v1", "Namespace"), "blue")


async def test_a_changed_definition_changes_what_is_served(api: Api, widgets: Verbs) -> None:
    definitions = verbs(api, "apiextensions.k8s.io/v1", "CustomResourceDefinition")
    two = widgets_definition(name="v2", additionalPrinterColumns=[])
    first = {**widgets_definition()["spec"]["versions"][0], "storage": False}
    two["spec"]["versions"] = [first, two["spec"]["versions"][0]]
    await widgets.create(widget("a"))
    await definitions.apply(two, manager="tester", force=True)
    # Objects are seen in every version that is served.
    newer = verbs(api, "example.org/v2")
    assert newer.get("a")["apiVersion"] == "example.org/v2"
    await newer.create({**widget("b"), "apiVersion": "example.org/v2"})
    assert verbs(api).get("b")["apiVersion"] == "example.org/v1"
    stored = definitions.get("widgets.example.org")["status"]["storedVersions"]
    assert stored == ["v1", "v2"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"storage": False}, "exactly one version marked as storage version"),
        ({"additionalPrinterColumns": [{"name": "x"}]}, "cannot be understood"),
        (
            {"schema": {"openAPIV3Schema": {"x-kubernetes-validations": [{"rule": "self.("}]}}},
            "compilation failed",
        ),
        (
            {"schema": {"openAPIV3Schema": {"properties": {"spec": {"type": "text"}}}}},
            'properties[spec].type: Unsupported value: "text"',
        ),
    ],
)
async def test_a_wrong_definition_is_refused(api: Api, change: dict[str, Any], words: str) -> None:
    definitions = verbs(api, "apiextensions.k8s.io/v1", "CustomResourceDefinition")
    with pytest.raises(ApiError) as refused:
        await definitions.apply(widgets_definition(**change), force=True)
    assert words in refused.value.message
    assert verbs(api).resource.columns[0].name == "Size"


async def test_an_event_is_the_same_in_both_groups(api: Api) -> None:
    core, new = verbs(api, "v1", "Event"), verbs(api, "events.k8s.io/v1", "Event")
    subject = {"kind": "Widget", "namespace": "default", "name": "a"}
    await core.create(
        {"metadata": {"name": "e"}, "message": "hello", "involvedObject": subject, "count": 2}
    )
    seen = new.get("e")
    assert seen["note"] == "hello"
    assert seen["regarding"] == subject
    assert seen["deprecatedCount"] == 2
    assert core.get("e")["message"] == "hello"


async def test_secrets_are_checked_and_may_be_frozen(api: Api) -> None:
    secrets = verbs(api, "v1", "Secret")
    body: dict[str, Any] = {"metadata": {"name": "s"}, "stringData": {"a": "b"}, "immutable": True}
    made = await secrets.apply(body)
    assert made["data"] == {"a": "Yg=="}
    assert "stringData" not in made
    assert made["type"] == "Opaque"
    with pytest.raises(ApiError, match="field is immutable when `immutable` is set"):
        await secrets.apply({**body, "stringData": {"a": "c"}})
    for data, words in (({"a": "!"}, "must be base64"), ({"a/b": ""}, "a valid config key")):
        with pytest.raises(ApiError, match=words):
            await secrets.create({"metadata": {"name": "x"}, "data": data})
    with pytest.raises(ApiError, match="Too long"):
        await secrets.create({"metadata": {"name": "x"}, "stringData": {"a": "x" * 1_100_000}})


async def test_cancelled_writes_are_complete_or_not_there(widgets: Verbs) -> None:
    for steps in range(8):
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(widgets.create, widget(f"w{steps}"))
                for _ in range(steps):
                    await trio.lowlevel.checkpoint()
                scope.cancel()
    await widgets.create(widget("last"))
    for name in widgets.names():
        assert widgets.get(name)["metadata"]["resourceVersion"]
        assert widgets.api.store.latest(widgets.resource.storage, widgets.key(name)) is not None


async def test_objects_are_shown_as_the_definition_has_them_now(api: Api, widgets: Verbs) -> None:
    made = await widgets.create(widget("a", note="x"))
    changed = widgets_definition()
    spec = changed["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    spec["properties"]["shape"] = {"type": "string", "default": "round"}
    del spec["properties"]["note"]
    definitions = verbs(api, "apiextensions.k8s.io/v1", "CustomResourceDefinition")
    await definitions.apply(changed, force=True)
    widgets = verbs(api)
    shown = widgets.get("a")
    assert shown["spec"] == {"size": 1, "color": "red", "shape": "round"}
    assert shown["metadata"] == made["metadata"]
    await patch(widgets, "a", {"spec": {"size": 2}})
    assert widgets.get("a")["spec"] == {"size": 2, "color": "red", "shape": "round"}


async def test_a_stricter_definition_does_not_keep_the_status_from_being_written(
    api: Api, widgets: Verbs
) -> None:
    await widgets.apply(widget("a", size=5, note="long"))
    stricter = widgets_definition()
    spec = stricter["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    spec["properties"]["size"]["minimum"] = 10
    spec["properties"]["note"]["maxLength"] = 2
    definitions = verbs(api, "apiextensions.k8s.io/v1", "CustomResourceDefinition")
    await definitions.apply(stricter, force=True)
    widgets = verbs(api)
    await patch(widgets, "a", {"status": {"state": "Up"}}, subresource="status")
    await patch(widgets, "a", {"spec": {"size": 11}})
    assert widgets.get("a")["spec"] == {"size": 11, "note": "long", "color": "red"}
    with pytest.raises(ApiError) as refused:
        await patch(widgets, "a", {"spec": {"note": "longer", "size": 3}})
    details = refused.value.details
    assert details is not None
    assert {each["field"] for each in details["causes"]} == {"<nil>", "spec.size", "spec.note"}
