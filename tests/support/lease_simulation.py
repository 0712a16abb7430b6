"""Processes that want one Lease, on a network that loses, delays and lies, with clocks that drift.

A simulation of events, so that thousands of schedules take seconds. What is decided is decided by
the code of ``kubekuma.kube.lease``; the simulation does what ``lease_service`` does around it. Its
oracle is the only thing that matters: the stretches of time in which each may work, on a clock
that none of them has.
"""

import math
import random
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from typing import Any, TypeAlias

import attrs
from fakes.lease_store import KEY, LeaseStore

from kubekuma.kube import lease
from kubekuma.kube.lease import (
    Answer,
    Candidate,
    Claim,
    Facts,
    Failed,
    Found,
    Held,
    Lost,
    Review,
    Timing,
)

_BASE = datetime(2026, 1, 1, tzinfo=UTC)

Then: TypeAlias = Callable[[Answer], None]


@attrs.frozen(kw_only=True)
class Code:
    """What decides: the code as it is, or with a mistake in it."""

    consider: Callable[..., Any] = lease.consider
    claimed: Callable[..., Any] = lease.claimed
    renewed: Callable[..., Any] = lease.renewed
    reviewed: Callable[..., Any] = lease.reviewed
    claim_document: Callable[..., Any] = lease.claim_document
    renewal_document: Callable[..., Any] = lease.renewal_document
    new_identity: Callable[[str, int], str] = lambda pod, number: f"{pod}_{number}"
    times_out: bool = True
    drains_before_release: bool = True


@attrs.frozen(kw_only=True)
class World:
    """What a schedule may hold."""

    timing: Timing = attrs.field(factory=Timing)
    processes: int = 2
    seconds: float = 200.0
    slow: float = 0.15  # share of legs that are slow
    slowest: float = 12.0
    lost: float = 0.04  # share of requests, and of answers
    cuts: float = 0.004  # chance a second that a process loses its way there, or its answers
    refused: float = 0.03  # share of answers that are 500 or 409 for no reason
    rates: tuple[float, ...] = (1.0, 1.2)
    pauses: float = 0.006  # chance a second that a process is stopped
    stops: float = 0.004  # chance a second that it is told to end
    edits: float = 0.002  # chance a second that a person edits or deletes the Lease
    pods: tuple[str, ...] = ("a", "b", "c")


@attrs.define
class Result:
    """What came of a schedule: who could work, from when to when."""

    work: list[tuple[float, float, int]] = attrs.field(factory=list)
    leads_at_the_end: bool = False

    @property
    def overlap(self) -> float:
        """For how many seconds two could."""
        worst, until, who = 0.0, -math.inf, -1
        for start, end, number in sorted(self.work):
            if number != who:
                worst = max(worst, min(end, until) - start)
            if end > until:
                until, who = end, number
        return worst

    @property
    def led(self) -> float:
        """For how many seconds somebody could."""
        return sum(end - start for start, end, _ in self.work)


def simulate(world: World, seed: int, code: Code | None = None) -> Result:
    """Run one schedule, the same for each ``seed``."""
    return _Simulation(world, random.Random(seed), code or Code()).run()  # noqa: S311 - a dice


class _Simulation:
    def __init__(self, world: World, dice: random.Random, code: Code) -> None:
        self.world, self.dice, self.code = world, dice, code
        self.store = LeaseStore()
        self.result = Result()
        self.events: list[tuple[float, int, Callable[[], None]]] = []
        self.order = 0
        self.now = 0.0
        self.calm = False
        self.numbers = 0

    def at(self, when: float, do: Callable[[], None]) -> None:
        self.order += 1
        heappush(self.events, (when, self.order, do))

    def run(self) -> Result:
        world = self.world
        places = [_Place(self, number) for number in range(world.processes)]
        for place in places:
            self.at(self.dice.uniform(0, 2), place.start)
        for when, do in self._people(places):
            self.at(when, do)
        # Then everything is well, for long enough that somebody must lead.
        calm_at = world.seconds
        self.at(calm_at, self._calm)
        end = calm_at + 2 * world.timing.lease_seconds + 30
        while self.events and self.events[0][0] <= end:
            self.now, _, do = heappop(self.events)
            do()
        self.now = end
        self.result.leads_at_the_end = any(place.leads for place in places)
        for place in places:
            place.end_of_work()
        return self.result

    def _calm(self) -> None:
        self.calm = True

    def _people(self, places: "list[_Place]") -> Iterator[tuple[float, Callable[[], None]]]:
        world, dice = self.world, self.dice
        many = len(places)
        chances = {
            "pause": world.pauses * many,
            "stop": world.stops * many,
            "cut": world.cuts * many,
            "edit": world.edits,
        }
        for what, chance in chances.items():
            # Nobody deletes a Lease while the first request to create it is still on its way: that
            # the first start of all need not wait rests on this.
            when = 40.0 if what == "edit" else 0.0
            while chance:
                when += dice.expovariate(chance)
                if when > world.seconds:
                    break
                place = dice.choice(places)
                if what == "pause":
                    yield when, lambda place=place: place.pause(dice.uniform(0.5, 60.0))  # type: ignore[misc]
                elif what == "cut":
                    spans = dice.uniform(0.0, 25.0), dice.choice((0.0, dice.uniform(0.0, 60.0)))
                    yield when, lambda place=place, spans=spans: place.cut(*spans)  # type: ignore[misc]
                elif what == "stop":
                    yield when, lambda place=place: place.stop(dice.uniform(0.0, 25.0))  # type: ignore[misc]
                else:
                    yield when, self._edit

    def _edit(self) -> None:
        store, dice = self.store, self.dice
        if store.document is None:
            return
        edits: list[Callable[[], None]] = [
            store.delete,
            lambda: store.put_anew({}),
            lambda: store.edit(holderIdentity="somebody"),
            lambda: store.edit(holderIdentity="", leaseDurationSeconds=30),
            # Whoever writes exactly what a release writes is believed: no two edits make one here.
            lambda: store.edit(leaseDurationSeconds=1 if store.holder else 2),
            lambda: store.edit(leaseDurationSeconds=None, renewTime=None),
            lambda: store.edit(renewTime="1970-01-01T00:00:00.000000Z"),
            lambda: store.edit(renewTime="2100-01-01T00:00:00.000000Z"),
        ]
        dice.choice(edits)()

    def leg(self) -> float:
        """How long one way takes; for ever, if it is lost."""
        world, dice = self.world, self.dice
        if self.calm:
            return 0.005
        drawn = dice.random()
        if drawn < world.lost:
            return math.inf
        if drawn < world.lost + world.slow:
            return dice.uniform(0.5, world.slowest)
        return dice.uniform(0.001, 0.02)


