"""Waits for the Lease, leads while it is ours, and gives it back last."""

import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final, TypeAlias

import attrs
import structlog
import trio

from kubekuma.kit.boottime import boottime
from kubekuma.kube.lease import (
    Answer,
    BeginAlone,
    Candidate,
    Claim,
    Facts,
    Failed,
    Found,
    Held,
    Lease,
    Lost,
    Review,
    Timing,
    Wait,
    claim_document,
    claimed,
    consider,
    is_held_by_another,
    new_document,
    release_document,
    renewal_document,
    renewed,
    reviewed,
)
from kubekuma.kube.lease_api import LeaseApi
from kubekuma.kube.lease_fence import Leadership, LeaseLostError, Standing
from kubekuma.model.meta import Key

_log = structlog.get_logger(__name__)

RELEASES: Final = 3

# What is known from elsewhere, asked after each look at the Lease.
Gather: TypeAlias = Callable[[Answer | None], Awaitable[Facts]]
# All the work of a leader, until it ends by itself; given the Lease as it was claimed over, if any.
Lead: TypeAlias = Callable[[Lease | None], Awaitable[None]]


def _utc_now() -> datetime:
    return datetime.now(UTC)


@attrs.frozen(kw_only=True)
class Election:
    """Who we are in it, and what it is held with."""

    api: LeaseApi
    key: Key
    identity: str
    timing: Timing
    leadership: Leadership
    gather: Gather
    required: Callable[[], bool]  # whether there must be a Lease at all
    losing: Callable[[float], None]  # told once when the Lease is lost: so many seconds are left
    now: Callable[[], float] = boottime
    wall: Callable[[], datetime] = _utc_now
    chance: Callable[[], float] = random.random


async def hold_lease(election: Election, lead: Lead, *, stop: trio.Event) -> None:
    """Wait for the Lease, and ``lead`` once it is ours; release it after the end.

    Ownership: the Lease, and the election's leadership, which nobody else writes.
    Shutdown: at ``stop`` whoever waits gives up; whoever leads is expected to
    end by itself, keeps the Lease until then, and releases it last. Cancelled,
    it is not released.
    Failure: LeaseLostError when others may lead. The work was cancelled then,
    and has ended; the process should too, as a new one is a candidate anew.
    """
    term = _Term(election)
    over = False
    try:
        if await term.campaign(stop):
            await term.reign(lead)
        over = True
    except LeaseLostError:
        raise
    except Exception:
        # A bug of ours; but nothing of the work is left.
        over = True
        raise
    finally:
        election.leadership.end()
        if over:
            await term.release()


