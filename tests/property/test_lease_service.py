"""L20 for everything around the decisions: the real service, over networks drawn at random.

trio shuffles tasks that begin together, so that a seed is not quite one schedule.
"""

import math
import os
import random
from typing import Final

import pytest
import trio
from fakes.lease_api import Contender, Network
from fakes.lease_store import LeaseStore
from structlog.testing import capture_logs
from trio.testing import MockClock

from kubekuma.kube.lease import Answer, Conflict, Failed

SCHEDULES: Final = int(os.environ.get("LEASE_SCHEDULES", "10000")) // 20
PARTS: Final = 4
SECONDS: Final = 240.0
CALM_SECONDS: Final = 120.0


@pytest.mark.parametrize("part", range(PARTS))
def test_l20_never_two_whatever_the_network_does(part: int) -> None:
    for seed in range(part, SCHEDULES, PARTS):
        with capture_logs():
            contenders = trio.run(schedule, seed, clock=MockClock(autojump_threshold=0))
        deeds = sorted(
            (at, number) for number, each in enumerate(contenders) for at in each.worked_at
        )
        order = [number for _, number in deeds]
        # Each leads once, and whoever is next begins when the one before has ended.
        assert order == sorted(order, key=list(dict.fromkeys(order)).index), seed
        assert deeds[-1][0] > SECONDS + CALM_SECONDS - 2, seed


async def schedule(seed: int) -> list[Contender]:
    dice = random.Random(seed)  # noqa: S311 - a dice
    store, contenders = LeaseStore(), list[Contender]()
    clock = trio.lowlevel.current_clock()
    assert isinstance(clock, MockClock)

    def is_calm() -> bool:
        return trio.current_time() >= SECONDS

    def leg(_: str) -> float:
        drawn = dice.random()
        if is_calm() or drawn > 0.2:
            return dice.uniform(0.001, 0.02)
        return math.inf if drawn < 0.05 else dice.uniform(0.5, 12.0)

    def instead(_: str) -> Answer | None:
        drawn = 1.0 if is_calm() else dice.random()
        if drawn < 0.04:
            return Conflict() if drawn < 0.01 else Failed("500")
        return None

    async def place(pod: str) -> None:
        for number in range(1000):
            it = Contender(
                clock=clock,
                network=Network(store=store, there=leg, back=leg, instead=instead),
                pod=f"{pod}_{number}",
                drain_seconds=dice.uniform(0.0, 20.0),
            )
            contenders.append(it)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(stop_some_time, it)
                await it.run()
                nursery.cancel_scope.cancel()
            await trio.sleep(1.0)

    async def stop_some_time(it: Contender) -> None:
        await trio.sleep(dice.expovariate(1 / 150))
        if not is_calm():
            it.stop.set()

    async def edit() -> None:
        # Not while the first request to create it is still on its way.
        await trio.sleep(dice.uniform(60.0, SECONDS))
        if store.document is not None:
            dice.choice((store.delete, lambda: store.put_anew({})))()

    with trio.move_on_after(SECONDS + CALM_SECONDS):
        async with trio.open_nursery() as nursery:
            for pod in ("a", "b", "c"):
                nursery.start_soon(place, pod)
            nursery.start_soon(edit)
    return contenders
