"""Server-side apply: who owns what, what is removed, what is a conflict."""

from typing import Any

import pytest

from kubekuma.standalone.apply import Applied, apply, apply_conflict, updated
from kubekuma.standalone.fields import (
    Manager,
    dotted,
    fields_of,
    managed_fields,
    managers_of,
    with_metadata,
)
from kubekuma.standalone.last_applied import last_applied_fields

TEXT = {"type": "string"}
SCHEMA = with_metadata(
    {
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "properties": {
                    "size": {"type": "integer"},
                    "color": TEXT,
                    "set": {"type": "array", "x-kubernetes-list-type": "set", "items": TEXT},
                    "atomic": {"type": "array", "items": TEXT},
                    "ports": {
                        "type": "array",
                        "x-kubernetes-list-type": "map",
                        "x-kubernetes-list-map-keys": ["port", "protocol"],
                        "items": {
                            "type": "object",
                            "properties": {
                                "port": {"type": "integer"},
                                "protocol": {**TEXT, "default": "TCP"},
                                "name": TEXT,
                            },
                        },
                    },
                    "reference": {"type": "object", "x-kubernetes-map-type": "atomic"},
                    "texts": {"type": "object", "additionalProperties": TEXT},
                },
            }
        },
    }
)


def thing(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Thing", "metadata": {"name": "a"}, "spec": spec}


def manager(name: str, operation: str = "Apply", **more: Any) -> Manager:
    return Manager(
        name=name, operation=operation, api_version="v1", **{"fields": frozenset(), **more}
    )


def applied(
    live: dict[str, Any],
    owners: tuple[Manager, ...],
    config: dict[str, Any],
    who: str = "me",
    *,
    force: bool = False,
) -> Applied:
    return apply(SCHEMA, live, owners, config, manager(who), force=force)


def owned(outcome: Applied, who: str) -> set[str]:
    (found,) = [each for each in outcome.managers if each.name == who]
    return {dotted(path) for path in found.fields}


def test_what_is_applied_is_merged_and_owned() -> None:
    outcome = applied(thing(color="red"), (), thing(size=1, texts={"a": "b"}))
    assert outcome.value["spec"] == {"color": "red", "size": 1, "texts": {"a": "b"}}
    assert owned(outcome, "me") == {".spec.size", ".spec.texts.a"}


def test_what_is_left_out_goes_if_nobody_else_owns_it() -> None:
    first = applied({}, (), thing(size=1, color="red", texts={"a": "b", "c": "d"}))
    second = applied(first.value, first.managers, thing(color="red"), who="other")
    third = applied(second.value, second.managers, thing(size=1, texts={"c": "d"}))
    assert third.value["spec"] == {"size": 1, "color": "red", "texts": {"c": "d"}}
    fourth = applied(third.value, third.managers, thing(size=1))
    assert fourth.value["spec"] == {"size": 1, "color": "red"}


def test_what_nobody_applied_stays() -> None:
    first = applied(thing(color="red"), (), thing(size=1))
    second = applied(first.value, first.managers, thing())
    assert second.value["spec"] == {"color": "red"}


def test_a_container_that_is_applied_as_empty_stays() -> None:
    first = applied({}, (), thing(texts={"a": "b"}))
    second = applied(first.value, first.managers, thing(texts={}))
    assert second.value["spec"] == {"texts": {}}


def test_a_container_that_others_applied_as_empty_stays() -> None:
    first = applied({}, (), thing(texts={}), who="other")
    second = applied(first.value, first.managers, thing(texts={"a": "b"}))
    third = applied(second.value, second.managers, thing())
    assert third.value["spec"] == {"texts": {}}
    assert third.conflicts == ()


def test_items_of_maps_are_merged_by_their_keys_with_defaults() -> None:
    live = thing(ports=[{"port": 80, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}])
    outcome = applied(live, (), thing(ports=[{"port": 80, "name": "web"}, {"port": 53}]))
    assert outcome.value["spec"]["ports"] == [
        {"port": 80, "protocol": "TCP", "name": "web"},
        {"port": 53, "protocol": "UDP"},
        {"port": 53},
    ]
    again = applied(outcome.value, outcome.managers, thing(ports=[{"port": 80}]))
    assert again.value["spec"]["ports"] == [
        {"port": 80, "protocol": "TCP"},
        {"port": 53, "protocol": "UDP"},
    ]


def test_an_item_without_its_default_is_not_taken_for_another() -> None:
    first = applied({}, (), thing(ports=[{"port": 80}, {"port": 80, "protocol": "UDP"}]))
    second = applied(first.value, first.managers, thing(ports=[{"port": 80}]))
    assert second.value["spec"]["ports"] == [{"port": 80}]


def test_an_item_that_stays_keeps_its_keys() -> None:
    first = applied({}, (), thing(ports=[{"port": 80, "name": "web"}]))
    editor = manager("editor", "Update")
    changed = thing(ports=[{"port": 80, "name": "other"}])
    owners = updated(SCHEMA, first.value, changed, first.managers, editor)
    third = applied(changed, owners, thing())
    assert third.value["spec"]["ports"] == [{"port": 80, "name": "other"}]


def test_an_item_stays_while_somebody_owns_a_part_of_it() -> None:
    first = applied({}, (), thing(ports=[{"port": 80, "name": "web"}]))
    config = thing(ports=[{"port": 80, "protocol": "TCP"}])
    second = applied(first.value, first.managers, config, who="other")
    third = applied(second.value, second.managers, thing())
    assert third.value["spec"]["ports"] == [{"port": 80, "protocol": "TCP"}]


def test_members_of_sets_belong_to_those_who_put_them_there() -> None:
    first = applied({}, (), thing(set=["a", "b"]))
    second = applied(first.value, first.managers, thing(set=["b", "c"]), who="other")
    assert second.value["spec"]["set"] == ["a", "b", "c"]
    third = applied(second.value, second.managers, thing())
    assert third.value["spec"]["set"] == ["b", "c"]


def test_atomic_values_are_owned_whole() -> None:
    first = applied({}, (), thing(atomic=["a", "b"], reference={"name": "x", "key": "y"}))
    assert owned(first, "me") == {".spec.atomic", ".spec.reference"}
    second = applied(first.value, first.managers, thing(atomic=["b"]), who="other")
    assert [dotted(each.path) for each in second.conflicts] == [".spec.atomic"]


def test_changing_what_others_own_is_a_conflict_and_force_takes_it() -> None:
    first = applied({}, (), thing(size=1, color="red"))
    config = thing(size=2, color="red")
    refused = applied(first.value, first.managers, config, who="other")
    assert refused.value == first.value
    assert refused.managers == first.managers
    (conflict,) = refused.conflicts
    assert (conflict.manager.name, dotted(conflict.path)) == ("me", ".spec.size")
    forced = applied(first.value, first.managers, config, who="other", force=True)
    assert forced.value["spec"] == {"size": 2, "color": "red"}
    assert owned(forced, "me") == {".spec.color"}
    assert owned(forced, "other") == {".spec.size", ".spec.color"}


def test_agreeing_with_others_is_no_conflict_but_shared() -> None:
    first = applied({}, (), thing(size=1))
    second = applied(first.value, first.managers, thing(size=1), who="other")
    third = applied(second.value, second.managers, thing())
    assert third.value["spec"] == {"size": 1}
    assert owned(third, "other") == {".spec.size"}


def test_an_ordinary_write_takes_what_it_changes() -> None:
    first = applied({}, (), thing(size=1, color="red"))
    editor = manager("editor", "Update")
    owners = updated(SCHEMA, first.value, thing(size=2, color="red"), first.managers, editor)
    names = {each.name: {dotted(path) for path in each.fields} for each in owners}
    assert names == {"me": {".spec.color"}, "editor": {".spec.size"}}
    owners = updated(SCHEMA, thing(size=2, color="red"), thing(color="red"), owners, editor)
    # Nobody owns what is gone.
    assert [each.name for each in owners] == ["me"]
    assert updated(SCHEMA, first.value, first.value, first.managers, editor) == first.managers


def test_owners_come_back_as_they_were_written() -> None:
    config = thing(
        size=1, set=["a b"], ports=[{"port": 80, "name": 'q"'}], texts={"a/b.c": "d"}, reference={}
    )
    first = applied({}, (), config)
    written = managed_fields(first.managers)
    assert managers_of({"metadata": {"managedFields": written}}) == first.managers
    assert written[0]["fieldsV1"]["f:spec"]["f:ports"] == {
        'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:port": {}, "f:name": {}}
    }


def test_nobody_owns_what_only_the_server_sets() -> None:
    value = thing(size=1)
    value["metadata"] |= {"uid": "x", "resourceVersion": "1", "labels": {"a": "b"}}
    assert {dotted(path) for path in fields_of(SCHEMA, value)} == {
        ".metadata.labels.a",
        ".spec.size",
    }


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        ([".size"], '1 conflict: conflict with "me" using v1: .spec.size'),
        (
            [".size", ".color"],
            '2 conflicts: conflicts with "me" using v1:\n- .spec.color\n- .spec.size',
        ),
    ],
)
def test_conflicts_are_told_as_kubernetes_tells_them(paths: list[str], message: str) -> None:
    names = [path[1:] for path in paths]
    owner = manager("me", "Update", fields=frozenset(("f:spec", f"f:{name}") for name in names))
    live = dict.fromkeys(names, "1")
    config = dict.fromkeys(names, "2")
    outcome = applied(thing(**live), (owner,), thing(**config), who="other")
    refused = apply_conflict(outcome.conflicts)
    assert refused.message == f"Apply failed with {message}"
    assert refused.code == 409


def test_what_kubectl_applied_before_is_known_by_its_annotation() -> None:
    live = thing(size=1, color="blue", set=["a"])
    note = '{"apiVersion":"v1","kind":"Thing","metadata":{},"spec":{"size":1,"color":"red"}}'
    name = "kubectl.kubernetes.io/last-applied-configuration"
    live["metadata"]["annotations"] = {name: note}
    assert last_applied_fields(SCHEMA, live) == {("f:spec", "f:size")}
    for odd in ("", "[]", "{", '{"metadata": 1}'):
        live["metadata"]["annotations"] = {name: odd}
        assert last_applied_fields(SCHEMA, live) == frozenset()
