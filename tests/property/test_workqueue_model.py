"""Whatever is added, in whatever order, to however many workers."""

from collections import Counter

import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from kubekuma.kit.backoff import Backoff
from kubekuma.kit.workqueue import WorkQueue

# When (after the one before), which key, how much later.
additions = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from("abc"), st.none() | st.integers(0, 20)),
    max_size=30,
)
# What the workers make of what they take, in turn: how long it takes, and whether it fails.
works = st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=1, max_size=20)

BACKOFF = Backoff(first=3.0, most=12.0, jitter=0.0)


class Workers:
    """Workers on one queue, and what must hold of each key they take."""

    def __init__(self, works: list[tuple[int, bool]]) -> None:
        self.queue = WorkQueue[str](BACKOFF)
        self.works = works
        self.busy: set[str] = set()
        self.owed: Counter[str] = Counter()  # times that a key must still be begun, if any
        self.begun: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()
        self.not_before: dict[str, float] = {}

    def ask(self, key: str, later: int | None) -> None:
        if later is None:
            self.queue.add(key)
        else:
            self.queue.add_after(key, later)
        self.not_before.pop(key, None)
        self.owed[key] = 1
        self.asked[key] += 1

    async def work(self) -> None:
        while True:
            key = await self.queue.take()
            assert key not in self.busy
            assert trio.current_time() >= self.not_before.pop(key, 0.0)
            self.busy.add(key)
            self.owed[key] = 0
            seconds, fails = self.works[self.begun.total() % len(self.works)]
            # The last word is a success: what always fails would go on for ever.
            fails = fails and self.begun.total() < 3 * len(self.works)
            self.begun[key] += 1
            await trio.sleep(seconds)
            self.busy.discard(key)
            if fails:
                asked_again = self.owed[key]
                delay = self.queue.failed(key, 0.0)
                self.owed[key] = 1
                self.asked[key] += 1
                if not asked_again:
                    self.not_before[key] = trio.current_time() + delay
            else:
                self.queue.done(key)


@given(additions, works, st.integers(1, 3))
def test_every_key_is_begun_after_its_last_addition_and_never_by_two(
    additions: list[tuple[int, str, int | None]], works: list[tuple[int, bool]], count: int
) -> None:
    workers = Workers(works)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(count):
                nursery.start_soon(workers.work)
            for gap, key, later in additions:
                await trio.sleep(gap)
                workers.ask(key, later)
            await trio.sleep(10_000)
            nursery.cancel_scope.cancel()

    trio.run(main, clock=MockClock(autojump_threshold=0))
    assert not workers.owed.total()
    assert all(workers.begun[key] <= workers.asked[key] for key in "abc")
    assert len(workers.queue) == 0
