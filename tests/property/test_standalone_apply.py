"""Laws of server-side apply and of patches, for all objects."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kubekuma.standalone.apply import Applied, apply, updated
from kubekuma.standalone.fields import (
    Manager,
    fields_of,
    leaves,
    managed_fields,
    managers_of,
    with_metadata,
)
from kubekuma.standalone.patches import merge_patch

TEXT = {"type": "string"}
SCHEMA = with_metadata(
    {
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "properties": {
                    "a": {"type": "integer"},
                    "b": {"type": "object", "properties": {"c": TEXT, "d": TEXT}},
                    "set": {"type": "array", "x-kubernetes-list-type": "set", "items": TEXT},
                    "atomic": {"type": "array", "items": TEXT},
                    "map": {
                        "type": "array",
                        "x-kubernetes-list-type": "map",
                        "x-kubernetes-list-map-keys": ["name"],
                        "items": {
                            "type": "object",
                            "properties": {"name": TEXT, "value": {"type": "integer"}},
                        },
                    },
                    "texts": {"type": "object", "additionalProperties": TEXT},
                },
            }
        },
    }
)

letters = st.sampled_from("xyz")
items = st.fixed_dictionaries({"name": letters}, optional={"value": st.integers(0, 2)})
specs = st.fixed_dictionaries(
    {},
    optional={
        "a": st.integers(0, 2),
        "b": st.fixed_dictionaries({}, optional={"c": letters, "d": letters}),
        "set": st.lists(letters, unique=True, min_size=1),
        "atomic": st.lists(letters),
        "map": st.lists(items, unique_by=lambda each: each["name"], min_size=1),
        "texts": st.dictionaries(letters, letters),
    },
)
things = st.builds(
    lambda spec, labels: {
        "apiVersion": "v1",
        "kind": "Thing",
        "metadata": {"name": "a", **({"labels": labels} if labels else {})},
        "spec": spec,
    },
    specs,
    st.dictionaries(letters, letters, max_size=2),
)
names = st.sampled_from(["one", "two", "three"])
histories = st.lists(st.tuples(names, things), max_size=4)


def manager(name: str, operation: str = "Apply") -> Manager:
    return Manager(name=name, operation=operation, api_version="v1", fields=frozenset())


def run(history: list[tuple[str, dict[str, Any]]]) -> Applied:
    """Everybody applies in turn, with force."""
    outcome = Applied(value={}, managers=())
    for name, config in history:
        outcome = step(outcome, name, config, force=True)
    return outcome


def step(before: Applied, name: str, config: dict[str, Any], *, force: bool) -> Applied:
    return apply(SCHEMA, before.value, before.managers, config, manager(name), force=force)


@given(histories, names, things)
def test_applying_the_same_again_changes_nothing(
    history: list[tuple[str, dict[str, Any]]], name: str, config: dict[str, Any]
) -> None:
    once = step(run(history), name, config, force=True)
    twice = step(once, name, config, force=False)
    assert twice.conflicts == ()
    assert twice.value == once.value
    assert set(twice.managers) == set(once.managers)


@given(histories, names, things)
def test_what_is_applied_is_there_and_owned_by_who_applied_it(
    history: list[tuple[str, dict[str, Any]]], name: str, config: dict[str, Any]
) -> None:
    outcome = step(run(history), name, config, force=True)
    there, wanted = leaves(SCHEMA, outcome.value), leaves(SCHEMA, config)
    # An empty container that others have filled is there all the same.
    assert {k: v for k, v in wanted.items() if v not in ({}, [])}.items() <= there.items()
    (mine,) = [each for each in outcome.managers if each.name == name]
    assert mine.fields <= fields_of(SCHEMA, config)
    assert mine.fields >= frozenset(k for k, v in wanted.items() if v not in ({}, []))


@given(histories)
def test_every_field_has_an_owner_and_every_owner_agrees_with_what_is_there(
    history: list[tuple[str, dict[str, Any]]],
) -> None:
    outcome = run(history)
    there = leaves(SCHEMA, outcome.value)
    owned = frozenset().union(*(each.fields for each in outcome.managers))
    containers = {path[:length] for path in there for length in range(1, len(path))}
    assert owned <= there.keys() | containers
    left = {path for path in there.keys() - owned if there[path] not in ({}, [])}
    assert left == set()


@given(histories, names, things)
def test_a_refusal_changes_nothing_and_force_leaves_no_conflict(
    history: list[tuple[str, dict[str, Any]]], name: str, config: dict[str, Any]
) -> None:
    before = run(history)
    refused = step(before, name, config, force=False)
    if not refused.conflicts:
        return
    assert refused.value == before.value
    assert refused.managers == before.managers
    for conflict in refused.conflicts:
        assert conflict.manager.name != name
        assert conflict.path in conflict.manager.fields
    forced = step(before, name, config, force=True)
    assert step(forced, name, config, force=False).conflicts == ()


@given(histories, names)
def test_who_applies_nothing_any_more_leaves_what_others_own(
    history: list[tuple[str, dict[str, Any]]], name: str
) -> None:
    before = run(history)
    nothing = {"apiVersion": "v1", "kind": "Thing", "metadata": {"name": "a"}}
    after = step(before, name, nothing, force=False)
    assert after.conflicts == ()
    there = leaves(SCHEMA, after.value)
    others = [each for each in before.managers if each.name != name]
    for other in others:
        for path in other.fields & leaves(SCHEMA, before.value).keys():
            assert there[path] == leaves(SCHEMA, before.value)[path]


@given(things, things, histories)
def test_an_ordinary_write_owns_exactly_what_it_changes(
    old: dict[str, Any], new: dict[str, Any], history: list[tuple[str, dict[str, Any]]]
) -> None:
    owners = updated(SCHEMA, old, new, run(history).managers, manager("editor", "Update"))
    before, after = leaves(SCHEMA, old), leaves(SCHEMA, new)
    changed = {path for path in after if path not in before or before[path] != after[path]}
    # And the containers that it makes.
    changed |= inner(new) - inner(old) - before.keys()
    mine = [each.fields for each in owners if each.name == "editor"]
    assert (mine[0] if mine else frozenset()) == changed
    for other in owners:
        assert other.name == "editor" or not other.fields & changed
        if before != after:
            assert other.fields <= after.keys() | inner(new)


def inner(value: dict[str, Any]) -> set[tuple[str, ...]]:
    """Maps and lists with something in them."""
    paths = {path[:length] for path in leaves(SCHEMA, value) for length in range(1, len(path))}
    return paths - {("f:metadata",)}


@given(histories)
def test_owners_survive_their_written_form(history: list[tuple[str, dict[str, Any]]]) -> None:
    owners = run(history).managers
    written = {"metadata": {"managedFields": managed_fields(owners)}}
    assert managers_of(written) == owners


values = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(letters, inner, max_size=3),
    max_leaves=10,
)


@given(values, values)
def test_a_merge_patch_is_idempotent(value: Any, patch: Any) -> None:
    once = merge_patch(value, patch)
    assert merge_patch(once, patch) == once


def difference(old: Any, new: Any) -> Any:
    """The merge patch that makes ``new`` of ``old``, if ``new`` has no null in it."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    gone = dict.fromkeys(old.keys() - new.keys())
    changed = {n: difference(old.get(n), part) for n, part in new.items() if old.get(n) != part}
    return {**gone, **changed}


def without_null(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_null(part) for name, part in value.items() if part is not None}
    return value


@given(values, values)
def test_there_is_a_merge_patch_from_everything_to_everything(old: Any, new: Any) -> None:
    old, new = without_null(old), without_null(new)
    assert merge_patch(old, difference(old, new)) == new
