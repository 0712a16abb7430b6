"""Windows and silences: over whom they lie, and that a change of either is told once."""

from collections.abc import Mapping

import attrs
import trio
from build import at, monitor
from trio.testing import MockClock, wait_all_tasks_blocked

from kubekuma.model.match import Match
from kubekuma.model.meta import Key
from kubekuma.model.monitor import Monitor
from kubekuma.model.reach import selector
from kubekuma.model.state import MonitorState, Overlaid, Standing
from kubekuma.overlays import AGAIN_SECONDS, PORTION, Overlays

WINDOW = Key("shop", "work")
TAGGED = selector(Match(tags=("db",)), "shop", "monitoring")
ALL = selector(Match(), "shop", "monitoring")


@attrs.define
class World:
    running: dict[Key, Monitor] = attrs.field(factory=dict)
    states: dict[Key, MonitorState] = attrs.field(factory=dict)
    told: list[tuple[str, bool, bool]] = attrs.field(factory=list)

    def put(self, name: str, *tags: str) -> Monitor:
        made = monitor(name, tags=list(tags))
        self.running[made.meta.key] = made
        return made

    async def record(self, overlaid: Overlaid) -> None:
        await trio.lowlevel.checkpoint()
        self.told.append((overlaid.key.name, overlaid.maintenance, overlaid.silenced))
        standing = Standing(maintenance=overlaid.maintenance, silenced=overlaid.silenced)
        self.states[overlaid.key] = MonitorState(standing=standing)

    def taken(self) -> Mapping[str, tuple[bool, bool]]:
        found = {name: (maintenance, silenced) for name, maintenance, silenced in self.told}
        assert len(found) == len(self.told)
        self.told.clear()
        return found


async def test_each_change_is_told_once_to_those_that_it_is_about(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    del autojump_clock
    world = World()
    overlays = Overlays(world.running, world.states, "monitoring")
    world.put("db", "db")
    for number in range(2 * PORTION):
        world.put(f"web{number}")
    nursery.start_soon(overlays.run, world.record)

    async def told() -> Mapping[str, tuple[bool, bool]]:
        await trio.sleep(1)
        await wait_all_tasks_blocked()
        return world.taken()

    assert await told() == {}
    overlays.window(WINDOW, TAGGED)
    overlays.silence(WINDOW, TAGGED)
    assert await told() == {"db": (True, True)}
    overlays.window(WINDOW, TAGGED)
    assert await told() == {}
    overlays.window(Key("shop", "other"), ALL)
    assert len(await told()) == 2 * PORTION
    # One of two has ended: the other one still lies over it.
    overlays.window(WINDOW, None)
    assert await told() == {}
    overlays.window(Key("shop", "other"), None)
    assert (await told())["db"] == (False, True)
    overlays.silence(WINDOW, None)
    assert await told() == {"db": (False, False)}
    overlays.silence(WINDOW, None)
    assert await told() == {}


def test_a_new_monitor_is_looked_at_by_itself() -> None:
    world = World()
    overlays = Overlays(world.running, world.states, "monitoring")
    overlays.window(WINDOW, TAGGED)
    assert overlays.over(world.put("web")) is None
    found = overlays.over(world.put("db", "db"))
    assert found == Overlaid(key=Key("shop", "db"), maintenance=True, silenced=False)
    # What an earlier run has recorded, and holds no more.
    world.states[Key("shop", "web")] = MonitorState(standing=Standing(maintenance=True))
    assert overlays.over(world.put("web")) == Overlaid(
        key=Key("shop", "web"), maintenance=False, silenced=False
    )


async def test_a_silence_may_end_for_each_monitor_once_it_is_up_again(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    del autojump_clock
    world = World()
    overlays = Overlays(world.running, world.states, "monitoring")
    for name in ("db", "web"):
        world.put(name)
    nursery.start_soon(overlays.run, world.record)

    async def told() -> Mapping[str, tuple[bool, bool]]:
        await trio.sleep(1)
        await wait_all_tasks_blocked()
        return world.taken()

    def recovers(name: str, seconds: float | None) -> None:
        key = Key("shop", name)
        before = world.states.get(key, MonitorState()).standing
        recovered_at = None if seconds is None else at(seconds)
        after = attrs.evolve(before, recovered_at=recovered_at)
        world.states[key] = MonitorState(standing=after)
        overlays.recovered()

    recovers("web", 5)
    overlays.silence(WINDOW, ALL, at(10))
    # Whoever was up again before it began is silenced all the same.
    assert await told() == {"db": (False, True), "web": (False, True)}
    recovers("db", 20)
    assert await told() == {"db": (False, False)}
    # Down again: the silence is over for it.
    recovers("db", None)
    assert await told() == {}
    overlays.silence(WINDOW, None)
    assert await told() == {"web": (False, False)}
    overlays.silence(WINDOW, ALL, at(30))
    assert await told() == {"db": (False, True), "web": (False, True)}


async def test_what_was_missed_is_found_after_a_while(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    del autojump_clock
    world = World()
    overlays = Overlays(world.running, world.states, "monitoring")
    world.put("db")
    nursery.start_soon(overlays.run, world.record)
    await trio.sleep(1)
    # A silence that came and went before anybody had recorded that it had come.
    world.states[Key("shop", "db")] = MonitorState(standing=Standing(silenced=True))
    await trio.sleep(AGAIN_SECONDS + 1)
    assert world.taken() == {"db": (False, False)}
