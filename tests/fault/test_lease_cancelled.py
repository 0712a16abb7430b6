"""Cut off at any step, holding the Lease leaves nothing behind that anybody believes in."""

import math

import pytest
import trio
from fakes.lease_api import Contender, Network
from fakes.lease_store import LeaseStore
from support.fault import at_every_cancellation
from trio.testing import MockClock

from kubekuma.kube.lease_fence import LeaseLostError, Standing


async def test_cancelled_at_any_step_nothing_is_done_and_nothing_released(
    autojump_clock: MockClock,
) -> None:
    attempts: list[Contender] = []

    async def attempt() -> None:
        store = LeaseStore()
        it = Contender(clock=autojump_clock, network=Network(store=store), drain_seconds=1.0)
        attempts.append(it)
        began = trio.current_time()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(stop_later, it)
                await it.run()
        finally:
            # Not by name alone: whoever was cut off cannot do anything any more.
            assert it.leadership.standing in {Standing.STANDBY, Standing.LOST}
            assert it.leadership.fence == -math.inf
            with pytest.raises(LeaseLostError):
                it.leadership.check_work()
            # Either it ended in order, or the Lease stays as long as it says.
            if it.worked_at and store.holder == "":
                assert it.worked_at[-1] <= trio.current_time()
                assert it.ended_at >= began

    assert await at_every_cancellation(attempt) > 20
    assert any(each.worked_at for each in attempts)


async def stop_later(it: Contender) -> None:
    await trio.sleep(12)
    it.stop.set()
