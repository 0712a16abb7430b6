"""Planned work, silences and flapping: they lie over the verdict and never change it."""

from typing import Any

import pytest
from build import WEB, at, checked, monitor, schedule
from hypothesis import given
from hypothesis import strategies as st

from kubekuma.model.monitor import MonitorSpec
from kubekuma.model.result import Reason
from kubekuma.model.settings import Flapping
from kubekuma.model.state import Charge, Judgement, MonitorState, Overlaid, Verdict
from kubekuma.record.judge import enrol, judge, overlay, pause, settle

PASS, FAIL = Reason.PASSED, Reason.TIMEOUT
TIMEOUT = 10.0


class History:
    """Applies one event after another, and keeps what came of each."""

    def __init__(self, flapping: Flapping | None = None, **more: Any) -> None:
        self.spec: MonitorSpec = monitor(schedule=schedule(**more)).spec
        self.flapping = flapping or Flapping()
        self.state = MonitorState()
        self.judgements: list[Judgement] = []

    def check(self, seconds: float, reason: Reason) -> Judgement:
        return self._keep(
            judge(
                self.state,
                checked(seconds, reason),
                self.spec,
                timeout_seconds=TIMEOUT,
                flapping=self.flapping,
            )
        )

    def checks(self, *reasons: Reason, since: float, every: float = 60) -> Judgement:
        for number, reason in enumerate(reasons):
            self.check(since + number * every, reason)
        return self.judgements[-1]

    def work(self, seconds: float, *, goes_on: bool, silenced: bool = False) -> Judgement:
        overlaid = Overlaid(key=WEB, maintenance=goes_on, silenced=silenced)
        return self._keep(overlay(WEB, self.state, overlaid, at(seconds)))

    def settle(self, seconds: float) -> Judgement | None:
        found = settle(
            WEB,
            self.state,
            self.spec.schedule,
            at(seconds),
            timeout_seconds=TIMEOUT,
            flapping=self.flapping,
        )
        return None if found is None else self._keep(found)

    def _keep(self, judgement: Judgement) -> Judgement:
        self.state = judgement.state
        self.judgements.append(judgement)
        return judgement

    @property
    def shown(self) -> str:
        return self.state.standing.shown

    @property
    def verdict(self) -> Verdict:
        return self.state.standing.verdict

    @property
    def spans(self) -> list[tuple[float, Charge]]:
        return [
            ((span.start - at(0)).total_seconds(), span.charge)
            for judgement in self.judgements
            for span in judgement.spans
        ]

    @property
    def incidents(self) -> list[tuple[str, float]]:
        """What opened, by its first failure, and what closed, by its end."""
        found = []
        for judgement in self.judgements:
            if judgement.opened is not None:
                found.append(("opened", (judgement.opened.started_at - at(0)).total_seconds()))
            if judgement.closed is not None:
                found.append(("closed", (judgement.closed.ended_at - at(0)).total_seconds()))
        return found


# Planned work ------------------------------------------------------------------------------------


def test_down_within_planned_work_is_charged_to_nobody_and_no_outage() -> None:
    it = History()
    it.checks(PASS, PASS, since=0)
    started = it.work(100, goes_on=True)
    assert (started.transition and started.transition.after) == "maintenance"
    it.checks(FAIL, FAIL, since=120)
    assert (it.shown, it.verdict) == ("maintenance", Verdict.DOWN)
    it.checks(PASS, since=240)
    it.work(300, goes_on=False)
    assert it.shown == "up"
    assert it.spans == [(0, Charge.UP), (100, Charge.MAINTENANCE), (300, Charge.UP)]
    assert it.incidents == []


def test_what_still_fails_at_the_end_is_an_outage_from_the_end() -> None:
    it = History()
    it.checks(PASS, since=0)
    it.work(30, goes_on=True)
    it.checks(FAIL, FAIL, since=60)
    ended = it.work(150, goes_on=False)
    assert it.incidents == [("opened", 150)]
    assert ended.opened is not None
    assert ended.opened.cause.reason is FAIL
    assert (it.shown, it.state.standing.incident_started_at) == ("down", at(150))
    assert it.spans == [(0, Charge.UP), (30, Charge.MAINTENANCE), (150, Charge.DOWN)]
    it.checks(PASS, since=180)
    assert it.incidents == [("opened", 150), ("closed", 180)]