class _Term:
    """One process's way to the Lease and through it."""

    def __init__(self, election: Election) -> None:
        self._it = election
        self._leadership = election.leadership
        self._held: Held | None = None
        self._before: Lease | None = None  # as it was before us
        self._uid = ""  # of the Lease that we hold, or held last
        self._claims = False  # a claim may have been written
        self._work = trio.CancelScope()
        self._said = ""

    async def campaign(self, stop: trio.Event) -> bool:
        """Wait until we lead; False: told to stop before that."""
        won = False

        async def give_up() -> None:
            await stop.wait()
            nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(give_up)
            await self._stand()
            won = True
            nursery.cancel_scope.cancel()
        return won

    async def _stand(self) -> None:
        it = self._it
        candidate = Candidate(timing=it.timing, identity=it.identity)
        while True:
            if not it.required():
                if (await it.gather(None)).holds_database:
                    self._leadership.lead_without_lease(Standing.ALONE, "")
                    _log.info("leading without a Lease, as the settings say")
                    return
                await self._wait(Wait(it.timing.retry_seconds, "another process has the database"))
                continue
            answer = await it.api.get(it.timing.request_seconds)
            facts = await it.gather(answer)
            candidate, move = consider(candidate, answer, it.now(), it.chance(), facts)
            if isinstance(answer, Failed):
                self._leadership.errors += 1
            if isinstance(move, BeginAlone):
                why = "the API server is away"
                self._leadership.lead_without_lease(Standing.DEGRADED, why)
                _log.warning("leading with the database alone", why=why)
                return
            if isinstance(move, Claim):
                outcome = await self._claim(candidate, move.lease)
                if isinstance(outcome, Held):
                    return
                candidate, move = outcome
            await self._wait(move)

    async def _claim(
        self, candidate: Candidate, lease: Lease | None
    ) -> Held | tuple[Candidate, Wait]:
        it = self._it
        self._claims = True
        at, sent_at, seconds = it.wall(), it.now(), it.timing.request_seconds
        if lease is None:
            document = new_document(it.key, it.identity, it.timing, at)
            answer = await it.api.create(document, seconds)
        else:
            document = claim_document(lease, it.identity, it.timing, at)
            answer = await it.api.replace(document, seconds)
        outcome = claimed(candidate, answer, sent_at, it.now(), it.chance())
        if isinstance(outcome, Held):
            self._held, self._before, self._uid = outcome, lease, outcome.lease.uid
            self._leadership.lead(outcome.epoch, outcome.fence)
            _log.info("leading", lease=str(it.key), identity=it.identity, epoch=outcome.epoch)
        return outcome

    async def _wait(self, wait: Wait) -> None:
        if wait.why != self._said:
            _log.info("on standby", why=wait.why)
            self._said = wait.why
        self._leadership.stand_by(wait.why)
        await trio.sleep(wait.seconds)

    async def reign(self, lead: Lead) -> None:
        """Lead until the work ends by itself. Raises LeaseLostError if it had to be ended."""
        try:
            with self._work:
                async with trio.open_nursery() as keeping:
                    keeping.start_soon(self._keep)
                    keeping.start_soon(self._watch_fence)
                    await lead(self._before)
                    keeping.cancel_scope.cancel()
        except* LeaseLostError as group:
            # Whoever was about to do something has found out first.
            self._lose(str(_first(group)))
        if self._leadership.standing is Standing.LOST:
            raise LeaseLostError(self._leadership.why)

    def _lose(self, why: str) -> None:
        if self._leadership.standing is Standing.LOST:
            return
        # First of all: from here on nothing begins.
        self._leadership.lose(why)
        self._work.cancel()
        _log.error("leadership is lost", why=why, identity=self._it.identity)
        self._it.losing(self._it.timing.lease_seconds - self._it.timing.deadline_seconds)

    async def _watch_fence(self) -> None:
        """End the work in time, whatever the renewals are doing."""
        leadership = self._leadership
        while True:
            left = leadership.fence - self._it.now()
            if leadership.standing is Standing.LEADER and left <= 0:
                self._run_out()
            await self._sleep(left if left > 0 else self._it.timing.retry_seconds)

    async def _sleep(self, seconds: float) -> None:
        # After a suspend trio's clock has much left to sleep, of which ours knows nothing.
        await trio.sleep(min(seconds, self._it.timing.retry_seconds))

    def _run_out(self) -> None:
        why = "the Lease could not be renewed in time"
        if not self._leadership.goes_on:
            self._lose(why)
        elif self._leadership.standing is Standing.LEADER:
            self._leadership.lead_without_lease(Standing.DEGRADED, why)
            _log.warning("leading with the database alone", why=why)

    async def _keep(self) -> None:
        """Renew what we hold; without it, look whether it can be had again."""
        while self._leadership.standing is not Standing.LOST:
            if self._held is None:
                await self._recover()
            else:
                await self._renew(self._held)

    async def _renew(self, held: Held) -> None:
        it, leadership = self._it, self._leadership
        while (left := held.next_at - it.now()) > 0:
            await self._sleep(left)
        sent_at = it.now()
        if sent_at >= held.fence:
            self._held = None
            self._run_out()
            return
        document = renewal_document(held, leadership.history, it.wall())
        seconds = min(it.timing.request_seconds, held.fence - sent_at)
        answer = await it.api.replace(document, seconds)
        self._count(answer)
        outcome = renewed(held, answer, sent_at, it.now(), it.chance())
        if isinstance(outcome, Review):
            answer = await it.api.get(it.timing.request_seconds)
            outcome = reviewed(held, answer, it.now())
        if isinstance(outcome, Lost):
            self._lose(outcome.why)
            return
        self._held = outcome
        if isinstance(answer, Found) and it.now() < outcome.fence and leadership.is_held:
            leadership.lead(outcome.epoch, outcome.fence)

    async def _recover(self) -> None:
        """Look for the API server, and take the Lease again unless it is somebody's."""
        it, leadership = self._it, self._leadership
        candidate = Candidate(timing=it.timing, identity=it.identity, knew=True, claims=self._uid)
        while True:
            if leadership.standing is Standing.ALONE and not it.required():
                await trio.sleep(it.timing.retry_seconds)
                continue
            if leadership.standing is Standing.DEGRADED and not leadership.continues():
                self._lose("the settings say to stop while the API server is away")
                return
            answer = await it.api.get(it.timing.request_seconds)
            if is_held_by_another(answer, it.identity):
                assert isinstance(answer, Found)  # noqa: S101 - for the type checker
                self._lose(f"the Lease was taken by {answer.lease.holder}")
                return
            facts = Facts(history=leadership.history)
            candidate, move = consider(candidate, answer, it.now(), it.chance(), facts)
            if isinstance(move, Claim):
                outcome = await self._claim(candidate, move.lease)
                if isinstance(outcome, Held):
                    return
                candidate, move = outcome
            if isinstance(move, Wait):
                await trio.sleep(move.seconds)

    def _count(self, answer: Answer) -> None:
        if isinstance(answer, Found):
            if self._said:
                _log.info("the Lease is renewed again")
            self._said = ""
            self._leadership.renewals += 1
        elif isinstance(answer, Failed):
            self._leadership.errors += 1
            if answer.error != self._said:
                _log.warning("the Lease cannot be renewed", error=answer.error)
            self._said = answer.error

    async def release(self) -> None:
        """Let others have the Lease at once, if it is ours, or may be."""
        if not self._claims:
            return
        it = self._it
        seconds = it.timing.request_seconds
        with trio.move_on_after(seconds, shield=True):
            for _ in range(RELEASES):
                answer = await it.api.get(seconds)
                if not isinstance(answer, Found) or answer.lease.holder != it.identity:
                    break
                document = release_document(answer.lease, it.wall())
                if isinstance(await it.api.replace(document, seconds), Found):
                    _log.info("the Lease is released")
                    return
        _log.info("the Lease is not released, as it is not ours or out of reach")


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
