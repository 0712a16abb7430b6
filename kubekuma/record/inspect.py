"""What there is in a history, and whether all of it can be read."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

import attrs

from kubekuma.model.meta import Key
from kubekuma.record.blocks import BlockError, unseal
from kubekuma.record.database import Connection, Database
from kubekuma.record.migrate import require_known
from kubekuma.record.tally import TallyError, unpacked
from kubekuma.record.times import from_epoch_ms

TABLES: Final = (
    *("series", "heartbeats", "heartbeat_blocks", "heartbeat_details", "heartbeat_buckets"),
    *("rollups", "spans", "incidents", "deliveries", "audit_events", "posts"),
    *("reclassifications", "alert_decisions"),
)
_ENDS: Final = """
    SELECT
        (SELECT MIN(at) FROM heartbeats), (SELECT MIN(hour) FROM heartbeat_blocks),
        (SELECT MAX(at) FROM heartbeats)
"""
_BLOCKS: Final = """
    SELECT hour, beats, details
    FROM heartbeat_blocks LEFT JOIN heartbeat_details USING (series, hour) WHERE series = ?
"""
_FIGURES: Final = """
    SELECT start, figures FROM rollups WHERE series = ?
    UNION ALL SELECT hour, figures FROM heartbeat_buckets WHERE series = ?
"""


@attrs.frozen(kw_only=True)
class Stats:
    """How large a history is."""

    schema: int
    size_bytes: int
    rows: Mapping[str, int]  # by table
    oldest_at: datetime | None
    newest_at: datetime | None


@attrs.frozen(kw_only=True)
class Damage:
    """Something that cannot be read: of which monitor, and from when on."""

    key: Key
    at: datetime
    error: str


def stats(db: Connection, database: Database) -> Stats:
    """Count everything; in a large history that takes a while. Raises SchemaTooNewError."""
    schema = require_known(db)
    rows = {table: _count(db, table) for table in TABLES}
    *starts, last = db.execute(_ENDS).fetchone()
    first = min((start for start in starts if start is not None), default=None)
    return Stats(
        schema=schema,
        size_bytes=database.size(db),
        rows=rows,
        oldest_at=None if first is None else from_epoch_ms(first),
        newest_at=None if last is None else from_epoch_ms(last),
    )


def monitors_of(db: Connection) -> list[tuple[int, Key]]:
    """Every series, and whose it is."""
    found = db.execute("SELECT id, namespace, name FROM series ORDER BY namespace, name")
    return [(series, Key(namespace, name)) for series, namespace, name in found]


def damage_of(db: Connection, series: int, key: Key) -> Iterator[Damage]:
    """Read all that is packed of one series; yield what cannot be."""
    for hour, beats, details in db.execute(_BLOCKS, (series,)):
        try:
            unseal(hour, beats, details)
        except BlockError as error:
            yield Damage(key=key, at=from_epoch_ms(hour), error=str(error))
    for start, figures in db.execute(_FIGURES, (series, series)):
        try:
            unpacked(figures)
        except TallyError as error:
            yield Damage(key=key, at=from_epoch_ms(start), error=str(error))


def _count(db: Connection, table: str) -> int:
    (found,) = db.execute(f"SELECT COUNT(*) FROM {table}").fetchone()  # noqa: S608 - one of ours
    return int(found)
