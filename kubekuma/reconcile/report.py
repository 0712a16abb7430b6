"""What is said of objects in the cluster: which status is to be written, and when."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple, TypeAlias

import attrs

from kubekuma.kube.client import Document, FieldManager
from kubekuma.kube.conditions import merged
from kubekuma.model.kinds import KINDS, MONITOR
from kubekuma.model.meta import Condition, Key
from kubekuma.model.monitor import Monitor
from kubekuma.model.state import MonitorState
from kubekuma.reconcile.publish import Lanes
from kubekuma.reconcile.status import conditions_body, summary_body
from kubekuma.reconcile.worker import Verdicts

# How much later than asked a figure may be written, so that not all are at once.
SPREAD: Final = 0.2

# In percent, by window.
Uptimes: TypeAlias = Callable[[Key], Awaitable[Mapping[str, str | None]]]
ApplyStatus: TypeAlias = Callable[[str, Key, Document, FieldManager], Awaitable[None]]

_KINDS: Final = {kind.name: kind for kind in KINDS}


class Line(NamedTuple):
    """One part of one object's status."""

    manager: FieldManager
    kind: str
    key: Key


@attrs.frozen
class Written:
    """The conditions that stand in the status of one object, and what else we said there."""

    uid: str
    conditions: tuple[Condition, ...]
    status: Mapping[str, Any]


class Reporter:
    """Collects what changes, and makes the bodies when their turn to be written comes."""

    def __init__(
        self,
        lanes: Lanes[Line],
        running: Mapping[Key, Monitor],
        states: Mapping[Key, MonitorState],
        *,
        uptimes: Uptimes,
        notifies: Callable[[Monitor], int],
        apply_status: ApplyStatus,
        refresh_seconds: Callable[[], float],
        chance: Callable[[], float],
        now: Callable[[], datetime],
    ) -> None:
        self._lanes = lanes
        self._running = running
        self._states = states
        self._uptimes = uptimes
        self._notifies = notifies
        self._apply_status = apply_status
        self._refresh_seconds = refresh_seconds
        self._chance = chance
        self._now = now
        self._verdicts: dict[tuple[str, Key], Verdicts] = {}
        self._written: dict[tuple[str, Key], Written] = {}

    def conditions(self, verdicts: Verdicts) -> None:
        """Have an object's conditions written, if they are not what stands there."""
        key = verdicts.meta.key
        place = (verdicts.kind, key)
        self._verdicts[place] = verdicts
        if self._stand_there(place, verdicts):
            return
        self._lanes.add(Line("kubekuma-reconciler", verdicts.kind, key))

    def _stand_there(self, place: tuple[str, Key], verdicts: Verdicts) -> bool:
        written = self._written.get(place)
        if written is not None and written.uid == verdicts.meta.uid:
            known = {each.type: each for each in written.conditions}
            found = merged(known, verdicts.conditions, self._now())
            return found == written.conditions and verdicts.status == written.status
        # A former run may have written them: messages are not kept, and only faults have one.
        return not verdicts.status and all(
            (before := verdicts.before.get(each.type)) is not None
            and (before.status, before.reason, before.observed_generation)
            == (each.status, each.reason, each.observed_generation)
            and not each.message
            for each in verdicts.conditions
        )

    def changed(self, key: Key) -> None:
        """Have a monitor's state written at once."""
        self._lanes.add(self._summary(key))

    def checked(self, key: Key) -> None:
        """Have a monitor's figures written some time soon."""
        delay = self._refresh_seconds() * (1 + SPREAD * self._chance())
        self._lanes.add_after(self._summary(key), delay)

    def forget(self, kind: str, key: Key) -> None:
        """The object is gone, and its status with it."""
        self._verdicts.pop((kind, key), None)
        self._written.pop((kind, key), None)

    async def write(self, line: Line) -> None:
        """Write one part of one status. Raises KubeError."""
        if line.manager == "kubekuma-reconciler":
            await self._write_conditions(line)
        else:
            await self._write_summary(line)

    async def _write_conditions(self, line: Line) -> None:
        place = (line.kind, line.key)
        verdicts = self._verdicts.get(place)
        if verdicts is None:
            return
        known = dict(verdicts.before)
        written = self._written.get(place)
        if written is not None and written.uid == verdicts.meta.uid:
            known |= {each.type: each for each in written.conditions}
        conditions = merged(known, verdicts.conditions, self._now())
        kind = _KINDS[line.kind]
        body = conditions_body(
            kind, verdicts.meta, verdicts.generation, conditions, verdicts.status
        )
        await self._apply_status(line.kind, line.key, body, line.manager)
        self._written[place] = Written(verdicts.meta.uid, conditions, verdicts.status)

    async def _write_summary(self, line: Line) -> None:
        monitor, state = self._running.get(line.key), self._states.get(line.key)
        if monitor is None or state is None:
            return
        uptime = await self._uptimes(line.key)
        notifies = self._notifies(monitor)
        body = summary_body(monitor, state, uptime, self._now(), notifies=notifies)
        await self._apply_status(line.kind, line.key, body, line.manager)

    def _summary(self, key: Key) -> Line:
        return Line("kubekuma-status", MONITOR.name, key)
