"""Sums over spans are the same on both databases; the laws they obey are tests of their own."""

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from build import START, WEB, at

from kubekuma.model.audit import Act
from kubekuma.model.meta import Key
from kubekuma.model.state import Charge, Span
from kubekuma.record.audit import audit_events
from kubekuma.record.database import Connection
from kubekuma.record.days import day_bars
from kubekuma.record.incidents import insert_span
from kubekuma.record.reclassified import (
    Reclassification,
    reclassifications,
    reclassify,
    take_back_reclassification,
)
from kubekuma.record.states import series_of
from kubekuma.record.times import Window
from kubekuma.record.uptime import Uptime, uptime_within, uptimes, uptimes_of
from kubekuma.validate.rule import Refused

MAIL = Key("shop", "mail")
HOUR = 3600
HOUR_MS = 3_600_000
NOW = START + timedelta(days=3)
EVER = Window(since=START, until=NOW)
KIM = Act(at=NOW, actor="kim", reason="it was our own network")


def lay(db: Connection) -> None:
    series = series_of(db, WEB, "u1")
    for hours, charge in ((0, Charge.UP), (30, Charge.DOWN), (31, Charge.UP), (71, Charge.PAUSED)):
        insert_span(db, series, Span(start=at(hours * HOUR), charge=charge))
    insert_span(db, series_of(db, MAIL, "u2"), Span(start=at(60 * HOUR), charge=Charge.DEGRADED))


def test_every_window_is_summed_up(db: Connection) -> None:
    lay(db)
    of_one = uptimes_of(db, WEB, NOW)
    assert of_one == {
        "1h": Uptime(),
        "24h": Uptime(good_ms=23 * HOUR_MS),
        "7d": Uptime(good_ms=70 * HOUR_MS, down_ms=HOUR_MS),
        "30d": Uptime(good_ms=70 * HOUR_MS, down_ms=HOUR_MS),
        "90d": Uptime(good_ms=70 * HOUR_MS, down_ms=HOUR_MS),
    }
    # Whichever windows, in whichever order.
    found = uptimes(db, ("7d", "1h", "24h"), NOW)
    assert {name: by_key[WEB] for name, by_key in found.items()} == {
        name: of_one[name] for name in ("7d", "1h", "24h")
    }
    assert found["1h"][MAIL] == Uptime(good_ms=HOUR_MS)
    window = Window(since=at(29.5 * HOUR), until=at(30.5 * HOUR))
    assert uptime_within(db, WEB, window) == Uptime(good_ms=HOUR_MS // 2, down_ms=HOUR_MS // 2)
    assert uptime_within(db, Key("shop", "none"), window) == Uptime()


def test_days_are_those_of_the_zone(db: Connection) -> None:
    lay(db)
    found = day_bars(db, [WEB, MAIL], ZoneInfo("Asia/Kolkata"), 4, NOW)
    hours = [
        tuple(
            ms / HOUR_MS
            for ms in (bar.up_ms, bar.degraded_ms, bar.down_ms, bar.maintenance_ms, bar.unknown_ms)
        )
        for bar in found[WEB]
    ]
    # Midnight is at 18:30 UTC; the last day has begun 5.5 hours ago.
    assert hours == [(18.5, 0, 0, 0, 5.5), (23, 0, 1, 0, 0), (24, 0, 0, 0, 0), (4.5, 0, 0, 0, 1)]
    assert [bar.degraded_ms / HOUR_MS for bar in found[MAIL]] == [0, 0, 6.5, 5.5]


def said(db: Connection, id_: str, hours: tuple[float, float], **more: Any) -> Any:
    window = Window(since=at(hours[0] * HOUR), until=at(hours[1] * HOUR))
    words = {"charge": Charge.MAINTENANCE, "act": KIM, **more}
    return reclassify(db, id_, WEB, window, **words)


def test_what_a_person_says_time_counts_as_it_counts_as(db: Connection) -> None:
    lay(db)
    # From an hour before the outage to half of it, which is up now; of the rest, nobody knows.
    up = said(db, "r1", (29, 30.5), charge=Charge.UP)
    unknown = said(db, "r2", (30.5, 31), charge=Charge.UNKNOWN)
    assert isinstance(up, Reclassification)
    assert said(db, "r1", (29, 30.5), charge=Charge.UP) == up
    assert uptimes_of(db, WEB, NOW)["7d"] == Uptime(good_ms=round(70.5 * HOUR_MS))
    found = day_bars(db, [WEB], ZoneInfo("UTC"), 4, NOW)[WEB]
    assert [
        (bar.up_ms / HOUR_MS, bar.down_ms / HOUR_MS, bar.unknown_ms / HOUR_MS) for bar in found
    ] == [(24, 0, 0), (23.5, 0, 0.5), (23, 0, 1), (0, 0, 0)]
    window = Window(since=at(30.5 * HOUR), until=at(99 * HOUR))
    assert reclassifications(db, WEB, window) == [unknown]
    assert take_back_reclassification(db, "r2", KIM) == unknown
    assert take_back_reclassification(db, "r2", KIM) is None
    assert uptimes_of(db, WEB, NOW)["7d"].down_ms == HOUR_MS // 2
    actions = [each.action for each in audit_events(db, 9, kind="Monitor", name="web")]
    assert actions == ["takeBackReclassification", "reclassify", "reclassify"]


@pytest.mark.parametrize(
    ("hours", "more", "message"),
    [
        ((1, 1), {}, "until: must be later than since"),
        ((1, 99), {}, "until: must not lie ahead: planned work is a MaintenanceWindow"),
        (
            (1, 2),
            {"act": Act(at=NOW, actor="kim")},
            "reason: must have 1 to 2000 characters",
        ),
        (
            (1, 5),
            {},
            "must not overlap with r1 (2026-01-01T03:00:00.000Z to 2026-01-01T06:00:00.000Z)",
        ),
    ],
)
def test_what_cannot_be_said_is_refused(
    db: Connection, hours: tuple[float, float], more: dict[str, Any], message: str
) -> None:
    lay(db)
    said(db, "r1", (3, 6))
    said(db, "r2", (6, 7))
    refused = said(db, "r3", hours, **more)
    assert isinstance(refused, Refused)
    assert [str(error) for error in refused.errors] == [message]
    assert reclassify(db, "r3", Key("shop", "none"), EVER, Charge.UP, KIM) is None
    assert [each.id for each in reclassifications(db, WEB, EVER)] == ["r1", "r2"]
    assert len(audit_events(db, 9)) == 2
