"""Keys are reconciled by kind, each again when it fails, and none holds up another."""

from itertools import pairwise

import attrs
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from kubekuma.kit.backoff import Backoff
from kubekuma.kit.workqueue import WorkQueue
from kubekuma.model.meta import Key
from kubekuma.reconcile.service import PORTION, WORKERS, Item, run_reconciler


@attrs.define
class Reconciled:
    """What was reconciled, when, and what is to fail how often."""

    clock: MockClock
    fails: dict[str, int] = attrs.field(factory=dict)
    done: list[tuple[float, str, str]] = attrs.field(factory=list)
    queue: WorkQueue[Item] = attrs.field(
        factory=lambda: WorkQueue(Backoff(first=1.0, most=8.0, jitter=0.0))
    )

    async def thing(self, key: Key) -> None:
        await trio.sleep(0.1)
        self.done.append((round(self.clock.current_time(), 6), "Thing", key.name))
        if self.fails.get(key.name, 0):
            self.fails[key.name] -= 1
            raise KeyError("a bug")

    async def other(self, key: Key) -> None:
        await trio.lowlevel.checkpoint()
        self.done.append((self.clock.current_time(), "Other", key.name))

    async def run(self, seconds: float) -> None:
        with trio.move_on_after(seconds):
            await run_reconciler(self.queue, {"Thing": self.thing, "Other": self.other})

    def add(self, kind: str, *names: str) -> None:
        for name in names:
            self.queue.add(Item(kind, Key("ns", name)))


async def test_each_kind_has_its_own_function(autojump_clock: MockClock) -> None:
    it = Reconciled(autojump_clock)
    it.add("Thing", "a")
    it.add("Other", "a", "b")
    await it.run(1)
    assert {(kind, name) for _, kind, name in it.done} == {
        ("Thing", "a"),
        ("Other", "a"),
        ("Other", "b"),
    }


async def test_what_fails_comes_again_later_each_time_and_the_others_go_on(
    autojump_clock: MockClock,
) -> None:
    it = Reconciled(autojump_clock, fails={"bad": 3})
    it.add("Thing", "bad", *(f"m{number}" for number in range(40)))
    with capture_logs() as logs:
        await it.run(60)
    bad = [at for at, _, name in it.done if name == "bad"]
    assert bad == [0.1, 1.2, 3.3, 7.4]
    good = [at for at, _, name in it.done if name != "bad"]
    assert len(good) == 40
    assert max(good) < 1.2
    assert [(each["name"], each["kind"]) for each in logs] == [("bad", "Thing")] * 3


async def test_thousands_at_once_leave_the_loop_its_turns(autojump_clock: MockClock) -> None:
    queue = WorkQueue[Item]()
    for number in range(2000):
        queue.add(Item("Thing", Key("ns", f"m{number}")))
    seen: list[int] = []

    async def at_once(_: Key) -> None:
        """What waits for nothing: as most are."""

    async def watch() -> None:
        while True:
            seen.append(len(queue))
            await trio.lowlevel.checkpoint()

    with trio.move_on_after(1):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run_reconciler, queue, {"Thing": at_once})
            nursery.start_soon(watch)
            while len(queue):
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
    steps = [before - after for before, after in pairwise(seen)]
    # Four workers and fifty each, twice at most before the turn of any other comes.
    assert max(steps) <= 2 * WORKERS * PORTION
    assert autojump_clock.current_time() == 0
