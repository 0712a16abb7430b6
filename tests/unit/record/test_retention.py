"""What is too old goes, what is needed to understand the rest stays, and room is given back."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from build import START, WEB, at
from hypothesis import given
from hypothesis import strategies as st
from support.history import memory, open_store, rows

from kubekuma.model.alert import Delivery, DeliveryStatus, Message
from kubekuma.model.audit import Act
from kubekuma.model.meta import Key
from kubekuma.model.monitor import AlertSeverity
from kubekuma.model.policy import Happening
from kubekuma.model.post import PostContent, PostKind, PostStatus, PostUpdate
from kubekuma.model.result import Outcome, Reason, Timings
from kubekuma.model.settings import Downsample, Retention
from kubekuma.model.state import Cause, Charge, Closed, Heartbeat, Opened, Span
from kubekuma.record.audit import audit, audit_events
from kubekuma.record.database import Connection
from kubekuma.record.deliveries import insert_deliveries, open_outages
from kubekuma.record.heartbeats import heartbeat_row, heartbeats, insert_heartbeats
from kubekuma.record.incidents import close_incident, incidents, insert_span, open_incident
from kubekuma.record.latency import latency_series
from kubekuma.record.posts import create_post, posts
from kubekuma.record.reclassified import reclassifications, reclassify
from kubekuma.record.retention import all_series, borders, prune, prune_deeds
from kubekuma.record.sealed import hours_to_seal, seal_hours
from kubekuma.record.sqlite import RESERVE_PAGES
from kubekuma.record.states import series_of
from kubekuma.record.times import Window, epoch_ms
from kubekuma.record.upkeep import UpkeepHealth, keep_up
from kubekuma.record.uptime import uptime_within

DAY = 86_400
ALL = Window(since=START - timedelta(days=1), until=START + timedelta(days=999))
WHOLE = Downsample(enabled=False)


def beat(day: float) -> Heartbeat:
    return Heartbeat(
        at=at(day * DAY),
        outcome=Outcome.PASSED,
        reason=Reason.PASSED,
        message="fine",
        latency_seconds=0.01,
        timings=Timings(dns=0.001),
    )


def record(db: Connection, *days: float) -> int:
    series = series_of(db, WEB, "u1")
    insert_heartbeats(db, [heartbeat_row(series, beat(day)) for day in days])
    while hours := hours_to_seal(db, epoch_ms(at(999 * DAY))):
        seal_hours(db, hours)
    return series


def drop(db: Connection, day: float, retention: Retention) -> int:
    steps, left = 0, all_series(db)
    while left:
        left = prune(db, left, borders(retention, at(day * DAY)))
        steps += 1
    return steps


def count(db: Connection, table: str) -> int:
    (found,) = db.execute(f"SELECT COUNT(*) FROM {table}").fetchone()  # noqa: S608 - ours
    return int(found)


def test_each_has_its_own_time(db: Connection) -> None:
    record(db, *range(100), 100)
    retention = Retention(
        heartbeats_days=50, checks_days=10, hour_days=70, day_days=80, downsample=WHOLE
    )
    drop(db, 100.5, retention)
    found = heartbeats(db, WEB, ALL, 999)
    assert [each.at for each in found] == [at(day * DAY) for day in range(100, 50, -1)]
    assert [each.message for each in found] == ["fine"] * 10 + [""] * 40
    assert [each.timings.dns for each in found] == [0.001] * 10 + [None] * 40
    by_hour = Window(since=at(0), until=at(13 * DAY))
    assert latency_series(db, WEB, by_hour, 400).points == ()
    lengths = db.execute("SELECT seconds, COUNT(*) FROM rollups GROUP BY seconds ORDER BY seconds")
    assert lengths.fetchall() == [(3600, 69), (DAY, 79)]
    assert drop(db, 100.5, retention) == 1


def test_old_heartbeats_become_buckets_and_charts_stay(db: Connection) -> None:
    # Each minute of three hours, long ago, and now.
    days = [minute / 1440 for minute in range(180)]
    record(db, *days, 40)
    window = Window(since=at(0), until=at(3 * 3600))
    before = latency_series(db, WEB, window, 18)
    assert before.step_seconds == 600
    drop(db, 40, Retention())
    assert (count(db, "heartbeat_blocks"), count(db, "heartbeat_details")) == (0, 0)
    assert count(db, "heartbeat_buckets") == 3
    assert latency_series(db, WEB, window, 18) == before
    assert [each.at for each in heartbeats(db, WEB, ALL, 9)] == [at(40 * DAY)]
    # What comes as late as that is counted too.
    record(db, 1 / 2880)
    drop(db, 40, Retention())
    after = latency_series(db, WEB, window, 18)
    assert [point.checks for point in after.points] == [11] + [10] * 17
    drop(db, 91, Retention())
    assert count(db, "heartbeat_buckets") == 0


@pytest.mark.parametrize(
    ("minutes", "seconds"), [(10, 600), (7, 360), (45, 1800), (60, 3600), (1440, 3600), (1, 60)]
)
def test_buckets_divide_the_hour(minutes: int, seconds: int) -> None:
    retention = Retention(downsample=Downsample(bucket_minutes=minutes))
    assert borders(retention, at(0)).bucket_seconds == seconds


def test_buckets_of_an_hour_are_its_figures(db: Connection) -> None:
    record(db, 0, 0.001, 40)
    drop(db, 40, Retention(downsample=Downsample(bucket_minutes=60)))
    assert (count(db, "heartbeat_blocks"), count(db, "heartbeat_buckets")) == (0, 0)
    by_hour = latency_series(db, WEB, Window(since=at(0), until=at(9 * DAY)), 400)
    assert [point.checks for point in by_hour.points] == [2]


def test_another_length_of_buckets_takes_over_what_there_is(db: Connection) -> None:
    record(db, *(minute / 1440 for minute in range(0, 60, 5)), 40)
    drop(db, 40, Retention(downsample=Downsample(bucket_minutes=5)))
    record(db, 1 / 1440)
    drop(db, 40, Retention(downsample=Downsample(bucket_minutes=30)))
    found = latency_series(db, WEB, Window(since=at(0), until=at(3600)), 2)
    assert [point.checks for point in found.points] == [7, 6]


def test_the_span_that_was_under_way_stays(db: Connection) -> None:
    series = series_of(db, WEB, "u1")
    for since, until in ((149, 151), (151, 152.5)):
        window = Window(since=at(since * DAY), until=at(until * DAY))
        act = Act(at=at(200 * DAY), actor="kim", reason="planned")
        reclassify(db, f"r{since}", WEB, window, Charge.MAINTENANCE, act)
    for day in range(0, 200, 2):
        charge = Charge.DOWN if day % 4 else Charge.UP
        insert_span(db, series, Span(start=at(day * DAY), charge=charge))
    window = Window(since=at(151 * DAY), until=at(199 * DAY))
    before = uptime_within(db, WEB, window)
    drop(db, 201, Retention(spans_days=50))
    assert count(db, "spans") == 25
    assert [each.id for each in reclassifications(db, WEB, ALL)] == ["r151"]
    assert uptime_within(db, WEB, window) == before


def outage(db: Connection, number: int, *, ends: bool = True) -> None:
    """One on a day, that ends on it."""
    series, day = series_of(db, WEB, "u1"), at(number * DAY)
    opened = Opened(
        id=f"i{number}",
        started_at=day,
        confirmed_at=day,
        cause=Cause(at=day, reason=Reason.TIMEOUT),
    )
    open_incident(db, series, "u1", opened)
    if ends:
        close_incident(db, Closed(id=f"i{number}", ended_at=at((number + 0.5) * DAY)))


def test_outages_go_when_they_ended_long_ago(db: Connection) -> None:
    for number in range(120):
        outage(db, number, ends=number > 0)
    assert drop(db, 120, Retention(incidents_days=5)) == 12
    left = [each.id for each in incidents(db, WEB, at(999 * DAY), 99)]
    # The first never ended.
    assert left == ["i119", "i118", "i117", "i116", "i115", "i0"]


def told(db: Connection, number: int, **more: Any) -> None:
    """Of the outage of a day: its beginning, unless ``more`` says so."""
    happening = more.pop("happening", Happening.DOWN)
    id_ = f"{number}-{happening}-{count(db, 'deliveries')}"
    message = Message(
        id=id_,
        key=f"i{number}",
        happening=happening,
        monitor=WEB,
        name="web",
        severity=AlertSeverity.WARNING,
        title="t",
        text="x",
        since=at(number * DAY),
    )
    sent = Delivery(
        id=id_,
        provider=Key("shop", "chat"),
        message=message,
        created_at=at(number * DAY),
        next_at=at(number * DAY),
        **{"status": DeliveryStatus.SENT, "outage": f"i{number}", **more},
    )
    insert_deliveries(db, [sent])


def test_what_was_told_goes_with_its_outage_and_nobody_is_told_again(db: Connection) -> None:
    for number in range(40):
        outage(db, number, ends=number not in {3, 4})
        for _ in range(3):
            told(db, number)
        if number not in {3, 4, 5}:
            told(db, number, happening=Happening.UP)
    # Of the sixth, a message still waits; of the seventh, one was given up.
    told(db, 5, happening=Happening.UP, status=DeliveryStatus.PENDING)
    told(db, 6, status=DeliveryStatus.FAILED)
    drop = borders(Retention(incidents_days=10), at(40 * DAY))
    lasting = [each.id for each in open_outages(db)]
    (series,) = all_series(db)
    more = [series]
    while more:
        more = prune(db, more, drop)
        assert [each.id for each in open_outages(db)] == lasting == ["i3", "i4"]
        assert not prune_deeds(db, drop)
    kept = ["i3", "i4", "i5", *(f"i{number}" for number in range(30, 40))]
    assert sorted(each.id for each in incidents(db, WEB, at(99 * DAY), 99)) == sorted(kept)
    outages = db.execute("SELECT DISTINCT outage FROM deliveries")
    assert sorted(id_ for (id_,) in outages) == sorted(kept)


def test_what_was_told_of_no_outage_that_is_kept_goes_by_its_own_age(db: Connection) -> None:
    for number in range(120):
        told(db, number, status=DeliveryStatus.SENT if number else DeliveryStatus.PENDING)
    drop = borders(Retention(incidents_days=5), at(120 * DAY))
    steps = 1
    while prune_deeds(db, drop):
        steps += 1
    assert steps == 3
    left = db.execute("SELECT outage FROM deliveries ORDER BY created_at").fetchall()
    assert left == [("i0",), *((f"i{number}",) for number in range(115, 120))]


def test_that_a_provider_was_tried_is_known_for_good(db: Connection) -> None:
    told(db, 0, outage="test:u1")
    assert not prune_deeds(db, borders(Retention(incidents_days=5), at(120 * DAY)))
    assert count(db, "deliveries") == 1


@given(st.lists(st.integers(0, 2000), max_size=40, unique=True), st.integers(1, 60))
def test_no_step_is_large_and_together_they_do_all(hours: list[int], keep: int) -> None:
    with memory() as db:
        record(db, *(hour / 24 for hour in hours))
        last = max(hours, default=0) / 24
        retention = Retention(heartbeats_days=keep, checks_days=1, downsample=WHOLE)
        drop(db, last + 1, retention)
        border = at((last + 1 - keep) * DAY)
        expected = sorted((at(hour * 3600) for hour in hours), reverse=True)
        found = [each.at for each in heartbeats(db, WEB, ALL, 999)]
        assert found == [each for each in expected if each >= border]


async def test_room_is_given_back_and_some_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kubekuma.record.upkeep.PAUSE_SECONDS", 0.0)
    path, retention = tmp_path / "history.db", Retention()

    def fill(db: Connection) -> None:
        series = series_of(db, WEB, "u1")
        stored = [heartbeat_row(series, beat(number / 14400)) for number in range(120_000)]
        insert_heartbeats(db, stored)

    async with open_store(path) as store:
        await store.write(fill)
        ((before,),) = rows(path, "PRAGMA page_count")
        await keep_up(store, UpkeepHealth(), retention, at(12 * DAY))
        ((after,),) = rows(path, "PRAGMA page_count")
        ((free,),) = rows(path, "PRAGMA freelist_count")
    assert before > 1200
    assert free <= RESERVE_PAGES
    assert after < before / 2
    assert path.stat().st_size == after * 4096
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]


def test_what_people_did_is_kept_for_its_own_time(db: Connection) -> None:
    for day in range(200):
        audit(db, Act(at=at(day * DAY), actor="kim"), "apply", "Monitor", WEB)
    drop = borders(Retention(audit_days=40), at(200 * DAY))
    steps = 1
    while prune_deeds(db, drop):
        steps += 1
    assert steps == 4
    found = audit_events(db, 999)
    assert [each.act.at for each in found] == [at(day * DAY) for day in range(199, 159, -1)]


def test_posts_go_with_outages_and_those_that_are_open_stay(db: Connection) -> None:
    act = Act(at=at(0), actor="kim")
    for number in range(25):
        status = PostStatus.RESOLVED if number else PostStatus.MONITORING
        update = PostUpdate(
            id=f"u{number}", at=at(number * DAY), by="kim", status=status, text="said"
        )
        content = PostContent(title="t", pages=("public",))
        create_post(db, Key("shop", f"p{number}"), PostKind.INCIDENT, content, update, act)
    drop = borders(Retention(incidents_days=5, audit_days=5000), at(25 * DAY))
    while prune_deeds(db, drop):
        pass
    assert [each.id for each in posts(db, 99)] == ["p24", "p23", "p22", "p21", "p20", "p0"]
    assert count(db, "post_updates") == count(db, "post_pages") == 6
