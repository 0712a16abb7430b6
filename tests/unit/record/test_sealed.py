"""Rows become blocks, and nobody who reads can tell."""

from collections.abc import Sequence
from datetime import timedelta

from build import START, WEB, at
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs
from support.history import memory

from kubekuma.model.meta import Key
from kubekuma.model.result import Outcome, Reason, Timings
from kubekuma.model.state import Heartbeat
from kubekuma.record.blocks import HOUR_MS
from kubekuma.record.database import Connection
from kubekuma.record.heartbeats import heartbeat_row, heartbeats, insert_heartbeats
from kubekuma.record.sealed import Hour, hours_to_seal, seal_hours
from kubekuma.record.states import load_states, series_of
from kubekuma.record.times import Window, epoch_ms

MAIL = Key("shop", "mail")
ALL = Window(since=START - timedelta(days=1), until=START + timedelta(days=99))
LATER = epoch_ms(START + timedelta(days=9))


def beat(minute: float, outcome: Outcome = Outcome.PASSED, message: str = "") -> Heartbeat:
    return Heartbeat(
        at=at(60 * minute),
        outcome=outcome,
        reason=Reason.PASSED,
        message=message,
        latency_seconds=0.012345,
        timings=Timings(dns=0.001, connect=0.011),
        status_code=200,
    )


def record(db: Connection, beats: Sequence[Heartbeat], key: Key = WEB) -> int:
    series = series_of(db, key, "u1")
    insert_heartbeats(db, [heartbeat_row(series, each) for each in beats])
    return series


def seal_all(db: Connection, before: int = LATER) -> int:
    done = 0
    while hours := hours_to_seal(db, before):
        seal_hours(db, hours)
        done += len(hours)
    return done


def count(db: Connection, table: str) -> int:
    (found,) = db.execute(f"SELECT COUNT(*) FROM {table}").fetchone()  # noqa: S608 - ours
    return int(found)


def test_an_hour_becomes_a_block_and_reads_as_before(db: Connection) -> None:
    given_beats = [beat(minute, message="slow" if minute == 7 else "") for minute in range(200)]
    record(db, given_beats)
    record(db, given_beats[:3], MAIL)
    assert seal_all(db) == 3
    assert (count(db, "heartbeats"), count(db, "heartbeat_blocks")) == (20 + 3, 3)
    assert heartbeats(db, WEB, ALL, 1000) == given_beats[::-1]
    assert heartbeats(db, MAIL, ALL, 1000) == given_beats[2::-1]
    assert seal_all(db) == 0


def test_an_hour_that_has_not_ended_for_long_stays_rows(db: Connection) -> None:
    record(db, [beat(minute) for minute in range(300)])
    before = epoch_ms(at(3 * 3600)) - 1
    assert seal_all(db, before) == 2
    assert count(db, "heartbeats") == 180


def test_the_hour_of_the_last_heartbeat_stays_rows_however_old(db: Connection) -> None:
    record(db, [beat(0), beat(1)])
    assert hours_to_seal(db, LATER) == []
    series = record(db, [beat(90)])
    assert hours_to_seal(db, LATER) == [Hour(series, epoch_ms(START))]


def test_pages_go_through_rows_and_blocks_alike(db: Connection) -> None:
    record(db, [beat(10 * number) for number in range(200)])
    seal_all(db)
    found: list[Heartbeat] = []
    until = ALL.until
    while page := heartbeats(db, WEB, Window(since=ALL.since, until=until), 7):
        assert len(page) == 7 or page[-1].at == START
        found += page
        until = page[-1].at
    assert found == [beat(10 * number) for number in range(199, -1, -1)]


def test_an_outcome_is_found_wherever_it_is(db: Connection) -> None:
    bad = {3, 4, 700, 1195}
    record(db, [beat(n, Outcome.FAILED if n in bad else Outcome.PASSED) for n in range(1200)])
    seal_all(db)
    found = heartbeats(db, WEB, ALL, 100, "failed")
    assert [each.at for each in found] == [at(60 * n) for n in (1195, 700, 4, 3)]
    assert [each.at for each in heartbeats(db, WEB, ALL, 2, "failed")] == [at(71700), at(42000)]
    assert heartbeats(db, WEB, ALL, 100, "unknown") == []


def test_what_comes_late_joins_its_hour_and_what_comes_twice_is_there_once(db: Connection) -> None:
    record(db, [beat(1), beat(3), beat(200)])
    assert seal_all(db) == 1
    # An answer that was lost: the same heartbeats are written again, and one that is new.
    record(db, [beat(1, Outcome.FAILED), beat(2), beat(3)])
    expected = [beat(200), beat(3), beat(2), beat(1)]
    assert heartbeats(db, WEB, ALL, 9) == expected
    assert heartbeats(db, WEB, ALL, 3) == expected[:3]
    assert seal_all(db) == 1
    assert heartbeats(db, WEB, ALL, 9) == expected
    assert count(db, "heartbeats") == 1


def test_what_verdicts_rest_on_is_the_same_before_and_after(db: Connection) -> None:
    record(db, [beat(minute) for minute in range(70)])
    record(db, [beat(minute, Outcome.UNKNOWN) for minute in range(70, 400)])
    before = load_states(db)
    assert seal_all(db) == 6
    assert load_states(db) == before
    assert before[0][WEB].spoke_at == at(69 * 60)


def test_a_damaged_hour_is_left_out_and_said(db: Connection) -> None:
    series = record(db, [beat(minute) for minute in (0, 60, 120, 180)])
    seal_all(db)
    db.execute("UPDATE heartbeat_blocks SET beats = ? WHERE hour = ?", (b"x", epoch_ms(at(3600))))
    with capture_logs() as logs:
        found = heartbeats(db, WEB, ALL, 9)
    assert [each.at for each in found] == [at(10800), at(7200), at(0)]
    assert [each["event"] for each in logs] == ["an hour of heartbeats is lost"]
    # What comes late is kept all the same.
    record(db, [beat(61)])
    with capture_logs() as logs:
        seal_hours(db, [Hour(series, epoch_ms(at(3600)))])
    assert logs
    assert at(3660) in [each.at for each in heartbeats(db, WEB, ALL, 9)]


outcomes = tuple(Outcome)


@given(
    st.lists(st.integers(0, 600), max_size=40),
    st.lists(st.integers(0, 12), max_size=6),
    st.none() | st.sampled_from(Outcome),
    st.tuples(st.integers(-10, 610), st.integers(0, 620)),
    st.integers(1, 50),
)
def test_whenever_it_is_sealed_reading_is_as_if_it_never_was(
    written: list[int],
    sealings: list[int],
    outcome: Outcome | None,
    window: tuple[int, int],
    limit: int,
) -> None:
    since, length = window
    asked = Window(since=at(60 * since), until=at(60 * (since + length)))
    with memory() as plain, memory() as sealed:
        size = len(written) // (len(sealings) + 1) + 1
        for number in range(0, len(written) + 1, size):
            some = [beat(n, outcomes[n // 3 % 4], f"{n}") for n in written[number:][:size]]
            record(plain, some)
            record(sealed, some)
            for hours in sealings[number // size :][:1]:
                seal_all(sealed, epoch_ms(START) + hours * HOUR_MS)
        word = outcome and outcome.value
        expected = heartbeats(plain, WEB, asked, limit, word)
        assert heartbeats(sealed, WEB, asked, limit, word) == expected
        assert load_states(sealed) == load_states(plain)