class _Place:
    """Where processes run, one after the other, with one clock."""

    def __init__(self, simulation: _Simulation, number: int) -> None:
        self.it = simulation
        self.rate = simulation.world.rates[number % len(simulation.world.rates)]
        self.offset = simulation.dice.uniform(0, 1e6)
        self.skew = timedelta(seconds=simulation.dice.uniform(-90_000, 90_000))
        self.pod = simulation.world.pods[number % len(simulation.world.pods)]
        self.runs = 0  # what was meant for a former process reaches nobody
        self.paused_until = 0.0
        self.cut_there_until = 0.0
        self.cut_back_until = 0.0
        self.held: Held | None = None
        self.began = 0.0
        self.draining = False
        self.number = -1
        self.last_at: datetime | None = None
        self.candidate: Candidate

    # Time, as the process has it

    def clock(self) -> float:
        return self.offset + self.rate * self.it.now

    def wall(self) -> datetime:
        if not self.it.calm and self.it.dice.random() < 0.05:
            self.skew += timedelta(days=self.it.dice.choice((-1, 1)))
        return _BASE + timedelta(seconds=self.it.now) + self.skew

    def real(self, local: float) -> float:
        """The moment at which our clock shows ``local``."""
        return (local - self.offset) / self.rate

    def later(self, seconds: float, do: Callable[[], None]) -> None:
        """Do it in so many of our own seconds, or when we are awake again."""
        self._at(self.it.now + seconds / self.rate, do)

    def _at(self, when: float, do: Callable[[], None]) -> None:
        run = self.runs

        def begin() -> None:
            if run != self.runs:
                return
            if self.it.now < self.paused_until:
                self.it.at(self.paused_until, begin)
                return
            do()

        self.it.at(when, begin)

    # What happens to it

    def start(self) -> None:
        self.runs += 1
        self.it.numbers += 1
        self.number = self.it.numbers
        self.draining = False
        identity = self.it.code.new_identity(self.pod, self.number)
        self.candidate = Candidate(timing=self.it.world.timing, identity=identity)
        self.look()

    def pause(self, seconds: float) -> None:
        self.paused_until = max(self.paused_until, self.it.now + seconds)

    def cut(self, seconds: float, then_seconds: float) -> None:
        """Its answers are lost for a while, and then nothing gets through at all."""
        self.cut_back_until = self.it.now + seconds
        self.it.at(self.cut_back_until, lambda: self.cut_off(then_seconds))

    def cut_off(self, seconds: float) -> None:
        self.cut_there_until = self.it.now + seconds

    def stop(self, drain_seconds: float) -> None:
        """SIGTERM: what runs may end, then the Lease is released, then a new process begins."""
        if self.draining:
            return
        if self.held is None:
            self.start()
            return
        self.draining = True
        if self.it.code.drains_before_release:
            self.later(drain_seconds, self.drained)
        else:
            self.release(lambda _: None)
            self.later(drain_seconds, self.gone)

    def drained(self) -> None:
        self.end_of_work()
        self.held = None
        self.release(lambda _: self.gone())

    def gone(self) -> None:
        self.end_of_work()
        self.held = None
        self.runs += 1
        self.it.at(self.it.now + 1.0, self.start)

    def lose(self) -> None:
        self.gone()

    def end_of_work(self) -> None:
        """Whatever is going on, nothing begins after the fence."""
        if self.held is not None:
            end = min(self.it.now, self.real(self.held.fence))
            self.it.result.work.append((self.began, end, self.number))

    @property
    def leads(self) -> bool:
        return self.held is not None and self.clock() < self.held.fence

    # What it does

    def ask(self, do: Callable[[], Answer], then: Then, seconds: float | None = None) -> None:
        """Send a request; hear its answer, or that it takes too long."""
        it, answered = self.it, [False]
        limit = it.world.timing.request_seconds if seconds is None else seconds
        there, back = it.leg(), it.leg()
        if it.now < self.cut_there_until and not it.calm:
            there = math.inf
        if it.now < self.cut_back_until and not it.calm:
            back = math.inf
        drawn = 1.0 if it.calm else it.dice.random()
        refusal: Answer | None = None
        if drawn < it.world.refused:
            refusal = Failed("500") if drawn < it.world.refused / 2 else lease.Conflict()

        def hear(answer: Answer) -> None:
            if not answered[0]:
                answered[0] = True
                then(answer)

        def arrive() -> None:
            answer = do() if refusal is None else refusal
            if back < math.inf:
                self._at(it.now + back, lambda: hear(answer))

        if there < math.inf:
            it.at(it.now + there, arrive)
        if it.code.times_out:
            self.later(limit, lambda: hear(Failed("no answer")))

    def look(self) -> None:
        self.ask(self.it.store.get, self.looked)

    def looked(self, answer: Answer) -> None:
        # The database of each is its own, and knows of nobody who might be at work still.
        facts = Facts(clean=self.it.store.uids == 0)
        self.candidate, move = self.it.code.consider(
            self.candidate, answer, self.clock(), self.it.dice.random(), facts
        )
        if isinstance(move, Claim):
            self.claim(move)
        else:
            self.later(move.seconds, self.look)

    def claim(self, move: Claim) -> None:
        it, timing, sent_at = self.it, self.it.world.timing, self.clock()
        identity = self.candidate.identity
        if move.lease is None:
            document = lease.new_document(KEY, identity, timing, self.wall())
            do: Callable[[], Answer] = lambda: it.store.create(document)  # noqa: E731 - one of two
        else:
            document = it.code.claim_document(move.lease, identity, timing, self.wall())
            do = lambda: it.store.replace(document)  # noqa: E731 - the other

        def then(answer: Answer) -> None:
            outcome = it.code.claimed(
                self.candidate, answer, sent_at, self.clock(), it.dice.random()
            )
            if isinstance(outcome, Held):
                self.held, self.began = outcome, it.now
                self.watch_fence()
                self.plan_renewal()
                return
            self.candidate, wait = outcome
            self.later(wait.seconds, self.look)

        self.ask(do, then)

    def watch_fence(self) -> None:
        held = self.held
        if held is None:
            return
        if self.clock() >= held.fence:
            self.lose()
            return
        self._at(self.real(held.fence) + 1e-9, self.watch_fence)

    def plan_renewal(self) -> None:
        assert self.held is not None
        self.later(max(0.0, self.held.next_at - self.clock()), self.renew)

    def renew(self) -> None:
        it, held, sent_at = self.it, self.held, self.clock()
        if held is None:
            return
        if sent_at >= held.fence:
            self.lose()
            return
        self.last_at = self.wall()
        document = it.code.renewal_document(held, "", self.last_at)

        def then(answer: Answer) -> None:
            if self.held is None:
                return
            outcome = it.code.renewed(self.held, answer, sent_at, self.clock(), it.dice.random())
            if isinstance(outcome, Review):
                self.ask(it.store.get, self.reviewed)
            else:
                self.go_on(outcome)

        seconds = min(it.world.timing.request_seconds, held.fence - sent_at)
        self.ask(lambda: it.store.replace(document), then, seconds)

    def reviewed(self, answer: Answer) -> None:
        if self.held is not None:
            self.go_on(self.it.code.reviewed(self.held, answer, self.clock()))

    def go_on(self, outcome: Held | Lost) -> None:
        if isinstance(outcome, Lost) or self.clock() >= outcome.fence:
            self.lose()
            return
        self.held = outcome
        self.plan_renewal()

    def release(self, then: Then) -> None:
        identity = self.candidate.identity

        def seen(answer: Answer) -> None:
            if not isinstance(answer, Found) or answer.lease.holder != identity:
                then(answer)
                return
            document = lease.release_document(answer.lease, self.wall())
            self.ask(lambda: self.it.store.replace(document), then)

        self.ask(self.it.store.get, seen)


def search(world: World, seeds: range, code: Code | None = None) -> Mapping[str, int]:
    """How many schedules had two leaders, and how many had none at the end."""
    counts = {"overlaps": 0, "stuck": 0}
    for seed in seeds:
        result = simulate(world, seed, code)
        counts["overlaps"] += result.overlap > 1e-6
        counts["stuck"] += not result.leads_at_the_end
    return counts
