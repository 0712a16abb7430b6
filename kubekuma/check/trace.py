"""What one check has seen so far: phases, peer, certificate, and a transcript for people."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final

import trio

from kubekuma.check.finding import Finding
from kubekuma.model.result import Certificate, Reason, Timings

MAX_LINES: Final = 64
MAX_CHARACTERS: Final = 4096
MAX_LINE: Final = 512


class Phase(StrEnum):
    """The phases, named as the fields of ``Timings``."""

    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    FIRST_BYTE = "first_byte"
    TRANSFER = "transfer"


class Trace:
    """The notes of one check, kept by the one task that runs it.

    From the first phase on every moment is charged to exactly one, so that the phases add up to
    the latency. Our own preparations come before the first and are charged to nobody.
    """

    __slots__ = (
        "_lines",
        "_phase",
        "_since",
        "_spent",
        "at_deadline",
        "certificate",
        "doing",
        "peer",
        "registered_until",
        "secrets",
        "status_code",
    )

    def __init__(self, *, transcript: bool = False) -> None:
        self._phase: Phase | None = None
        self._since = trio.current_time()
        self._spent: dict[Phase, float] = {}
        self._lines: list[str] | None = [] if transcript else None
        self.doing = "preparing the check"
        # What to say instead of Timeout if the deadline strikes now.
        self.at_deadline: Finding | None = None
        self.peer: str | None = None
        self.certificate: Certificate | None = None
        self.registered_until: datetime | None = None
        self.status_code: int | None = None
        # Texts that must not be shown to anybody.
        self.secrets: list[str] = []

    def enter(self, phase: Phase, doing: str) -> None:
        """Begin ``phase``, or go on with it; ``doing`` completes "timed out while …"."""
        self._settle()
        self._phase = phase
        self.doing = doing

    def count(self, phase: Phase, seconds: float) -> None:
        """End the last phase, and have ``phase`` count as ``seconds``: an average, not a sum."""
        self._phase = None
        self._spent[phase] = seconds

    def finish(self) -> None:
        """End the last phase: what comes now is our own work."""
        self._settle()
        self._phase = None

    def give_up(self, why: str) -> None:
        """Add the end of a check that could not go on to the transcript."""
        if self._phase is None:
            self.say("failed: %s", why)
        else:
            self.say("failed after %.1f ms: %s", self.lap() * 1000, why)

    def lap(self) -> float:
        """Seconds since the present phase was entered."""
        return trio.current_time() - self._since

    def say(self, line: str, *details: object) -> None:
        """Add ``line % details`` to the transcript, if anybody wants one."""
        if self._lines is not None and len(self._lines) < MAX_LINES:
            self._lines.append(line % details if details else line)

    @property
    def wanted(self) -> bool:
        """Whether there is a transcript: ask before collecting much for it."""
        return self._lines is not None

    @property
    def lines(self) -> Sequence[str]:
        """The transcript, with secrets in it."""
        return tuple(self._lines or ())

    @property
    def timings(self) -> Timings:
        """Seconds by phase."""
        return Timings(**self._spent)

    @property
    def latency(self) -> float:
        """Seconds in all phases that have ended."""
        return sum(self._spent.values())

    def timed_out(self, seconds: float) -> Finding:
        """What to say when the deadline has struck."""
        return self.at_deadline or Finding(
            Reason.TIMEOUT, f"timed out after {seconds:g} s while {self.doing}"
        )

    def add(self, part: "Trace", *, only_time: bool) -> None:
        """Take over what ``part``, the trace of a part that has ended, has seen.

        Phases add up; lines make room for later ones. Of what there can be only one, the later
        counts, unless ``only_time``.
        """
        part.finish()
        self.finish()
        for phase, seconds in part._spent.items():  # noqa: SLF001 - a trace as well
            self._spent[phase] = self._spent.get(phase, 0.0) + seconds
        if self._lines is not None:
            self._lines = _last(self._lines + list(part.lines))
        self.doing = part.doing
        self.at_deadline = part.at_deadline
        if only_time:
            return
        self.peer = part.peer or self.peer
        self.status_code = part.status_code or self.status_code
        self.certificate = part.certificate or self.certificate

    def _settle(self) -> None:
        now = trio.current_time()
        if self._phase is not None:
            self._spent[self._phase] = self._spent.get(self._phase, 0.0) + now - self._since
        self._since = now


def _last(lines: Sequence[str]) -> list[str]:
    """As many of the last of ``lines`` as may be published."""
    kept: list[str] = []
    left = MAX_CHARACTERS
    for line in reversed(lines[-MAX_LINES:]):
        left -= min(len(line), MAX_LINE)
        if left < 0:
            break
        kept.append(line)
    return kept[::-1]
