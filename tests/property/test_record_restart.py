"""Nobody can tell from what is judged that the program was restarted in between."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, TypeAlias

import attrs
import trio
from build import WEB, at, checked, monitor, schedule
from hypothesis import given, settings
from hypothesis import strategies as st
from support.history import open_store

from kubekuma.model.monitor import Monitor
from kubekuma.model.order import Drop, Enrol, Pause
from kubekuma.model.result import Reason
from kubekuma.record.ledger import Ledger, Recorded
from kubekuma.record.states import load_states
from kubekuma.record.writer import StoreHealth, Writer

REASONS = (Reason.PASSED, Reason.SLOW, Reason.TIMEOUT, Reason.NO_DESCRIPTORS)
TIMEOUT = 10.0

Deed: TypeAlias = Reason | Literal["web", "other", "pause", "drop", "settle"]
# Seconds since the one before, and what happens then.
events = st.lists(
    st.tuples(
        st.integers(1, 400),
        st.one_of(
            st.sampled_from(REASONS),
            st.sampled_from(REASONS),
            st.sampled_from(["web", "other", "pause", "drop", "settle"]),
        ),
    ),
    max_size=25,
)
shapes = st.tuples(st.integers(0, 2), st.sampled_from([0, 100]), st.integers(1, 2))


@attrs.define
class Watched:
    """One monitor's ledger, and which of its forms is watched."""

    ledger: Ledger
    forms: dict[str, Monitor]
    form: str = ""  # empty: nobody watches
    paused: bool = False

    def happen(self, seconds: float, deed: Deed) -> Recorded | None:
        now, ledger = at(seconds), self.ledger
        if isinstance(deed, Reason):
            if not self.form or self.paused:
                return None
            found = checked(seconds, deed, message=deed.value, latency_seconds=0.25)
            return ledger.checked(found, self.forms[self.form], TIMEOUT)
        if deed == "settle":
            form = self.forms[self.form or "web"]
            return ledger.settled(WEB, form.spec.schedule, now, TIMEOUT)
        if deed == "drop":
            self.form, self.paused = "", False
            return ledger.planned(Drop(key=WEB), None, now)
        if deed == "pause":
            self.form, self.paused = self.form or "web", True
            return ledger.planned(Pause(key=WEB), self.forms[self.form], now)
        self.form, self.paused = deed, False
        return self._enrolled(seconds)

    def start_again(self, seconds: float) -> Recorded | None:
        """What a start makes of what is there."""
        if not self.form:
            return self.ledger.planned(Drop(key=WEB), None, at(seconds))
        if self.paused:
            return self.ledger.planned(Pause(key=WEB), self.forms[self.form], at(seconds))
        return self._enrolled(seconds)

    def _enrolled(self, seconds: float) -> Recorded | None:
        order = Enrol(key=WEB, uid="u1", generation=1, interval_seconds=60, jitter_percent=0)
        return self.ledger.planned(order, self.forms[self.form], at(seconds))


def forms(retries: int, grace: int, recovery: int) -> dict[str, Monitor]:
    timing = schedule(
        retries={"maxRetries": retries, "retryIntervalSeconds": 20},
        graceDownSeconds=grace,
        recoverySuccesses=recovery,
    )
    other = {"http": {"url": "http://192.0.2.2/"}}
    return {"web": monitor(schedule=timing), "other": monitor(schedule=timing, target=other)}


async def kept(path: Path, recorded: Sequence[Recorded]) -> Ledger:
    """What is left of ``recorded`` after the process has ended."""
    async with open_store(path) as store:
        writer = Writer(store, lambda _: None, StoreHealth())
        for each in recorded:
            writer.add(each)
        await writer.flush()
    async with open_store(path) as store:
        states, uids = await store.read(load_states)
    return Ledger(states, uids)


@settings(max_examples=60)
@given(shapes, events, st.integers(0, 25))
def test_a_restart_changes_no_judgement(
    shape: tuple[int, int, int], events: list[tuple[int, Deed]], ends_after: int
) -> None:
    going_on = Watched(Ledger({}, {}), forms(*shape))
    restarted = Watched(Ledger({}, {}), forms(*shape))
    recorded: list[Recorded] = []
    seconds = 0.0

    async def end(path: Path) -> None:
        restarted.ledger = await kept(path, recorded)

    for number, (gap, deed) in enumerate([(0, "web"), *events]):
        if number == 1 + ends_after % max(1, len(events)):
            with TemporaryDirectory() as folder:
                trio.run(end, Path(folder, "history.db"))
            assert restarted.ledger.states[WEB] == going_on.ledger.states[WEB]
            assert restarted.start_again(seconds) is None
        seconds += gap
        expected = going_on.happen(seconds, deed)
        found = restarted.happen(seconds, deed)
        assert found == expected
        if found is not None:
            recorded.append(found)
