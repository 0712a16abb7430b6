"""Heartbeats for other programs: as lines of JSON, or of CSV."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from kubekuma.model.meta import Key
from kubekuma.record.blocks import Beat
from kubekuma.record.database import Connection
from kubekuma.record.heartbeats import beats
from kubekuma.record.times import Window, from_epoch_ms

Line: TypeAlias = Callable[[Key, Beat], str]

# So much is read in one transaction, and held in memory.
_PORTION: Final = timedelta(days=1)
_NO_LIMIT: Final = 1 << 62
PHASES: Final = ("dns", "connect", "tls", "firstByte", "transfer")
CSV_COLUMNS: Final = (
    *("namespace", "name", "at", "outcome", "reason", "latencyMs"),
    *(f"{phase}Ms" for phase in PHASES),
    *("statusCode", "attempt", "message"),
)
_KEYS: Final = """
    SELECT namespace, name,
        (SELECT MIN(at) FROM heartbeats WHERE series = id),
        (SELECT MIN(hour) FROM heartbeat_blocks WHERE series = id),
        (SELECT MAX(at) FROM heartbeats WHERE series = id)
    FROM series ORDER BY namespace, name
"""


def recorded(
    db: Connection, wanted: Callable[[Key], bool], since: datetime | None, until: datetime | None
) -> list[tuple[Key, Window]]:
    """The monitors that are ``wanted`` and have heartbeats, and from when until when."""
    found: list[tuple[Key, Window]] = []
    for namespace, name, *starts, last in db.execute(_KEYS):
        key, known = Key(namespace, name), [start for start in starts if start is not None]
        if not known or last is None or not wanted(key):
            continue
        begin, end = from_epoch_ms(min(known)), from_epoch_ms(last + 1)
        begin = begin if since is None else max(begin, since)
        end = end if until is None else min(end, until)
        if begin < end:
            found.append((key, Window(since=begin, until=end)))
    return found


def portions(window: Window) -> Iterator[Window]:
    """``window`` in parts that are read one after the other."""
    begin = window.since
    while begin < window.until:
        yield Window(since=begin, until=min(begin + _PORTION, window.until))
        begin += _PORTION


def exported(db: Connection, key: Key, window: Window) -> list[Beat]:
    """The heartbeats of ``window``, the oldest first."""
    return list(beats(db, key, window, _NO_LIMIT))[::-1]


def json_line(key: Key, beat: Beat) -> str:
    """A line of JSON, with the names that the API has."""
    phases = zip(PHASES, _phases(beat), strict=True)
    shown = {
        "namespace": key.namespace,
        "name": key.name,
        "at": _at(beat),
        "outcome": beat.outcome,
        "reason": beat.reason,
        "message": beat.message,
        "latencyMs": beat.latency / 1000,
        "phasesMs": {name: length for name, length in phases if length is not None},
        "statusCode": beat.status_code,
        "attempt": beat.attempt,
    }
    return json.dumps(shown, ensure_ascii=False) + "\n"


def csv_line(key: Key, beat: Beat) -> str:
    """A line of CSV (RFC 4180), by ``CSV_COLUMNS``."""
    return csv_row(
        (
            *(*key, _at(beat), beat.outcome, beat.reason, beat.latency / 1000),
            *_phases(beat),
            *(beat.status_code, beat.attempt, beat.message),
        )
    )


def csv_row(values: tuple[object, ...]) -> str:
    """One record of CSV."""
    out = io.StringIO()
    csv.writer(out).writerow(values)
    return out.getvalue()


def _phases(beat: Beat) -> Iterator[float | None]:
    lengths = (beat.dns, beat.connect, beat.tls, beat.first_byte, beat.transfer)
    return (None if length is None else length / 1000 for length in lengths)


def _at(beat: Beat) -> str:
    return from_epoch_ms(beat.at).isoformat(timespec="milliseconds").replace("+00:00", "Z")
