"""Charts of latency are the same whatever they are drawn from."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from build import START, WEB, at
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs
from support.history import memory

from kubekuma.model.result import Outcome, Reason
from kubekuma.model.state import Heartbeat
from kubekuma.record.database import Connection
from kubekuma.record.heartbeats import heartbeat_row, insert_heartbeats
from kubekuma.record.latency import STEPS, latency_series, step_of
from kubekuma.record.sealed import hours_to_seal, seal_hours
from kubekuma.record.states import series_of
from kubekuma.record.times import Window, epoch_ms

LATER = epoch_ms(START + timedelta(days=99))


def beat(minute: int, outcome: Outcome = Outcome.PASSED, ms: int | None = None) -> Heartbeat:
    return Heartbeat(
        at=at(60 * minute),
        outcome=outcome,
        reason=Reason.PASSED,
        latency_seconds=(10 + minute % 7 if ms is None else ms) / 1000,
    )


def record(db: Connection, beats: Sequence[Heartbeat]) -> None:
    series = series_of(db, WEB, "u1")
    insert_heartbeats(db, [heartbeat_row(series, each) for each in beats])


def seal_all(db: Connection) -> None:
    while hours := hours_to_seal(db, LATER):
        seal_hours(db, hours)


def hours(since: float, until: float) -> Window:
    return Window(since=at(3600 * since), until=at(3600 * until))


@pytest.mark.parametrize(
    ("window", "points", "step"),
    [
        (hours(0, 1), 60, 60),
        (hours(0, 1), 59, 120),
        (hours(0, 24), 300, 300),
        (hours(0, 24), 144, 600),
        (hours(0, 24 * 7), 1008, 600),
        (hours(0, 24 * 30), 10_000, 3600),
        (hours(0, 24 * 90), 300, 12 * 3600),
        (hours(0, 24 * 90), 90, 86_400),
        (hours(0, 24 * 365 * 5), 2, STEPS[-1]),
    ],
)
def test_the_step_is_the_shortest_that_fits(window: Window, points: int, step: int) -> None:
    assert step_of(window, points) == step


def test_a_chart_by_the_hour_counts_what_is_sealed_and_what_is_not(db: Connection) -> None:
    record(db, [beat(minute) for minute in range(400)])
    record(db, [beat(400, Outcome.FAILED, 10_000), beat(401, Outcome.UNKNOWN, 0)])
    before = latency_series(db, WEB, hours(0, 24 * 9), 500)
    assert before.step_seconds == 3600
    seal_all(db)
    found = latency_series(db, WEB, hours(0, 24 * 9), 500)
    assert found == before
    assert [point.checks for point in found.points] == [60] * 6 + [42]
    last = found.points[-1]
    assert (last.at, last.failed, last.unknown) == (at(6 * 3600), 1, 1)
    assert last.most == 0.016
    assert found.points[0].mean == pytest.approx(0.013, rel=0.02)
    assert found.points[0].p50 == pytest.approx(0.013, rel=0.021)
    assert found.points[0].p95 == pytest.approx(0.016, rel=0.021)


def test_days_are_summed_up_from_days(db: Connection) -> None:
    record(db, [beat(minute) for minute in range(0, 3 * 1440 + 100, 10)])
    seal_all(db)
    db.execute("DELETE FROM rollups WHERE seconds = 3600")
    found = latency_series(db, WEB, hours(0, 24 * 20), 30)
    assert found.step_seconds == 86_400
    assert [point.checks for point in found.points] == [144, 144, 144, 10]


def test_without_heartbeats_there_are_no_points(db: Connection) -> None:
    assert latency_series(db, WEB, hours(0, 24), 100).points == ()


def test_damaged_figures_are_left_out_and_said(db: Connection) -> None:
    record(db, [beat(minute) for minute in range(200)])
    seal_all(db)
    db.execute("UPDATE rollups SET figures = ? WHERE start = ?", (b"x", epoch_ms(at(3600))))
    with capture_logs() as logs:
        found = latency_series(db, WEB, hours(0, 24 * 9), 500)
    assert [point.at for point in found.points] == [at(0), at(7200), at(10800)]
    assert [each["event"] for each in logs] == ["figures are lost"]


@given(
    st.lists(st.integers(0, 60 * 60), max_size=60, unique=True),
    st.tuples(st.integers(0, 60), st.integers(1, 60)),
    st.integers(1, 200),
)
def test_sealing_changes_no_chart(minutes: list[int], window: tuple[int, int], points: int) -> None:
    asked = hours(window[0], sum(window))
    outcomes = tuple(Outcome)
    with memory() as db:
        after = latency_series(db, WEB, asked, points)
        for some in (minutes[::2], minutes[1::2]):
            record(db, [beat(minute, outcomes[minute % 4], minute) for minute in some])
            before = latency_series(db, WEB, asked, points)
            seal_all(db)
            after = latency_series(db, WEB, asked, points)
            # Days and hours that the window cuts through are whole once they are sealed.
            assert after.points[:-1] == before.points[: len(after.points) - 1]
        last = asked.until - timedelta(milliseconds=1)
        counted = sum(asked.since <= at(60 * minute) <= last for minute in minutes)
        assert sum(point.checks for point in after.points) >= counted
        assert len(after.points) <= points or after.step_seconds == STEPS[-1]
