"""Whatever people and servers do (I20): once it is quiet, the cache is as the server is."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import attrs
import trio
from fakes.api_server import Cut, FakeApi, expired
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from kubekuma.kube.errors import KubeError, Refused, Unreachable
from kubekuma.model.meta import Key, ObjectMeta
from kubekuma.validate.load import meta_of
from kubekuma.watch.cache import Cache
from kubekuma.watch.reflector import PAGE, run_reflector
from kubekuma.watch.sync import Sync

KEYS = [Key("ns", name) for name in "abcd"]
QUIET_SECONDS = 1500.0


@attrs.frozen(kw_only=True)
class Thing:
    """A resource of which nothing is invalid."""

    meta: ObjectMeta
    size: int


def load(document: Any) -> Thing:
    return Thing(meta=meta_of(document), size=document["spec"]["size"])


class Watched:
    """A cache, and somebody who looks at an object only when its change is announced."""

    def __init__(self) -> None:
        self.cache: Cache[Thing] = Cache(load, self._changed, self._keep)
        self.observed: dict[Key, Any] = {}
        self.kept: dict[Key, Any] = {}

    def _changed(self, key: Key) -> None:
        seen = self.cache.get(key)
        self.observed[key] = None if seen is None else seen.latest

    def _keep(self, key: Key, document: Any) -> None:
        self.kept[key] = document


Deed: TypeAlias = Callable[[FakeApi], None]


def change(key: Key, size: int, api: FakeApi) -> None:
    if key in api.objects:
        api.update(key, size=size)
    else:
        api.create(key, size=size)


def delete(key: Key, api: FakeApi) -> None:
    if key in api.objects:
        api.delete(key)


def make_anew(key: Key, size: int, api: FakeApi) -> None:
    delete(key, api)
    api.create(key, size=size)


def touch(key: Key, api: FakeApi) -> None:
    if key in api.objects:
        api.touch(key, {"conditions": []})


def compact(api: FakeApi) -> None:
    api.compact()


def break_watch(fault: KubeError | Cut, api: FakeApi) -> None:
    api.watch_faults.append(fault)


def break_list(fault: KubeError, api: FakeApi) -> None:
    api.list_faults.append(fault)


def expire_otherwise(api: FakeApi) -> None:
    api.expired_in_stream = not api.expired_in_stream


errors = st.sampled_from(
    [
        expired(),
        Unreachable("refused"),
        Refused(429, "TooManyRequests", "later", 3.0),
        Refused(500, "InternalError", "no leader"),
        Refused(403, "Forbidden", "no"),
    ]
)
cuts = st.builds(
    Cut,
    st.sampled_from(["end", "reset", "silence", 410, 429, 500, 403, b"not json\n", b"{}\n"]),
    st.integers(0, 3),
    st.sampled_from([0.0, 0.1, 5.0]),
)
keys = st.sampled_from(KEYS)
deeds = st.one_of(
    st.builds(partial, st.just(change), keys, st.integers(0, 9)),
    st.builds(partial, st.just(delete), keys),
    st.builds(partial, st.just(make_anew), keys, st.integers(0, 9)),
    st.builds(partial, st.just(touch), keys),
    st.just(compact),
    st.builds(partial, st.just(break_watch), cuts | errors),
    st.builds(partial, st.just(break_list), errors),
    st.just(expire_otherwise),
)
histories = st.lists(st.tuples(st.sampled_from([0.0, 0.5, 3.0, 50.0, 400.0]), deeds), max_size=25)


@settings(max_examples=150)
@given(st.integers(0, 3), histories, st.floats(0, 1, exclude_max=True), st.booleans())
def test_at_rest_the_cache_is_as_the_server_and_every_change_was_announced(
    many: int, history: list[tuple[float, Deed]], chance: float, streams: bool
) -> None:
    watched, api = Watched(), FakeApi()
    api.streams = streams
    for number in range(many * PAGE):
        api.create(Key("ns", f"m{number}"), size=0)

    async def main() -> None:
        follow = partial(run_reflector, api, watched.cache, Sync(kind="Thing"))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(follow, chance=lambda: chance))
            for seconds, deed in history:
                await trio.sleep(seconds)
                deed(api)
            # From now on all goes well.
            api.watch_faults.clear()
            api.list_faults.clear()
            await trio.sleep(QUIET_SECONDS)
            nursery.cancel_scope.cancel()

    trio.run(main, clock=MockClock(autojump_threshold=0))
    cached = {key: watched.cache.get(key) for key in tuple(watched.cache.keys())}
    assert {key: seen.latest for key, seen in cached.items() if seen} == {
        key: load(document) for key, document in api.objects.items()
    }
    there = {key: thing for key, thing in watched.observed.items() if thing is not None}
    assert there == {key: seen.latest for key, seen in cached.items() if seen}
    kept = {key: load(each) for key, each in watched.kept.items() if each is not None}
    assert kept == there
    assert api.watching == 0
