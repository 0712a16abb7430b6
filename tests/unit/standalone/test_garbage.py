"""What becomes of objects whose owners go: each decision, and all of them at work."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.embedded import OPTIONS, Verbs, eventually, running_api, verbs, widget

from kubekuma.standalone.api import Api
from kubekuma.standalone.garbage import (
    Delete,
    Disown,
    Finish,
    Owner,
    Release,
    Step,
    Unblock,
    finalizers_on_delete,
    next_step,
)

THERE, GONE, WAITING, UNKNOWN = Owner.THERE, Owner.GONE, Owner.WAITING, Owner.UNKNOWN
OWNED = {"ownerReferences": [{"uid": "one"}]}
TWICE = {"ownerReferences": [{"uid": "one"}, {"uid": "two"}]}
BLOCKING = {"ownerReferences": [{"uid": "me", "blockOwnerDeletion": True}]}
GOING = {"deletionTimestamp": "2026-01-01T00:00:00Z"}


def thing(*parts: dict[str, Any], finalizers: tuple[str, ...] = ()) -> dict[str, Any]:
    """An object called me."""
    metadata: dict[str, Any] = {"uid": "me"}
    for part in parts:
        metadata |= part
    return {"metadata": {**metadata, **({"finalizers": [*finalizers]} if finalizers else {})}}


@pytest.mark.parametrize(
    ("value", "owners", "dependents", "expected"),
    [
        (thing(), [], [], None),
        (thing(OWNED), [THERE], [], None),
        (thing(OWNED), [UNKNOWN], [], None),
        (thing(OWNED), [GONE], [], Delete(policy="Background")),
        (thing(OWNED, finalizers=("orphan",)), [GONE], [], Delete(policy="Orphan")),
        (
            thing(OWNED, finalizers=("foregroundDeletion",)),
            [GONE],
            [],
            Delete(policy="Foreground"),
        ),
        (thing(TWICE), [GONE, GONE], [], Delete(policy="Background")),
        (thing(TWICE), [THERE, GONE], [], Disown(uids=frozenset({"two"}))),
        (thing(TWICE), [WAITING, THERE], [], Disown(uids=frozenset({"one"}))),
        (thing(TWICE), [GONE, UNKNOWN], [], None),
        (thing(OWNED), [WAITING], [], Delete(policy="Background")),
        (thing(OWNED), [WAITING], [thing()], Delete(policy="Foreground")),
        # Each keeps the other waiting.
        (
            thing(BLOCKING),
            [WAITING],
            [thing(GOING, finalizers=("foregroundDeletion",))],
            Unblock(),
        ),
        (
            thing(OWNED),
            [WAITING],
            [thing(GOING, finalizers=("foregroundDeletion",))],
            Delete(policy="Foreground"),
        ),
        (thing(GOING, finalizers=("example.org/hold",)), [], [thing(BLOCKING)], None),
        (thing(GOING, finalizers=("foregroundDeletion",)), [], [thing(BLOCKING)], None),
        (thing(GOING, finalizers=("foregroundDeletion",)), [], [thing(OWNED)], Finish()),
        (thing(GOING, finalizers=("foregroundDeletion",)), [], [], Finish()),
        (thing(GOING, finalizers=("orphan",)), [], [thing(BLOCKING)], Release()),
        (thing(GOING, OWNED, finalizers=("example.org/hold",)), [GONE], [], None),
    ],
)
def test_what_is_done_next(
    value: dict[str, Any],
    owners: list[Owner],
    dependents: list[dict[str, Any]],
    expected: Step | None,
) -> None:
    assert next_step(value, owners, dependents) == expected


@pytest.mark.parametrize(
    ("before", "policy", "after"),
    [
        ([], "", []),
        ([], "Background", []),
        ([], "Foreground", ["foregroundDeletion"]),
        (["a/b"], "Orphan", ["a/b", "orphan"]),
        (["orphan", "a/b"], "Foreground", ["a/b", "foregroundDeletion"]),
        (["orphan", "a/b"], "Background", ["a/b"]),
        (["orphan", "a/b"], "", ["orphan", "a/b"]),
        (["orphan", "a/b"], "Orphan", ["orphan", "a/b"]),
    ],
)
def test_a_policy_is_kept_in_finalizers(before: list[str], policy: str, after: list[str]) -> None:
    assert finalizers_on_delete(before, policy) == after


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(tmp_path) as opened:
        yield opened


@pytest.fixture
def widgets(api: Api) -> Verbs:
    return verbs(api)


def owned(name: str, *owners: dict[str, Any], block: bool = False, **more: Any) -> dict[str, Any]:
    made = widget(name)
    references = [
        {
            "apiVersion": each["apiVersion"],
            "kind": each["kind"],
            "name": each["metadata"]["name"],
            "uid": each["metadata"]["uid"],
            **({"blockOwnerDeletion": True} if block else {}),
        }
        for each in owners
    ]
    made["metadata"] |= {"ownerReferences": references, **more}
    return made


async def test_what_is_owned_goes_with_its_owner_and_takes_what_it_owns(widgets: Verbs) -> None:
    grandparent = await widgets.create(widget("a"))
    parent = await widgets.create(owned("b", grandparent))
    await widgets.create(owned("c", parent))
    await widgets.create(widget("d"))
    await widgets.delete("a")
    await eventually(lambda: widgets.names() == ["d"])


async def test_one_owner_is_enough(widgets: Verbs) -> None:
    one, two = [await widgets.create(widget(name)) for name in ("one", "two")]
    await widgets.create(owned("c", one, two))
    await widgets.delete("one")
    await eventually(lambda: len(widgets.get("c")["metadata"]["ownerReferences"]) == 1)
    assert widgets.names() == ["c", "two"]
    await widgets.delete("two")
    await eventually(lambda: widgets.names() == [])


async def test_an_owner_that_never_was_is_none(widgets: Verbs) -> None:
    await widgets.create(owned("a", widget("x") | {"metadata": {"name": "x", "uid": "y"}}))
    await eventually(lambda: widgets.names() == [])


async def test_another_of_the_same_name_is_not_the_owner(widgets: Verbs) -> None:
    first = await widgets.create(widget("a"))
    await widgets.delete("a")
    await widgets.create(widget("a"))
    await widgets.create(owned("b", first))
    await eventually(lambda: widgets.names() == ["a"])


async def test_nobody_owns_across_namespaces(api: Api, widgets: Verbs) -> None:
    configs = verbs(api, "v1", "ConfigMap")
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "blue"}}
    blue = await verbs(api, "v1", "Namespace").create(space)
    owner = await widgets.create(widget("a"))
    body = {**owned("c", owner), "apiVersion": "v1", "kind": "ConfigMap"}
    del body["spec"]
    await api.create(configs.resource, "blue", body, OPTIONS)
    await eventually(lambda: api.store.is_empty("configmaps", "blue"))
    # What lies in no namespace may own anything, and be owned by nothing in one.
    await widgets.create(owned("b", blue))
    other = {**space, "metadata": {**owned("green", owner)["metadata"]}}
    await verbs(api, "v1", "Namespace").create(other)
    await widgets.delete("a")
    await widgets.create(owned("z", owner))
    await eventually(lambda: widgets.names() == ["b"])
    assert "green" in verbs(api, "v1", "Namespace").names()


async def test_in_the_foreground_an_owner_goes_last(widgets: Verbs) -> None:
    owner = await widgets.create(widget("a"))
    await widgets.create(owned("b", owner, block=True, finalizers=["example.org/hold"]))
    await widgets.create(owned("c", owner))
    marked = await widgets.delete("a", policy="Foreground")
    assert marked["metadata"]["finalizers"] == ["foregroundDeletion"]
    await eventually(lambda: widgets.names() == ["a", "b"])
    await eventually(lambda: "deletionTimestamp" in widgets.get("b")["metadata"])
    held = widgets.get("b")
    del held["metadata"]["finalizers"]
    await widgets.replace(held)
    await eventually(lambda: widgets.names() == [])


async def test_in_the_foreground_two_that_own_each_other_go(widgets: Verbs) -> None:
    one = await widgets.create(widget("one"))
    two = await widgets.create(owned("two", one, block=True))
    one = widgets.get("one")
    one["metadata"] |= {
        "ownerReferences": owned("x", two, block=True)["metadata"]["ownerReferences"]
    }
    await widgets.replace(one)
    await widgets.delete("one", policy="Foreground")
    await eventually(lambda: widgets.names() == [])


async def test_orphans_stay_without_an_owner(widgets: Verbs) -> None:
    owner = await widgets.create(widget("a"))
    other = await widgets.create(widget("z"))
    await widgets.create(owned("b", owner))
    await widgets.create(owned("c", owner, other))
    await widgets.delete("a", policy="Orphan")
    await eventually(lambda: widgets.names() == ["b", "c", "z"])
    assert "ownerReferences" not in widgets.get("b")["metadata"]
    assert [each["name"] for each in widgets.get("c")["metadata"]["ownerReferences"]] == ["z"]


async def test_what_was_left_by_a_former_run_is_collected(tmp_path: Path) -> None:
    async with running_api(tmp_path, collects=False) as api:
        owner = await verbs(api).create(widget("a"))
        await verbs(api).create(owned("b", owner))
        await verbs(api).delete("a")
        assert verbs(api).names() == ["b"]
    async with running_api(tmp_path) as api:
        await eventually(lambda: verbs(api).names() == [])


async def test_a_kind_that_is_not_there_is_no_reason_to_go(widgets: Verbs) -> None:
    strange = {"apiVersion": "example.org/v9", "kind": "Gadget"}
    await widgets.create(owned("a", strange | {"metadata": {"name": "x", "uid": "y"}}))
    gone = await widgets.create(widget("b"))
    await widgets.delete("b")
    await widgets.create(owned("c", gone))
    await eventually(lambda: widgets.names() == ["a"])
