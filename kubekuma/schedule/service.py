"""Sends each enrolled key once per interval."""

from collections.abc import Callable
from typing import Final, TypeAlias

import attrs
import trio

from kubekuma.model.meta import Key
from kubekuma.model.order import CheckNow, Drop, Enrol, Order, Pause, Recheck
from kubekuma.schedule.agenda import Agenda
from kubekuma.schedule.slots import next_slot, next_step

# New monitors need not wait for their slot: so many of them are checked in each step of the grid.
# Ten thousand at once wait for their slots instead of all starting together.
EAGER_PER_STEP: Final = 5

# Told of every dispatch: how many seconds after its time.
ReportLag: TypeAlias = Callable[[float], None]


async def run_scheduler(
    orders: trio.MemoryReceiveChannel[Order],
    due: trio.MemorySendChannel[tuple[Key, ...]],
    *,
    report_lag: ReportLag,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Send each enrolled key on ``due`` once per interval, until ``orders`` ends.

    Ownership: closes both of its channel ends.
    Shutdown: the end of ``orders`` ends it; ``due`` is closed in turn.
    Failure: none of its own.
    """
    async with orders, due:
        timetable = Timetable()
        task_status.started()
        while True:
            began = timetable.next_at
            keys = timetable.pop_due(trio.current_time())
            if keys:
                report_lag(max(0.0, trio.current_time() - began))
                await due.send(keys)
            with trio.move_on_at(timetable.next_at):
                try:
                    order = await orders.receive()
                except trio.EndOfChannel:
                    return
                timetable.follow(order, trio.current_time())
                _follow_waiting(orders, timetable)


def _follow_waiting(orders: trio.MemoryReceiveChannel[Order], timetable: "Timetable") -> None:
    # Thousands of orders come at once after a start: one wake-up serves them all.
    while True:
        try:
            order = orders.receive_nowait()
        except (trio.WouldBlock, trio.EndOfChannel):
            return
        timetable.follow(order, trio.current_time())


@attrs.define
class Timetable:
    """Who is enrolled, and when each is due next."""

    _agenda: Agenda = attrs.field(factory=Agenda, init=False)
    _enrolled: dict[Key, Enrol] = attrs.field(factory=dict, init=False)
    _eager: dict[Key, None] = attrs.field(factory=dict, init=False)  # in order of arrival
    _eager_at: float = attrs.field(default=0.0, init=False)

    def follow(self, order: Order, now: float) -> None:
        """Do what ``order`` says."""
        match order:
            case Enrol():
                self._enrol(order, now)
            case Pause(key=key) | Drop(key=key):
                self._agenda.drop(key)
                self._enrolled.pop(key, None)
                self._eager.pop(key, None)
            case Recheck(key=key, seconds=seconds) if key in self._enrolled:
                self._agenda.put(key, next_step(now + seconds))
            case CheckNow(key=key) if key in self._enrolled:
                self._make_eager(key, now)
            case _:
                pass

    @property
    def next_at(self) -> float:
        """When there is something to do."""
        return min(self._agenda.next_at, self._eager_at) if self._eager else self._agenda.next_at

    def pop_due(self, now: float) -> tuple[Key, ...]:
        """What is to be checked now; each is put down for its next slot."""
        due = self._agenda.pop_due(now)
        for key in due:
            self._eager.pop(key, None)
            self._put_at_slot(key, now)
        return (*due, *self._pop_eager(now))

    def _pop_eager(self, now: float) -> list[Key]:
        if not self._eager or now < self._eager_at:
            return []
        self._eager_at = next_step(now)
        first = [key for key, _ in zip(self._eager, range(EAGER_PER_STEP), strict=False)]
        for key in first:
            del self._eager[key]
        return first

    def _enrol(self, order: Enrol, now: float) -> None:
        before = self._enrolled.get(order.key)
        self._enrolled[order.key] = order
        # What is enrolled with these figures, and no longer delayed, has its slot.
        paced = before is not None and (
            (before.interval_seconds, before.jitter_percent, before.first_after_seconds)
            == (order.interval_seconds, order.jitter_percent, 0.0)
        )
        if order.first_after_seconds > 0:
            self._agenda.put(order.key, next_step(now + order.first_after_seconds))
            return
        if not paced:
            self._put_at_slot(order.key, now)
        if before is None or _occasion(before) != _occasion(order):
            self._make_eager(order.key, now)

    def _put_at_slot(self, key: Key, now: float) -> None:
        enrolled = self._enrolled[key]
        slot = next_slot(key, enrolled.interval_seconds, enrolled.jitter_percent, now)
        self._agenda.put(key, slot)

    def _make_eager(self, key: Key, now: float) -> None:
        if not self._eager:
            self._eager_at = max(self._eager_at, now)
        self._eager[key] = None


def _occasion(order: Enrol) -> tuple[str, int, str]:
    return order.uid, order.generation, order.occasion
