"""What the server knows of all monitors at the moment. Read-only."""

from collections.abc import Iterator, Mapping

import attrs

from kubekuma.model.meta import Key
from kubekuma.model.monitor import Monitor
from kubekuma.model.state import MonitorState
from kubekuma.record.uptime import Uptime
from kubekuma.validate.rule import Rejected
from kubekuma.validate.seen import Objects, Seen


@attrs.define(kw_only=True)
class Board:
    """Views of what other parts of the program own, and the uptimes as of a moment ago."""

    monitors: Objects[Monitor]
    states: Mapping[Key, MonitorState]
    uptimes: Mapping[str, Mapping[Key, Uptime]] = attrs.field(factory=dict)

    def rows(self) -> Iterator["Row"]:
        """Every monitor, in order of namespace and name."""
        for key in sorted(self.monitors.keys()):
            seen = self.monitors.get(key)
            if seen is not None:
                yield self._row(key, seen)

    def row(self, key: Key) -> "Row | None":
        """One monitor."""
        seen = self.monitors.get(key)
        return None if seen is None else self._row(key, seen)

    def _row(self, key: Key, seen: Seen[Monitor]) -> "Row":
        state = self.states.get(key)
        return Row(key=key, latest=seen.latest, valid=seen.valid, state=state or MonitorState())


@attrs.frozen(kw_only=True)
class Row:
    """One monitor, and how it is."""

    key: Key
    latest: Monitor | Rejected
    valid: Monitor | None
    state: MonitorState

    @property
    def shown(self) -> str:
        """The state that people see; of what never was valid, nothing is known."""
        return self.state.standing.shown if self.valid is not None else "unknown"
