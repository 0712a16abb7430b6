"""Whether we lead at this very moment: asked before every effect, from any thread."""

import math
from collections.abc import Callable
from enum import StrEnum

import trio

from kubekuma.kube.errors import KubeError


class LeaseLostError(KubeError):
    """We do not lead, and what was to be done must not be."""


class Standing(StrEnum):
    """What we are."""

    STANDBY = "standby"
    LEADER = "leader"
    DEGRADED = "degraded"  # the Lease is lost, the database is ours: checks and history go on
    ALONE = "alone"  # nobody asked for a Lease: the database alone keeps others away
    LOST = "lost"


class Leadership:
    """Our standing, and until when. Written by the loop alone; may be read from every thread.

    ``continues`` says whether work goes on when the API server is away;
    ``history``, which is set from outside, names the database that is ours
    alone meanwhile. Without one nothing ever goes on.
    """

    def __init__(self, now: Callable[[], float], continues: Callable[[], bool]) -> None:
        self._now = now
        self.continues = continues
        self.standing = Standing.STANDBY
        self.fence = -math.inf
        self.epoch = 0
        self.why = "starting"  # we do not lead, or do no longer
        self.history = ""
        self.renewals = 0
        self.errors = 0
        # It is known whether we lead for now.
        self.settled = trio.Event()

    def check(self) -> None:
        """Pass if the cluster is ours to write to. Raises LeaseLostError."""
        if self.standing is Standing.ALONE:
            return
        if self.standing is not Standing.LEADER or self._now() >= self.fence:
            raise LeaseLostError(f"we do not lead: {self.why or 'the Lease has run out'}")

    def check_work(self) -> None:
        """Pass if checks and commits are ours to do. Raises LeaseLostError."""
        if self.is_held and self.goes_on:
            return
        self.check()

    @property
    def is_held(self) -> bool:
        """Whether we lead, or did and may go on."""
        return self.standing in {Standing.LEADER, Standing.DEGRADED, Standing.ALONE}

    @property
    def goes_on(self) -> bool:
        """Whether work goes on without the Lease."""
        return bool(self.history) and self.continues()

    def lead(self, epoch: int, fence: float) -> None:
        """The Lease is ours until ``fence``."""
        self.standing = Standing.LEADER
        self.epoch, self.fence, self.why = epoch, fence, ""
        self.settled.set()

    def lead_without_lease(self, standing: Standing, why: str) -> None:
        """Go on, or begin, with the database alone."""
        self.standing, self.fence, self.why = standing, -math.inf, why
        self.settled.set()

    def stand_by(self, why: str) -> None:
        """Somebody else leads, or nobody, and this is ``why`` not we."""
        self.why = why
        self.settled.set()

    def lose(self, why: str) -> None:
        """We lead no longer, and never again: a new process may."""
        self.standing, self.fence, self.why = Standing.LOST, -math.inf, why
        self.settled.set()

    def is_overdue(self, seconds: float) -> bool:
        """Whether the Lease ran out so long ago, and nobody here has noticed."""
        return self.standing is Standing.LEADER and self._now() >= self.fence + seconds

    def end(self) -> None:
        """Our work has ended as it should."""
        if self.standing is not Standing.LOST:
            self.standing, self.fence, self.why = Standing.STANDBY, -math.inf, "stopping"
        self.settled.set()
