"""What is stored is what is read: heartbeats, incidents, standings, documents, times."""

from datetime import UTC, datetime, timedelta

from build import START, WEB, at, monitor
from hypothesis import given
from hypothesis import strategies as st
from support.history import memory

from kubekuma.model.meta import Key
from kubekuma.model.result import Certificate, Outcome, Reason, Timings
from kubekuma.model.state import Cause, Charge, Closed, Heartbeat, Opened, Standing, Verdict
from kubekuma.record.crd_cache import cached_documents, keep_document
from kubekuma.record.database import Connection
from kubekuma.record.heartbeats import heartbeat_row, heartbeats, insert_heartbeats
from kubekuma.record.incidents import close_incident, incidents, open_incident
from kubekuma.record.judge import identity_of
from kubekuma.record.states import load_states, save_standing, series_of
from kubekuma.record.times import Window, epoch_ms, from_epoch_ms, from_microseconds, microseconds
from kubekuma.record.uptime import Uptime

instants = st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone
whole_ms = instants.map(lambda instant: from_epoch_ms(epoch_ms(instant)))
# As they are stored: in whole microseconds.
lengths = st.integers(0, 600_000_000).map(lambda stored: stored / 1_000_000)
MAIL = Key("shop", "mail")
CERTIFICATE = Certificate(
    subject="example.org",
    issuer="an authority",
    names=("example.org", "www.example.org"),
    not_before=at(0),
    expires_at=at(1000),
    fingerprint="ab" * 32,
    valid=False,
)
ALL = Window(since=START - timedelta(days=1), until=START + timedelta(days=1))

beats = st.builds(
    Heartbeat,
    at=whole_ms,
    outcome=st.sampled_from(Outcome),
    reason=st.sampled_from(Reason),
    message=st.text(max_size=40),
    latency_seconds=lengths,
    timings=st.builds(
        Timings,
        dns=st.none() | lengths,
        connect=st.none() | lengths,
        tls=st.none() | lengths,
        first_byte=st.none() | lengths,
        transfer=st.none() | lengths,
    ),
    status_code=st.none() | st.integers(100, 599),
    attempt=st.integers(1, 100),
)
standings = st.builds(
    Standing,
    verdict=st.sampled_from(Verdict),
    since=st.none() | instants,
    settled=st.none() | st.sampled_from(Verdict),
    streak=st.integers(0, 100),
    streak_at=st.none() | instants,
    streak_toward=st.none() | st.sampled_from(Verdict),
    charge=st.sampled_from(Charge),
    charged_at=st.none() | instants,
    paused=st.booleans(),
    left_at=st.none() | instants,
    incident=st.none() | st.text(max_size=16),
    incident_started_at=st.none() | instants,
    incident_confirmed_at=st.none() | instants,
    identity=st.text(max_size=16),
    certificate_expires_at=st.none() | instants,
    certificate_valid=st.none() | st.booleans(),
)


def beat(seconds: float, outcome: Outcome = Outcome.PASSED) -> Heartbeat:
    return Heartbeat(at=at(seconds), outcome=outcome, reason=Reason.PASSED)


@given(whole_ms)
def test_an_instant_in_milliseconds_is_stored_as_it_is(instant: datetime) -> None:
    assert from_epoch_ms(epoch_ms(instant)) == instant


@given(instants, instants)
def test_instants_sort_alike_before_and_after(one: datetime, other: datetime) -> None:
    if one <= other:
        assert epoch_ms(one) <= epoch_ms(other)
    assert from_epoch_ms(epoch_ms(one)) <= one


@given(lengths)
def test_a_length_in_microseconds_is_stored_as_it_is(seconds: float) -> None:
    assert from_microseconds(microseconds(seconds)) == seconds
    assert from_microseconds(microseconds(None)) is None


@given(st.lists(beats, max_size=8, unique_by=lambda beat: beat.at))
def test_heartbeats_come_back_newest_first(given_beats: list[Heartbeat]) -> None:
    everything = Window(since=from_epoch_ms(0), until=datetime(2101, 1, 1, tzinfo=UTC))
    expected = sorted(given_beats, key=lambda each: each.at, reverse=True)
    with memory() as db:
        series, other = series_of(db, WEB, "u1"), series_of(db, MAIL, "u2")
        insert_heartbeats(db, [heartbeat_row(series, each) for each in given_beats])
        insert_heartbeats(db, [heartbeat_row(other, beat(0))])
        assert heartbeats(db, WEB, everything, 100) == expected
        assert heartbeats(db, WEB, everything, 2) == expected[:2]
        states, _ = load_states(db)
        assert states[WEB].last == (expected[0] if expected else None)
        spoke = [each.at for each in expected if each.outcome is not Outcome.UNKNOWN]
        assert states[WEB].spoke_at == (spoke[0] if spoke else None)


