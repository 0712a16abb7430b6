"""Cancelled at every step: everything is done or not done, and nothing is forgotten."""

import json
from functools import partial
from itertools import count
from pathlib import Path

import pytest
import trio
from support.embedded import OPTIONS, eventually, running_api, verbs, widget
from support.fault import at_every_cancellation

from kubekuma.standalone.errors import ApiError
from kubekuma.standalone.feed import Key
from kubekuma.standalone.manifests import follow_manifests


async def test_a_write_is_there_or_not_and_never_in_the_way(tmp_path: Path) -> None:
    async with running_api(tmp_path) as api:
        widgets, names = verbs(api), (f"w{number}" for number in count())

        async def attempt() -> None:
            name = next(names)
            try:
                # A step at which to be cancelled: the write itself has only its long wait.
                await trio.lowlevel.checkpoint()
                await widgets.create(widget(name))
            finally:
                with trio.CancelScope(shield=True):
                    # Whatever has become of it, the next write is decided on it.
                    latest = api.store.latest(widgets.resource.storage, widgets.key(name))
                    if latest is None:
                        await widgets.create(widget(name))
                    else:
                        with pytest.raises(ApiError, match="already exists"):
                            await widgets.create(widget(name))
                    await eventually(lambda: name in widgets.names())

        assert await at_every_cancellation(attempt) > 1


async def test_a_namespace_whose_deletion_was_cancelled_goes_or_stays_whole(
    tmp_path: Path,
) -> None:
    async with running_api(tmp_path) as api:
        widgets, namespaces = verbs(api), verbs(api, "v1", "Namespace")
        names = (f"n{number}" for number in count())

        async def attempt() -> None:
            name = next(names)
            with trio.CancelScope(shield=True):
                await namespaces.create({"metadata": {"name": name}})
                await api.create(widgets.resource, name, widget("a"), OPTIONS)
            try:
                await namespaces.delete(name)
            finally:
                with trio.CancelScope(shield=True):
                    latest = api.store.latest("namespaces", Key("", name))
                    if latest is None or latest.value["metadata"].get("deletionTimestamp"):
                        await eventually(lambda: name not in namespaces.names())
                        found = api.store.get(widgets.resource.storage, Key(name, "a"))
                        assert found is None
                    else:
                        await api.create(widgets.resource, name, widget("b"), OPTIONS)

        assert await at_every_cancellation(attempt) > 1


class _FirstPassDone(Exception):  # noqa: N818 (no error)
    pass


class _EndsWhenStarted:
    def started(self, value: None = None) -> None:
        raise _FirstPassDone(value)


async def test_manifests_whose_apply_was_cancelled_are_taken_back_all_the_same(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "manifests"
    folder.mkdir()
    path = folder / "a.json"
    async with running_api(tmp_path) as api:
        follow = partial(
            follow_manifests,
            folder,
            api,
            report=lambda problem: pytest.fail(str(problem)),
            task_status=_EndsWhenStarted(),
        )

        async def first_pass() -> None:
            try:
                await follow()
            except _FirstPassDone:
                return

        async def attempt() -> None:
            value = widget("b")
            value["metadata"]["namespace"] = "needed"
            path.write_text(json.dumps({"kind": "List", "items": [widget("a"), value]}))
            try:
                await first_pass()
            finally:
                with trio.CancelScope(shield=True):
                    await eventually(lambda: not api.store._under_way)  # noqa: SLF001 (all is done)
                    path.unlink()
                    await first_pass()
                    assert verbs(api).names() == []

        assert await at_every_cancellation(attempt) > 5
