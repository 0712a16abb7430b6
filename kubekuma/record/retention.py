"""How long what is kept: the oldest goes first, a little of each series at a time."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import attrs

from kubekuma.model.settings import Retention
from kubekuma.record.blocks import HOUR_MS, hour_of
from kubekuma.record.database import Connection
from kubekuma.record.posts import drop_posts
from kubekuma.record.reclassified import drop_reclassified
from kubekuma.record.rollups import DAY_SECONDS, HOUR_SECONDS, add_buckets
from kubekuma.record.sealed import sealed_hour
from kubekuma.record.times import epoch_ms

# Of each table, for each series, in one transaction.
MOST_ROWS: Final = 50
MOST_THINNED: Final = 2
# With all that was told of them, or added to them.
MOST_OUTAGES: Final = 10
MOST_POSTS: Final = 10

_SERIES: Final = "SELECT id FROM series ORDER BY id"
_BEYOND: Final = """
    SELECT {when} FROM {table} WHERE {which}series = ? AND {when} < ?
    ORDER BY {when} LIMIT 1 OFFSET ?
"""
_DROP: Final = "DELETE FROM {table} WHERE {which}series = ? AND {when} < ?"
# The span that was under way then is still needed to know what came after.
_UNDER_WAY: Final = "SELECT MAX(start) FROM spans WHERE series = ? AND start <= ?"
# One of which a message still waits has not ended for whoever waits for it.
_ENDED: Final = """
    SELECT id FROM incidents WHERE series = ? AND ended_at < ? AND NOT EXISTS (
        SELECT 1 FROM deliveries WHERE outage = incidents.id AND status = 'pending'
    )
    LIMIT ?
"""
# A provider's test stays, for it is sent once: few and small, one for each provider.
_OF_NO_OUTAGE: Final = """
    SELECT id FROM deliveries
    WHERE created_at < ? AND status <> 'pending' AND outage NOT LIKE 'test:%'
    AND NOT EXISTS (SELECT 1 FROM incidents WHERE incidents.id = outage)
    ORDER BY created_at LIMIT ?
"""
# A few lines for each thing that was ever held back.
_DECIDED_OF_NO_OUTAGE: Final = """
    DELETE FROM alert_decisions
    WHERE at < ? AND NOT EXISTS (SELECT 1 FROM incidents WHERE incidents.id = outage)
"""
_DROP_AUDIT: Final = """
    DELETE FROM audit_events
    WHERE id IN (SELECT id FROM audit_events WHERE at < ? ORDER BY at LIMIT ?) RETURNING id
"""
_OLDEST: Final = """
    SELECT hour FROM heartbeat_blocks WHERE series = ? AND hour < ? ORDER BY hour LIMIT ?
"""
_DROP_HOUR: Final = "DELETE FROM {table} WHERE series = ? AND hour = ?"


@attrs.frozen(kw_only=True)
class Borders:
    """What is older than these goes, in ms; ``thinned``: becomes buckets."""

    heartbeats: int
    details: int
    hours: int
    days: int
    spans: int
    incidents: int
    audit: int
    thinned: int | None  # None: nothing is
    bucket_seconds: int


def borders(retention: Retention, now: datetime) -> Borders:
    """What ``retention`` comes to at ``now``."""

    def before(days: int) -> int:
        return epoch_ms(now - timedelta(days=days))

    thin = retention.downsample
    return Borders(
        # Whole hours, as they are sealed.
        heartbeats=hour_of(before(retention.heartbeats_days)),
        details=hour_of(before(retention.checks_days)),
        hours=before(retention.hour_days),
        days=before(retention.day_days),
        spans=before(retention.spans_days),
        incidents=before(retention.incidents_days),
        audit=before(retention.audit_days),
        thinned=hour_of(before(thin.older_than_days)) if thin.enabled else None,
        bucket_seconds=60 * max(n for n in range(1, 61) if not 60 % n and n <= thin.bucket_minutes),
    )


def all_series(db: Connection) -> list[int]:
    """The numbers of all series."""
    return [number for (number,) in db.execute(_SERIES)]


def prune(db: Connection, series: Sequence[int], drop: Borders) -> list[int]:
    """Drop the oldest of what is too old, not much at once; return where there is more of it."""
    return [number for number in series if _prune(db, number, drop)]


def prune_deeds(db: Connection, drop: Borders) -> bool:
    """The same of what people have done and said, which is of no series; whether there is more."""
    gone = db.execute(_DROP_AUDIT, (drop.audit, MOST_ROWS)).fetchall()
    told = db.execute(_OF_NO_OUTAGE, (drop.incidents, MOST_ROWS)).fetchall()
    if told:
        db.executemany("DELETE FROM deliveries WHERE id = ?", told)
    db.execute(_DECIDED_OF_NO_OUTAGE, (drop.incidents,))
    posts = drop_posts(db, drop.incidents, MOST_POSTS)
    return MOST_ROWS in {len(gone), len(told)} or posts == MOST_POSTS


def _prune(db: Connection, series: int, drop: Borders) -> bool:
    spans = db.execute(_UNDER_WAY, (series, drop.spans)).fetchone()[0]
    drop_reclassified(db, series, drop.spans)
    left = [
        _drop(db, "heartbeats", "at", series, drop.heartbeats),
        _drop(db, "heartbeat_blocks", "hour", series, drop.heartbeats),
        _drop(db, "heartbeat_buckets", "hour", series, drop.heartbeats),
        _drop(db, "heartbeat_details", "hour", series, max(drop.details, drop.heartbeats)),
        _drop(db, "rollups", "start", series, drop.hours, f"seconds = {HOUR_SECONDS} AND "),
        _drop(db, "rollups", "start", series, drop.days, f"seconds = {DAY_SECONDS} AND "),
        spans is not None and _drop(db, "spans", "start", series, spans),
        _drop_incidents(db, series, drop.incidents),
        drop.thinned is not None and _thin(db, series, drop.thinned, drop.bucket_seconds),
    ]
    return any(left)


def _drop(db: Connection, table: str, when: str, series: int, border: int, which: str = "") -> bool:
    """Drop the oldest rows that are older than ``border``; whether there are more."""
    words = {"table": table, "when": when, "which": which}
    beyond = db.execute(_BEYOND.format(**words), (series, border, MOST_ROWS)).fetchone()
    db.execute(_DROP.format(**words), (series, beyond[0] if beyond else border))
    return beyond is not None


def _drop_incidents(db: Connection, series: int, border: int) -> bool:
    ended = db.execute(_ENDED, (series, border, MOST_OUTAGES)).fetchall()
    if ended:
        # All that was told of an outage goes at once: who heard of its beginning and not of its end
        # would be told of it.
        db.executemany("DELETE FROM deliveries WHERE outage = ?", ended)
        db.executemany("DELETE FROM alert_decisions WHERE outage = ?", ended)
        db.executemany("DELETE FROM incidents WHERE id = ?", ended)
    return len(ended) == MOST_OUTAGES


def _thin(db: Connection, series: int, border: int, bucket_seconds: int) -> bool:
    """Make buckets of the oldest hours that are older than ``border``."""
    hours = db.execute(_OLDEST, (series, border, MOST_THINNED)).fetchall()
    for (hour,) in hours:
        # Whole hours are kept as figures anyway.
        if 1000 * bucket_seconds < HOUR_MS:
            add_buckets(db, series, hour, sealed_hour(db, series, hour), bucket_seconds)
        for table in ("heartbeat_blocks", "heartbeat_details"):
            db.execute(_DROP_HOUR.format(table=table), (series, hour))
    return len(hours) == MOST_THINNED