def test_a_window_is_half_open_and_an_outcome_can_be_asked_for(db: Connection) -> None:
    series = series_of(db, WEB, "u1")
    given_beats = [beat(0), beat(60, Outcome.FAILED), beat(120), beat(180)]
    insert_heartbeats(db, [heartbeat_row(series, each) for each in given_beats])
    found = heartbeats(db, WEB, Window(since=at(60), until=at(180)), 100)
    assert [each.at for each in found] == [at(120), at(60)]
    failed = heartbeats(db, WEB, ALL, 100, "failed")
    assert [each.at for each in failed] == [at(60)]
    assert heartbeats(db, MAIL, ALL, 100) == []


def test_a_heartbeat_recorded_again_stays_as_it_was(db: Connection) -> None:
    series = series_of(db, WEB, "u1")
    insert_heartbeats(db, [heartbeat_row(series, beat(0))])
    insert_heartbeats(db, [heartbeat_row(series, beat(0, Outcome.FAILED))])
    assert heartbeats(db, WEB, ALL, 9) == [beat(0)]


def test_outages_are_paged_from_the_last_and_end_when_they_are_closed(db: Connection) -> None:
    series = series_of(db, WEB, "u1")
    cause = Cause(
        at=at(0),
        reason=Reason.STATUS_MISMATCH,
        message="slow",
        peer="192.0.2.1:443",
        status_code=500,
        timings=Timings(dns=0.001, connect=0.002),
        certificate=CERTIFICATE,
        transcript=("GET / HTTP/1.1", "HTTP/1.1 500"),
    )
    for number in range(5):
        opened = Opened(
            id=f"i{number}",
            started_at=at(number * 100),
            confirmed_at=at(number * 100 + 40),
            cause=cause,
        )
        open_incident(db, series, "u1", opened)
        open_incident(db, series, "u1", opened)
        close_incident(db, Closed(id=f"i{number}", ended_at=at(number * 100 + 60)))
    page = incidents(db, WEB, at(10_000), 2)
    assert [each.id for each in page] == ["i4", "i3"]
    rest = incidents(db, WEB, page[-1].started_at, 10)
    assert [each.id for each in rest] == ["i2", "i1", "i0"]
    assert (rest[-1].started_at, rest[-1].confirmed_at, rest[-1].ended_at) == (
        at(0),
        at(40),
        at(60),
    )
    assert (rest[-1].cause, rest[-1].reason, rest[-1].message) == (
        cause,
        "StatusMismatch",
        "slow",
    )
    assert incidents(db, MAIL, at(10_000), 10) == []


def test_an_outage_from_before_causes_were_kept_has_none(db: Connection) -> None:
    series = series_of(db, WEB, "u1")
    db.execute(
        "INSERT INTO incidents (id, series, uid, started_at, confirmed_at, reason, message)"
        " VALUES ('i', ?, 'u1', 1, 2, 'Timeout', 'slow')",
        (series,),
    )
    (found,) = incidents(db, WEB, at(10_000), 10)
    assert (found.reason, found.cause) == ("Timeout", None)


@given(standings)
def test_a_standing_is_kept_as_it_is(standing: Standing) -> None:
    with memory() as db:
        series = series_of(db, WEB, "u1")
        save_standing(db, series, Standing(verdict=Verdict.DOWN))
        save_standing(db, series, standing)
        states, uids = load_states(db)
        assert states[WEB].standing == standing
        assert uids == {WEB: "u1"}


def test_a_series_is_its_name_and_knows_the_last_uid(db: Connection) -> None:
    first = series_of(db, WEB, "u1")
    assert series_of(db, WEB, "u2") == first
    assert series_of(db, MAIL, "u3") != first
    assert load_states(db)[1] == {WEB: "u2", MAIL: "u3"}


def test_documents_are_remembered_replaced_and_forgotten(db: Connection) -> None:
    keep_document(db, "Monitor", WEB, {"spec": "old"})
    keep_document(db, "Monitor", WEB, {"spec": "\u0085 new"})
    keep_document(db, "KubeKumaSettings", Key("", "kubekuma"), {"spec": 1})
    assert cached_documents(db, "Monitor") == [{"spec": "\u0085 new"}]
    keep_document(db, "Monitor", WEB, None)
    keep_document(db, "Monitor", MAIL, None)
    assert cached_documents(db, "Monitor") == []
    assert cached_documents(db, "KubeKumaSettings") == [{"spec": 1}]


def test_nothing_measured_is_no_figure() -> None:
    assert Uptime().percent is None
    assert Uptime(good_ms=1).percent == "100.00"
    assert Uptime(good_ms=999_999, down_ms=1).percent == "99.99"


def test_identity_changes_with_what_decides_a_finding_and_with_nothing_else() -> None:
    usual = identity_of(monitor().spec)
    same = monitor(displayName="Shop", tags=["a"], schedule={"intervalSeconds": 90}, enabled=False)
    assert identity_of(same.spec) == usual
    for other in (
        monitor(invert=True),
        monitor(target={"http": {"url": "http://192.0.2.2/"}}),
        monitor(successCriteria={"http": {"acceptedStatusCodes": ["204"]}}),
    ):
        assert identity_of(other.spec) != usual