def test_an_outage_from_before_goes_on_and_may_end_within() -> None:
    it = History()
    it.checks(PASS, FAIL, since=0)
    it.work(90, goes_on=True)
    assert it.state.standing.incident is not None
    it.checks(PASS, FAIL, since=120)
    # Its second failure is of the planned work: until that ends.
    assert it.incidents == [("opened", 60), ("closed", 120)]
    it.work(200, goes_on=False)
    assert it.incidents == [("opened", 60), ("closed", 120), ("opened", 200)]
    assert it.spans == [
        (0, Charge.UP),
        (60, Charge.DOWN),
        (90, Charge.MAINTENANCE),
        (200, Charge.DOWN),
    ]


def test_a_failure_that_is_doubted_when_the_work_ends_counts_from_there() -> None:
    it = History(retries={"maxRetries": 2, "retryIntervalSeconds": 20})
    it.checks(PASS, since=0)
    it.work(50, goes_on=True)
    it.check(60, FAIL)
    it.work(70, goes_on=False)
    assert it.shown == "pending"
    it.checks(FAIL, FAIL, since=80, every=20)
    assert it.shown == "down"
    assert it.spans == [
        (0, Charge.UP),
        (50, Charge.MAINTENANCE),
        (70, Charge.UP),
        (70, Charge.DOWN),
    ]


def test_a_paused_monitor_stays_paused_and_is_under_work_when_it_is_back() -> None:
    it = History()
    it.check(0, PASS)
    it._keep(pause(WEB, it.state, at(10)))  # noqa: SLF001 - of this test
    it.work(20, goes_on=True)
    assert it.shown == "paused"
    assert it.state.standing.overlays == ("paused", "maintenance")
    it._keep(enrol(WEB, it.state, it.state.standing.identity, at(30)))  # noqa: SLF001 - the same
    assert it.shown == "maintenance"
    assert it.spans == [(0, Charge.UP), (10, Charge.PAUSED), (30, Charge.MAINTENANCE)]


def test_saying_it_again_changes_nothing() -> None:
    it = History()
    it.check(0, PASS)
    it.work(10, goes_on=True)
    again = it.work(20, goes_on=True)
    assert not again.standing_changed
    assert again.transition is None
    assert again.spans == ()


def test_silence_within_planned_work_is_planned_work() -> None:
    it = History()
    it.check(0, PASS)
    it.work(10, goes_on=True)
    it.settle(10_000)
    assert (it.shown, it.verdict) == ("maintenance", Verdict.UNKNOWN)
    it.work(10_010, goes_on=False)
    assert it.spans == [(0, Charge.UP), (10, Charge.MAINTENANCE), (10_010, Charge.UNKNOWN)]


def test_a_silence_is_told_and_changes_neither_state_nor_charge() -> None:
    it = History()
    it.check(0, PASS)
    found = it.work(10, goes_on=False, silenced=True)
    assert found.standing_changed
    assert (it.shown, it.state.standing.overlays) == ("up", ("silenced",))
    assert found.spans == ()
    it.check(60, FAIL)
    assert it.incidents == [("opened", 60)]


# Flapping ----------------------------------------------------------------------------------------


def flapped(**more: Any) -> History:
    it = History(**more)
    it.checks(PASS, *(FAIL, PASS) * 3, since=0)
    return it


def test_the_sixth_change_within_the_window_is_flapping_and_the_outage_stays() -> None:
    it = History()
    it.checks(PASS, FAIL, PASS, FAIL, PASS, FAIL, since=0)
    assert it.shown == "down"
    it.check(360, PASS)
    assert (it.shown, it.verdict) == ("flapping", Verdict.UP)
    assert it.state.standing.incident is not None
    it.checks(FAIL, PASS, since=420)
    assert it.shown == "flapping"
    # Time is charged as it is, and one incident holds from its start.
    assert it.incidents[-1] == ("opened", 300)
    assert it.spans[-3:] == [(360, Charge.UP), (420, Charge.DOWN), (480, Charge.UP)]


