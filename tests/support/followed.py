"""A reflector at work on a fake API server, and where it puts what there is."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import attrs
import trio
from fakes.api_server import FakeApi
from trio.testing import wait_all_tasks_blocked

from kubekuma.model.meta import Key
from kubekuma.watch.reflector import run_reflector
from kubekuma.watch.sync import Sync


@attrs.define
class Copy:
    """A sink: what it holds, and what it was told, in order."""

    objects: dict[Key, Any] = attrs.field(factory=dict)
    told: list[tuple[str, str]] = attrs.field(factory=list)
    complete: int = 0

    def put(self, document: Any) -> None:
        metadata = document["metadata"]
        self.objects[Key(metadata.get("namespace", ""), metadata["name"])] = document
        self.told.append(("put", metadata["name"]))

    def remove(self, key: Key) -> None:
        self.objects.pop(key, None)
        self.told.append(("remove", key.name))

    def retain(self, keys: set[Key]) -> None:
        self.complete += 1
        for key in self.objects.keys() - keys:
            self.remove(key)


@attrs.define
class Followed:
    """A reflector at work."""

    api: FakeApi
    copy: Copy = attrs.field(factory=Copy)
    sync: Sync = attrs.field(factory=lambda: Sync(kind="Thing"))

    def same(self) -> bool:
        return self.copy.objects == self.api.objects


@asynccontextmanager
async def following(api: FakeApi, chance: float = 0.0) -> AsyncIterator[Followed]:
    it = Followed(api)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(run_reflector, api, it.copy, it.sync, chance=lambda: chance))
        await wait_all_tasks_blocked()
        yield it
        nursery.cancel_scope.cancel()
    assert api.watching == 0
