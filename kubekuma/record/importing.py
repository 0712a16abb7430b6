"""Heartbeats from lines of JSON, as ``export`` writes them, back into a history."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar

from kubekuma.model.meta import Key
from kubekuma.model.result import Outcome, Reason
from kubekuma.record.blocks import HOUR_MS, Beat, hour_of
from kubekuma.record.database import Connection
from kubekuma.record.export import PHASES
from kubekuma.record.heartbeats import insert_heartbeats
from kubekuma.record.rollups import HOUR_SECONDS
from kubekuma.record.sealed import Hour, seal_hours, sealed_hour
from kubekuma.record.times import epoch_ms
from kubekuma.validate.rule import FieldError, Refused, Rule, joined
from kubekuma.validate.text import namespace_name, object_name

T = TypeVar("T")
# Raises ValueError with a message that starts with "must".
Read: TypeAlias = Callable[[Any], T]

MOST_MS: Final = 10**9
_MOST_WHOLE: Final = (1 << 31) - 1

_FIND: Final = "SELECT id FROM series WHERE namespace = ? AND name = ?"
_MAKE: Final = "INSERT INTO series (namespace, name, uid) VALUES (?, ?, '')"
_ROWS: Final = "SELECT at FROM heartbeats WHERE series = ? AND at >= ? AND at < ?"
_DROPPED: Final = f"""
    SELECT 1 FROM rollups WHERE series = ? AND seconds = {HOUR_SECONDS} AND start = ?
    AND NOT EXISTS (
        SELECT 1 FROM heartbeat_blocks WHERE series = rollups.series AND hour = rollups.start)
"""  # noqa: S608 - a constant
_LAST: Final = "SELECT MAX(at) FROM heartbeats WHERE series = ?"
_OPEN: Final = f"SELECT DISTINCT at - at % {HOUR_MS} FROM heartbeats WHERE series = ? AND at < ?"  # noqa: S608 - a constant


class Put(NamedTuple):
    """What became of some heartbeats; the others were there already."""

    new: int = 0
    dropped: int = 0  # of hours that retention has dropped before


def parse_line(line: bytes, now: datetime) -> tuple[Key, Beat] | Refused:
    """The heartbeat that ``line`` says, and whose; or everything that does not fit in it.

    ``now``: what is later cannot have happened.
    """
    try:
        found = json.loads(line, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        return Refused((FieldError("", f"must be JSON: {error}"),))
    if not isinstance(found, dict):
        return Refused((FieldError("", "must be an object"),))
    reads = _reads(now)
    values, errors = _read_all(found, reads)
    phases, more = _read_all(values.pop("phasesMs", {}), _PHASES)
    errors += [FieldError(joined("phasesMs", error.path), error.message) for error in more]
    missing = [name for name in reads if name not in found]
    errors += [FieldError(name, "must be there") for name in missing]
    if errors:
        return Refused(tuple(errors))
    dns, connect, tls, first_byte, transfer = (phases.get(name) for name in PHASES)
    return Key(values["namespace"], values["name"]), Beat(
        values["at"],
        values["outcome"],
        values["reason"],
        values["message"],
        values["latencyMs"],
        dns,
        connect,
        tls,
        first_byte,
        transfer,
        values["statusCode"],
        values["attempt"],
    )


def put_beats(db: Connection, key: Key, beats: Sequence[Beat], before: int) -> Put:
    """Put ``beats`` of one monitor where they belong, and seal hours that ended ``before``, in ms.

    What is there stays as it is. An hour that retention has dropped stays
    dropped: its figures have counted its heartbeats.
    """
    series = _series(db, key)
    by_hour: dict[int, dict[int, Beat]] = {}
    for beat in beats:
        by_hour.setdefault(hour_of(beat.at), {}).setdefault(beat.at, beat)
    new = dropped = 0
    for hour, of_hour in by_hour.items():
        if db.execute(_DROPPED, (series, hour)).fetchone() is not None:
            dropped += len(of_hour)
            continue
        known = {beat.at for beat in sealed_hour(db, series, hour)}
        known |= {at for (at,) in db.execute(_ROWS, (series, hour, hour + HOUR_MS))}
        fresh = [(series, *beat) for at, beat in of_hour.items() if at not in known]
        insert_heartbeats(db, fresh)
        new += len(fresh)
    _seal(db, series, before)
    return Put(new=new, dropped=dropped)


def _series(db: Connection, key: Key) -> int:
    row = db.execute(_FIND, key).fetchone()
    if row is None:
        db.execute(_MAKE, key)
        row = db.execute(_FIND, key).fetchone()
    found: int = row[0]
    return found


def _seal(db: Connection, series: int, before: int) -> None:
    """All but the hour of the last heartbeat, which verdicts rest on."""
    (last,) = db.execute(_LAST, (series,)).fetchone()
    if last is not None:
        border = min(hour_of(before), hour_of(last))
        hours = sorted(hour for (hour,) in db.execute(_OPEN, (series, border)))
        seal_hours(db, [Hour(series, hour) for hour in hours])


# One line ----------------------------------------------------------------------------------------


def _read_all(
    found: Mapping[str, Any], reads: Mapping[str, Read[Any]]
) -> tuple[dict[str, Any], list[FieldError]]:
    values, errors = {}, []
    for name, value in found.items():
        if name not in reads:
            errors.append(FieldError(name, "must not be there"))
            continue
        try:
            values[name] = reads[name](value)
        except ValueError as error:
            errors.append(FieldError(name, str(error)))
    return values, errors


def _reads(now: datetime) -> Mapping[str, Read[Any]]:
    return {
        "namespace": _text(namespace_name),
        "name": _text(object_name),
        "at": lambda value: _at(value, epoch_ms(now)),
        "outcome": _one_of([each.value for each in Outcome]),
        "reason": _one_of([each.value for each in Reason]),
        "message": _text(_storable),
        "latencyMs": _microseconds,
        "phasesMs": _object,
        "statusCode": lambda value: None if value is None else _whole(value, 0),
        "attempt": lambda value: _whole(value, 1),
    }


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number")


def _text(rule: Rule[str]) -> Read[str]:
    def read(value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError("must be a text")  # noqa: TRY004 - said to a person
        for error in rule(value):
            raise ValueError(error.message)
        return value

    return read


def _storable(text: str) -> Iterator[FieldError]:
    # Neither database takes the one, and PostgreSQL not the other.
    if any("\ud800" <= each <= "\udfff" or each == "\0" for each in text):
        yield FieldError("", "must be Unicode text without NUL")


def _one_of(allowed: Sequence[str]) -> Read[str]:
    def read(value: Any) -> str:
        if value not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}")
        return str(value)

    return read


def _at(value: Any, now: int) -> int:
    try:
        at = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        at = None
    if at is None or at.tzinfo is None or not 0 <= epoch_ms(at) <= now:
        raise ValueError("must be a time in the past, such as 2026-01-31T12:00:00.000Z")
    return epoch_ms(at)


def _microseconds(value: Any) -> int:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 <= value <= MOST_MS:
        raise ValueError(f"must be a number from 0 to {MOST_MS}")
    return round(1000 * float(value))


def _whole(value: Any, least: int) -> int:
    number = isinstance(value, int) and not isinstance(value, bool)
    if not number or not least <= value <= _MOST_WHOLE:
        raise ValueError(f"must be a whole number from {least} to {_MOST_WHOLE}")
    return int(value)


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("must be an object")  # noqa: TRY004 - said to a person
    return value


_PHASES: Final[Mapping[str, Read[int]]] = dict.fromkeys(PHASES, _microseconds)