def test_calm_ends_it_and_the_outage_ended_when_it_last_came_up() -> None:
    it = flapped()
    it.checks(*(PASS,) * 9, since=420)
    assert it.shown == "flapping"
    it.check(960, PASS)
    assert it.shown == "up"
    assert it.incidents[-1] == ("closed", 360)
    # It begins to count anew.
    it.checks(FAIL, PASS, since=1020)
    assert it.shown == "up"


def test_time_alone_ends_it_too() -> None:
    it = flapped(intervalSeconds=300)
    assert it.settle(400) is None
    assert it.shown == "flapping"
    found = it.settle(360 + 1500)
    assert found is not None
    assert not it.state.standing.flapping


def test_who_stays_down_is_down_and_told() -> None:
    it = History(graceDownSeconds=30)
    it.checks(PASS, *(FAIL, FAIL, PASS, PASS) * 3, FAIL, FAIL, since=0, every=30)
    assert (it.shown, it.verdict) == ("flapping", Verdict.DOWN)
    last = it.state.standing.changes[-1]
    seconds = (last - at(0)).total_seconds()
    it.checks(*(FAIL,) * 11, since=seconds + 30, every=50)
    assert it.shown == "flapping"
    it.check(seconds + 630, FAIL)
    assert it.shown == "down"
    assert it.state.standing.incident is not None


def test_changes_that_lie_far_apart_are_no_flapping() -> None:
    it = History()
    it.checks(*(PASS, FAIL) * 10, since=0, every=300)
    assert it.shown == "down"


def test_a_slow_monitor_flaps_over_more_than_the_window() -> None:
    it = History(intervalSeconds=3600)
    it.checks(PASS, *(FAIL, PASS) * 3, since=0, every=3600)
    assert it.shown == "flapping"


@pytest.mark.parametrize("flapping", [Flapping(enabled=False), Flapping(toggle_threshold=50)])
def test_settings_decide_whether_and_when(flapping: Flapping) -> None:
    it = flapped(flapping=flapping)
    assert it.shown == "up"
    assert it.incidents[-1] == ("closed", 360)


def test_another_target_or_a_pause_begins_anew() -> None:
    it = flapped()
    other = enrol(WEB, it.state, "another", at(400)).state.standing
    assert (other.flapping, other.changes) == (False, ())
    paused = pause(WEB, it.state, at(400)).state.standing
    assert (paused.flapping, paused.changes) == (False, ())


def test_planned_work_lies_over_flapping() -> None:
    it = flapped()
    it.work(400, goes_on=True)
    assert it.shown == "maintenance"
    assert it.state.standing.overlays == ("maintenance", "flapping")


# Laws --------------------------------------------------------------------------------------------

events = st.lists(
    st.tuples(
        st.integers(1, 400),
        st.sampled_from((PASS, FAIL, Reason.SLOW, Reason.NO_ROUTE, True, False, None)),
    ),
    max_size=40,
)


@given(events)
def test_within_planned_work_nothing_is_charged_and_no_outage_begins(
    gaps: list[tuple[int, Reason | bool | None]],
) -> None:
    it, seconds, working = History(), 0, False
    for gap, what in gaps:
        seconds += gap
        before = len(it.judgements)
        if isinstance(what, Reason):
            it.check(seconds, what)
        elif what is None:
            it.settle(seconds)
        else:
            working = what
            it.work(seconds, goes_on=what)
        for judgement in it.judgements[before:]:
            assert it.state.standing.maintenance is working
            assert not (working and judgement.opened)
            assert not working or {span.charge for span in judgement.spans} <= {Charge.MAINTENANCE}
    times = [start for start, _ in it.spans]
    assert times == sorted(times)
    opened = [what for what, _ in it.incidents]
    # Opened and closed by turns: never two at once.
    assert opened[::2] == ["opened"] * len(opened[::2])
    assert opened[1::2] == ["closed"] * len(opened[1::2])
    standing = it.state.standing
    assert (standing.incident is not None) is (len(opened) % 2 == 1)
    if standing.verdict is Verdict.DOWN and not working:
        assert standing.incident is not None
