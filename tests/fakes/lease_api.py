"""A Lease over a network that does what the test wants, in virtual time; and contenders for it."""

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import attrs
import trio
from fakes.lease_store import KEY, LeaseStore
from trio.testing import MockClock

from kubekuma.kube.lease import Answer, Document, Facts, Failed, Lease, Timing
from kubekuma.kube.lease_fence import Leadership, LeaseLostError
from kubekuma.kube.lease_service import Election, hold_lease

LOST = math.inf


@attrs.define(kw_only=True)
class Network:
    """One process's way to the store: how long each leg takes, and what is answered instead."""

    store: LeaseStore
    there: Callable[[str], float] = lambda _: 0.01
    back: Callable[[str], float] = lambda _: 0.01
    instead: Callable[[str], Answer | None] = lambda _: None
    asked: list[tuple[float, str]] = attrs.field(factory=list)
    written: list[Document] = attrs.field(factory=list)

    async def get(self, seconds: float) -> Answer:
        """Read it."""
        return await self._exchange("get", self.store.get, seconds)

    async def create(self, document: Document, seconds: float) -> Answer:
        """Create it."""
        return await self._exchange("create", lambda: self.store.create(document), seconds)

    async def replace(self, document: Document, seconds: float) -> Answer:
        """Write it."""
        self.written.append(document)
        return await self._exchange("replace", lambda: self.store.replace(document), seconds)

    async def _exchange(self, what: str, do: Callable[[], Answer], seconds: float) -> Answer:
        self.asked.append((trio.current_time(), what))
        with trio.move_on_after(seconds):
            await trio.sleep(self.there(what))
            instead = self.instead(what)
            answer = do() if instead is None else instead
            await trio.sleep(self.back(what))
            return answer
        return Failed("no answer")


@attrs.define(kw_only=True, eq=False)
class Contender:
    """One process: what it did, when, and how it ended."""

    clock: MockClock
    network: Network
    pod: str = "a_1"
    timing: Timing = attrs.field(factory=Timing)
    continues: bool = False
    required: bool = True
    facts: Facts | None = None  # by default: nobody has led with our history yet
    drain_seconds: float = 0.0
    ahead: float = 0.0  # what our clock is ahead of the others'
    skew: timedelta = timedelta(0)  # what the wall clock is wrong by
    database: str = "history-1"
    stop: trio.Event = attrs.field(factory=trio.Event)
    worked_at: list[float] = attrs.field(factory=list)
    wrote_at: list[float] = attrs.field(factory=list)
    left: list[float] = attrs.field(factory=list)
    lost: str = ""
    ended_at: float = -1.0
    leadership: Leadership = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.leadership = Leadership(self.now, lambda: self.continues)

    def now(self) -> float:
        """The clock that goes on while we sleep."""
        return self.clock.current_time() + self.ahead

    def wall(self) -> datetime:
        """The clock that people set."""
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=trio.current_time()) + self.skew

    async def run(self) -> None:
        """Be in the election, to its end."""
        election = Election(
            api=self.network,
            key=KEY,
            identity=self.pod,
            timing=self.timing,
            leadership=self.leadership,
            gather=self._gather,
            required=lambda: self.required,
            losing=self.left.append,
            now=self.now,
            wall=self.wall,
            chance=lambda: 0.5,
        )
        try:
            await hold_lease(election, self.work, stop=self.stop)
        except LeaseLostError as error:
            self.lost = str(error)
        self.ended_at = trio.current_time()

    async def _gather(self, _: Answer | None) -> Facts:
        await trio.lowlevel.checkpoint()
        never = self.network.store.uids == 0
        return self.facts or Facts(clean=never, history=self.database)

    async def work(self, _: Lease | None) -> None:
        """Do something twice a second, and finish in order."""
        self.leadership.history = self.database
        end = math.inf
        while trio.current_time() < end:
            self.leadership.check_work()
            self.worked_at.append(trio.current_time())
            try:
                self.leadership.check()
            except LeaseLostError:
                pass
            else:
                self.wrote_at.append(trio.current_time())
            await trio.sleep(0.5)
            if self.stop.is_set() and end == math.inf:
                end = trio.current_time() + self.drain_seconds

    @property
    def is_working(self) -> bool:
        """Whether it did something just now."""
        return bool(self.worked_at) and self.worked_at[-1] >= trio.current_time() - 0.6
