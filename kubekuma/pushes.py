"""The senders of push monitors: whose token it is, what was reported, who has fallen silent."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import datetime
from hashlib import sha256
from typing import Final

import attrs

from kubekuma.check.inside import Listening
from kubekuma.check.push import due_at
from kubekuma.model.meta import Key
from kubekuma.model.monitor import Monitor, MonitorType
from kubekuma.model.push import Beat, Reports, Signal
from kubekuma.model.result import CheckResult
from kubekuma.model.state import Checked, MonitorState, Reported
from kubekuma.model.target import PushTarget

# A report that is due is missed a moment later.
A_MOMENT: Final = 0.05


class Pushes:
    """Every sender by the digest of its token: what is secret is kept nowhere."""

    def __init__(self, states: Mapping[Key, MonitorState], now: Callable[[], datetime]) -> None:
        self.accepted = 0
        self._states = states
        self._now = now
        self._since = self._heard_at = now()
        self._senders: dict[Key, Monitor] = {}
        self._digests: dict[Key, bytes] = {}
        self._by_digest: dict[bytes, set[Key]] = {}
        # Ahead of the recorder, which may have much to do.
        self._newest: dict[Key, Reports] = {}

    def listen(self) -> None:
        """From now on reports can come: nobody is blamed for the time before."""
        self._since = self._heard_at = self._now()
        self._newest.clear()

    def expect(self, key: Key, sender: Monitor | None, token: bytes | None) -> None:
        """Take reports for ``key`` from whoever knows ``token``; with None from nobody."""
        digest = self._digests.pop(key, None)
        if digest is not None:
            self._by_digest[digest].discard(key)
            if not self._by_digest[digest]:
                del self._by_digest[digest]
        self._senders.pop(key, None)
        if sender is None:
            self._newest.pop(key, None)
            return
        self._senders[key] = sender
        if token is not None and token.strip():
            digest = sha256(token.strip()).digest()
            self._digests[key] = digest
            self._by_digest.setdefault(digest, set()).add(key)

    def senders(self, token: str) -> list[Monitor]:
        """The monitors that take reports under ``token``: none, or one, unless two share it.

        How long this takes says nothing of the tokens that there are: what is
        compared are digests.
        """
        keys = self._by_digest.get(sha256(token.encode("utf-8", "replace")).digest(), ())
        return [self._senders[key] for key in sorted(keys)]

    async def report(
        self, sender: Monitor, beat: Beat, check: Callable[[Monitor], Awaitable[CheckResult]]
    ) -> Reported:
        """Take in ``beat``, and have checked what it says, unless the monitor is paused."""
        key, at = sender.meta.key, self._now()
        self._heard_at = at
        self.accepted += 1
        reports = self._reports(key).after(beat, at)
        self._newest[key] = reports
        said = Reported(key=key, uid=sender.meta.uid, reports=reports)
        if beat.signal is Signal.START or not sender.spec.enabled:
            return said
        meta = sender.meta
        checked = Checked(
            key=key, uid=meta.uid, generation=meta.generation, at=at, result=await check(sender)
        )
        return attrs.evolve(said, checked=checked)

    def listening(self, key: Key) -> Listening:
        """What is heard of the sender of ``key``."""
        return Listening(reports=self._reports(key), since=self._since, silent=self._silent)

    def overdue_in(self, sender: Monitor) -> float:
        """Seconds until silence of ``sender`` is a failure; negative if it is one."""
        return (self._due(sender) - self._now()).total_seconds() + A_MOMENT

    def _reports(self, key: Key) -> Reports:
        newest = self._newest.get(key)
        if newest is not None:
            return newest
        state = self._states.get(key)
        return state.reports if state is not None else Reports()

    def _silent(self) -> int:
        now = self._now()
        return sum(self._heard_at < self._due(each) <= now for each in self._enabled())

    def _enabled(self) -> Iterator[Monitor]:
        return (each for each in self._senders.values() if each.spec.enabled)

    def _due(self, sender: Monitor) -> datetime:
        created_at = sender.meta.created_at or self._since
        return due_at(_target(sender), self._reports(sender.meta.key), created_at)


def is_sender(monitor: Monitor) -> bool:
    """Whether ``monitor`` waits for reports."""
    return monitor.spec.type is MonitorType.PUSH


def _target(sender: Monitor) -> PushTarget:
    target = sender.spec.target.push
    assert target is not None  # noqa: S101 - validation has seen it
    return target
