"""What a month came to: time by charge, outages, means, latency, and what people said of it."""

from build import WEB, at

from kubekuma.model.audit import Act
from kubekuma.model.meta import Key
from kubekuma.model.result import Outcome, Reason
from kubekuma.model.state import Charge, Heartbeat, Span
from kubekuma.record.database import Connection
from kubekuma.record.heartbeats import heartbeat_row, insert_heartbeats
from kubekuma.record.incidents import insert_span
from kubekuma.record.reclassified import Reclassification, reclassify
from kubekuma.record.report import ServiceLevel, service_levels
from kubekuma.record.sealed import hours_to_seal, seal_hours
from kubekuma.record.states import series_of
from kubekuma.record.times import Window, epoch_ms
from kubekuma.record.uptime import Uptime

HOUR = 3600
HOUR_MS = 3_600_000
DAY = Window(since=at(0), until=at(24 * HOUR))
KIM = Act(at=at(48 * HOUR), actor="kim", reason="it was our own network")


def lay(db: Connection) -> None:
    """A day with two outages, the first of which nobody saw for an hour; a third comes later."""
    series = series_of(db, WEB, "u1")
    for begins, charge, incident in (
        (2, Charge.UP, None),
        (4, Charge.DOWN, "i1"),
        (5, Charge.UNKNOWN, None),
        (6, Charge.DOWN, "i1"),
        (7, Charge.UP, None),
        (10, Charge.DOWN, "i2"),
        (14, Charge.DEGRADED, None),
        (20, Charge.MAINTENANCE, None),
        (22, Charge.UP, None),
        (25, Charge.DOWN, "i3"),
    ):
        insert_span(db, series, Span(start=at(begins * HOUR), charge=charge, incident=incident))
    beats = [
        Heartbeat(
            at=at(600 * number),
            outcome=Outcome.PASSED,
            reason=Reason.PASSED,
            latency_seconds=0.5 if number % 10 == 0 else 0.1,
        )
        for number in range(200)
    ]
    insert_heartbeats(db, [heartbeat_row(series, each) for each in beats])
    while hours := hours_to_seal(db, epoch_ms(at(99 * HOUR))):
        seal_hours(db, hours)


def of_day(db: Connection) -> ServiceLevel:
    (found,) = service_levels(db, [WEB], DAY)
    return found


def test_a_day_is_told_by_what_it_is_charged_as(db: Connection) -> None:
    lay(db)
    found = of_day(db)
    assert {charge: ms / HOUR_MS for charge, ms in found.charged_ms.items()} == {
        "up": 7,
        "down": 6,
        "unknown": 1,
        "degraded": 6,
        "maintenance": 2,
    }
    assert found.uptime == Uptime(good_ms=13 * HOUR_MS, down_ms=6 * HOUR_MS)
    assert found.outages == 2
    assert (found.to_recovery_ms, found.between_failures_ms) == (3 * HOUR_MS, 6.5 * HOUR_MS)
    assert found.latency is not None
    assert found.latency.checks == 144
    assert found.latency.p50 is not None
    assert abs(found.latency.p50 - 0.1) < 0.002
    assert found.latency.p95 is not None
    assert abs(found.latency.p95 - 0.5) < 0.01
    assert found.reclassified == ()


def test_what_is_reclassified_is_no_outage_and_is_listed(db: Connection) -> None:
    lay(db)
    half = Window(since=at(9 * HOUR), until=at(12 * HOUR))
    made = reclassify(db, "r1", WEB, half, Charge.MAINTENANCE, KIM)
    assert isinstance(made, Reclassification)
    found = of_day(db)
    # Half of it is left.
    assert (found.outages, found.uptime.down_ms) == (2, 4 * HOUR_MS)
    rest = Window(since=at(12 * HOUR), until=at(14 * HOUR))
    reclassify(db, "r2", WEB, rest, Charge.UP, KIM)
    found = of_day(db)
    assert (found.outages, found.to_recovery_ms) == (1, 2 * HOUR_MS)
    assert [each.id for each in found.reclassified] == ["r1", "r2"]
    assert found.charged_ms["maintenance"] == 5 * HOUR_MS


def test_of_what_was_never_watched_there_is_nothing_to_tell(db: Connection) -> None:
    lay(db)
    never, _ = service_levels(db, [Key("shop", "none"), WEB], DAY)
    assert (never.charged_ms, never.outages, never.latency) == ({}, 0, None)
    assert never.uptime.percent is None
    assert (never.to_recovery_ms, never.between_failures_ms) == (None, None)
