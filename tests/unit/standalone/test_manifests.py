"""A folder of manifests: applied in order, followed, and taken back."""

import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import yaml
from support.embedded import WIDGETS, eventually, running_api, verbs, widget, widgets_definition

from kubekuma.standalone.api import Api
from kubekuma.standalone.documents import ManifestProblem, read_manifests, scan_folder
from kubekuma.standalone.manifests import MANAGER, follow_manifests

POLL_SECONDS = 0.01


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "manifests"
    path.mkdir()
    return path


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(tmp_path) as running:
        yield running


def write(path: Path, *values: Any) -> None:
    """Put the file there at once, as careful editors do."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}")
    texts = [each if isinstance(each, str) else yaml.safe_dump(each) for each in values]
    draft.write_text("---\n".join(texts))
    draft.replace(path)


def rename(old: Path, new: Path) -> None:
    old.rename(new)


@asynccontextmanager
async def following(folder: Path, api: Api) -> AsyncIterator[list[ManifestProblem]]:
    problems: list[ManifestProblem] = []
    follow = partial(
        follow_manifests, folder, api, report=problems.append, poll_seconds=POLL_SECONDS
    )
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            await nursery.start(follow)
            yield problems
            nursery.cancel_scope.cancel()


async def settled(api: Api, expected: Mapping[str, int]) -> None:
    """Wait until the widgets are those, with those sizes."""
    await eventually(lambda: sizes(api) == expected)


async def until(problems: list[ManifestProblem], count: int) -> list[ManifestProblem]:
    await eventually(lambda: len(problems) >= count)
    return problems


async def polls(count: int) -> None:
    await trio.sleep(POLL_SECONDS * count * 3)


def sizes(api: Api) -> dict[str, int]:
    found = api.store.select("widgets.example.org")
    return {each.key.name: each.value["spec"]["size"] for each in found}


def gadgets() -> dict[str, Any]:
    crd = widgets_definition()
    crd["metadata"]["name"] = "gadgets.example.org"
    crd["spec"]["names"] = {"plural": "gadgets", "kind": "Gadget"}
    return crd


async def test_everything_is_applied_in_the_order_in_which_it_is_needed(
    folder: Path, api: Api
) -> None:
    gadget = {**widget("g"), "kind": "Gadget"}
    gadget["metadata"] = {"name": "g", "namespace": "late"}
    write(folder / "a" / "objects.yaml", gadget, widget("w"))
    write(folder / "b.yml", gadgets())
    namespace = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "late", "labels": {"x": "y"}},
    }
    (folder / "c.json").write_text(json.dumps(namespace))
    write(folder / "ignored.txt", "nothing: of interest")
    write(folder / ".hidden" / "d.yaml", widget("hidden"))
    async with following(folder, api) as problems:
        assert problems == []
        assert sizes(api) == {"w": 1}
        assert [each.key for each in api.store.select("gadgets.example.org")] == [("late", "g")]
        found = verbs(api, "v1", "Namespace").get("late")
        assert found["metadata"]["labels"]["x"] == "y"
        owners = verbs(api).get("w")["metadata"]["managedFields"]
        assert [each["manager"] for each in owners] == [MANAGER]


async def test_lists_are_as_good_as_their_items(folder: Path, api: Api) -> None:
    items = {"apiVersion": "v1", "kind": "List", "items": [widget("a"), widget("b", size=0)]}
    write(folder / "list.yaml", "# one line of comment\n" + yaml.safe_dump(items))
    async with following(folder, api) as problems:
        assert sizes(api) == {"a": 1}
        (problem,) = problems
        text = (folder / "list.yaml").read_text().splitlines()
        assert problem.line is not None
        assert text[problem.line - 1].startswith("- apiVersion")
        assert "b" in problem.message
        assert str(problem).startswith(f"{folder}/list.yaml:{problem.line}: Widget.example.org")


async def test_namespaces_that_objects_need_are_made_and_stay(folder: Path, api: Api) -> None:
    values = []
    for name in ("a", "b"):
        value = widget(name)
        value["metadata"]["namespace"] = "needed"
        values.append(value)
    write(folder / "a.yaml", *values)
    async with following(folder, api) as problems:
        assert problems == []
        await settled(api, {"a": 1, "b": 1})
        (folder / "a.yaml").unlink()
        await settled(api, {})
        assert "needed" in verbs(api, "v1", "Namespace").names()


async def test_changes_are_followed(folder: Path, api: Api) -> None:
    write(folder / "a.yaml", widget("a"), widget("b"))
    async with following(folder, api) as problems:
        await settled(api, {"a": 1, "b": 1})
        write(folder / "a.yaml", widget("a", size=2))
        await settled(api, {"a": 2})
        write(folder / "new" / "c.yaml", widget("c"))
        await settled(api, {"a": 2, "c": 1})
        # An object that moves to another file stays the same object.
        uid = verbs(api).get("a")["metadata"]["uid"]
        write(folder / "z.yaml", widget("a", size=3))
        (folder / "a.yaml").unlink()
        await settled(api, {"a": 3, "c": 1})
        assert verbs(api).get("a")["metadata"]["uid"] == uid
        (folder / "z.yaml").unlink()
        (folder / "new" / "c.yaml").unlink()
        await settled(api, {})
        assert problems == []


async def test_what_others_have_made_is_not_taken_along(folder: Path, api: Api) -> None:
    await verbs(api).create(widget("mine"))
    write(folder / "a.yaml", widget("mine", size=2), widget("theirs"), widget("recreated"))
    async with following(folder, api):
        await settled(api, {"mine": 2, "theirs": 1, "recreated": 1})
        await verbs(api).delete("recreated")
        await verbs(api).create(widget("recreated"))
        (folder / "a.yaml").unlink()
        await settled(api, {"mine": 2, "recreated": 1})
        await polls(2)
        assert sizes(api) == {"mine": 2, "recreated": 1}


async def test_files_that_vanish_while_nobody_watches_take_their_objects_too(
    tmp_path: Path, folder: Path
) -> None:
    async with running_api(tmp_path) as api:
        await verbs(api).create(widget("other"))
        write(folder / "a.yaml", widget("a"))
        write(folder / "b.yaml", widget("b"), widget("c"))
        async with following(folder, api):
            assert sizes(api) == {"a": 1, "b": 1, "c": 1, "other": 1}
    (folder / "a.yaml").unlink()
    write(folder / "b.yaml", widget("c"))
    async with running_api(tmp_path) as api, following(folder, api):
        assert sizes(api) == {"c": 1, "other": 1}
    # Another folder has nothing to do with it.
    (tmp_path / "empty").mkdir()
    async with running_api(tmp_path) as api, following(tmp_path / "empty", api):
        assert sizes(api) == {"c": 1, "other": 1}


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb: [\n", 3, "is no YAML"),
        (f"{yaml.safe_dump(widget('c'))}---\n- 1\n", 8, "must be an object with apiVersion"),
        ("apiVersion: v1\nkind: 3\nmetadata: {name: x}\n", 1, "kind must be a text"),
        ("apiVersion: v1\nkind: Secret\nmetadata: {}\n", 1, "metadata.name must be a text"),
        ("[" * 300 + "]" * 300, None, "nested too deeply"),
        ("\x00", None, "cannot be understood"),
    ],
)
async def test_a_bad_file_is_reported_and_keeps_what_it_brought(
    folder: Path, api: Api, text: str, line: int | None, words: str
) -> None:
    write(folder / "a.yaml", widget("a"))
    write(folder / "b.yaml", widget("b"))
    async with following(folder, api) as problems:
        await settled(api, {"a": 1, "b": 1})
        write(folder / "a.yaml", text)
        write(folder / "b.yaml", widget("b", size=2))
        (problem,) = await until(problems, 1)
        assert (problem.path, problem.line) == (folder / "a.yaml", line)
        assert words in problem.message
        await settled(api, {"a": 1, "b": 2})
        await polls(2)
        assert len(problems) == 1
        write(folder / "a.yaml", widget("a", size=3))
        await settled(api, {"a": 3, "b": 2})


async def test_a_refused_object_is_reported_and_the_rest_is_applied(folder: Path, api: Api) -> None:
    odd = widget("odd", sise=1)
    write(
        folder / "a.yaml",
        widget("a"),
        widget("b", size=100),
        {**widget("c"), "kind": "Gadget"},
        odd,
    )
    async with following(folder, api) as problems:
        assert sizes(api) == {"a": 1}
        said = {each.line: each.message for each in problems}
        assert len(said) == 3
        assert any("size must be less than 100" in each for each in said.values())
        assert 'no matches for kind "Gadget" in version "example.org/v1"' in said.values()
        assert any('unknown field "spec.sise"' in each for each in said.values())
        # What was there before stays as it was.
        write(folder / "a.yaml", widget("a", size=200))
        await until(problems, 4)
        assert sizes(api) == {"a": 1}


async def test_an_object_in_two_files_belongs_to_the_first(folder: Path, api: Api) -> None:
    write(folder / "a.yaml", widget("a", size=1))
    write(folder / "b.yaml", widget("a", size=2))
    async with following(folder, api) as problems:
        (problem,) = problems
        assert problem.message == f"is given already by {folder}/a.yaml:1"
        assert sizes(api) == {"a": 1}
        (folder / "a.yaml").unlink()
        await settled(api, {"a": 2})


async def test_a_half_written_file_is_not_taken_for_a_shorter_one(folder: Path, api: Api) -> None:
    write(folder / "a.yaml", widget("a"), widget("b"))
    async with running_all_changes(folder, api) as seen:
        for index in range(20):
            # Never the same twice in a row.
            write(folder / "a.yaml", widget("a"))
            os.utime(folder / "a.yaml", ns=(index, index))
            await trio.sleep(POLL_SECONDS / 2)
        write(folder / "a.yaml", widget("a", size=2), widget("b"))
        await settled(api, {"a": 2, "b": 1})
    assert "DELETED" not in seen


@asynccontextmanager
async def running_all_changes(folder: Path, api: Api) -> AsyncIterator[list[str]]:
    seen: list[str] = []
    api.store.subscribe(lambda _, change: seen.append(change.type))
    problems: list[ManifestProblem] = []
    # Slower than the writer.
    follow = partial(
        follow_manifests, folder, api, report=problems.append, poll_seconds=POLL_SECONDS * 2
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(follow)
        yield seen
        nursery.cancel_scope.cancel()


async def test_a_folder_that_cannot_be_read_takes_nothing_along(folder: Path, api: Api) -> None:
    write(folder / "a.yaml", widget("a"))
    async with following(folder, api) as problems:
        await settled(api, {"a": 1})
        away = folder.with_name("away")
        rename(folder, away)
        (problem,) = await until(problems, 1)
        assert problem.path == folder
        await polls(3)
        assert sizes(api) == {"a": 1}
        assert len(problems) == 1
        rename(away, folder)
        write(folder / "b.yaml", widget("b"))
        await settled(api, {"a": 1, "b": 1})


async def test_what_holds_other_things_goes_last(folder: Path, api: Api) -> None:
    write(folder / "a.yaml", gadgets(), {**widget("g"), "kind": "Gadget"})
    async with following(folder, api) as problems:
        assert len(api.store.select("gadgets.example.org")) == 1
        (folder / "a.yaml").unlink()
        definitions = verbs(api, "apiextensions.k8s.io/v1", "CustomResourceDefinition")
        await eventually(lambda: "gadgets.example.org" not in definitions.names())
        assert api.store.select("gadgets.example.org") == []
        assert problems == []


async def test_a_file_with_an_object_that_is_too_large_is_refused(folder: Path, api: Api) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}
    write(folder / "a.yaml", {**secret, "data": {f"k{n}": "YWFh" * 100_000 for n in range(5)}})
    async with following(folder, api) as problems:
        assert len(problems) == 1
        assert "a.yaml:1" in str(problems[0])


def test_the_scan_follows_links_to_files_and_sees_every_change(folder: Path) -> None:
    write(folder / "..data" / "a.yaml", widget("a"))
    (folder / "a.yaml").symlink_to(folder / "..data" / "a.yaml")
    (folder / "dangling.yaml").symlink_to(folder / "nowhere.yaml")
    first = scan_folder(folder)
    assert list(first) == [folder / "a.yaml"]
    write(folder / "..data" / "a.yaml", widget("a"))
    assert scan_folder(folder) != first
    with pytest.raises(FileNotFoundError):
        scan_folder(folder / "nowhere")


def test_the_line_of_json_that_is_none_is_known(folder: Path) -> None:
    (folder / "a.json").write_text('{\n\t"a": 1,\n}')
    problem = read_manifests(folder / "a.json").problem
    assert problem is not None
    assert problem.line == 3
    (folder / "b.json").write_text(json.dumps(WIDGETS, indent="\t"))
    (manifest,) = read_manifests(folder / "b.json").manifests
    assert manifest.name == "widgets.example.org"
    (folder / "c.yaml").mkdir()
    assert "cannot be read" in str(read_manifests(folder / "c.yaml").problem)


async def test_what_was_refused_is_tried_again_when_anything_changes(
    folder: Path, api: Api
) -> None:
    write(folder / "a.yaml", {**widget("g"), "kind": "Gadget"})
    async with following(folder, api) as problems:
        assert len(problems) == 1
        write(folder / "b.yaml", gadgets())
        await eventually(lambda: len(api.store.select("gadgets.example.org")) == 1)
        assert len(problems) == 1
