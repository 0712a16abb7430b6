"""The store behaves like a dictionary with a history."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from kubekuma.standalone.database import open_database
from kubekuma.standalone.feed import Key
from kubekuma.standalone.store import Store

keys = st.builds(Key, st.sampled_from(["m", "m-n", "n"]), st.sampled_from("abc"))
Operation: TypeAlias = tuple[str, Key, int]
operations = st.lists(
    st.tuples(st.sampled_from(["put", "put", "delete", "restart"]), keys, st.integers(0, 9)),
    max_size=25,
)
Objects: TypeAlias = dict[Key, int]


def thing(key: Key, size: int) -> dict[str, Any]:
    metadata = {"name": key.name, "namespace": key.namespace}
    return {"apiVersion": "v1", "kind": "Thing", "metadata": metadata, "size": size}


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Store]:
    store = Store(open_database(path), window=5)
    async with trio.open_nursery() as nursery:
        await nursery.start(store.run)
        yield store
        nursery.cancel_scope.cancel()


def content(store: Store, namespace: str = "") -> Objects:
    return {each.key: each.value["size"] for each in store.select("things", namespace)}


def check(store: Store, model: Objects, history: dict[int, Objects]) -> None:
    assert content(store) == model
    assert list(content(store)) == sorted(model)
    for namespace in ("m", "n"):
        mine = {key: size for key, size in model.items() if key.namespace == namespace}
        assert content(store, namespace) == mine
        assert store.is_empty("things", namespace) is not bool(mine)
    for revision, then in history.items():
        if revision >= store.feed("things").compacted:
            found = store.select_at(revision, "things")
            assert {each.key: each.value["size"] for each in found} == then
            after = Key("m-n", "b")
            later = store.select_at(revision, "things", after=after)
            assert [each.key for each in later] == sorted(key for key in then if key > after)


async def play(path: Path, steps: list[Operation]) -> None:
    model: Objects = {}
    history: dict[int, Objects] = {}
    remaining = list(steps)
    while True:
        async with opened(path) as store:
            check(store, model, history)
            while remaining:
                kind, key, size = remaining.pop(0)
                if kind == "restart":
                    break
                if kind == "put":
                    await store.put("things", key, thing(key, size))
                    model[key] = size
                elif key in model:
                    await store.delete("things", key, thing(key, model.pop(key)))
                assert store.revisions.committed >= max(history, default=0)
                history[store.revisions.committed] = dict(model)
                check(store, model, history)
            else:
                return


@settings(max_examples=40)
@given(operations)
def test_the_store_equals_a_dictionary_with_a_history(steps: list[Operation]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        trio.run(play, Path(folder, "api.db"), steps)
