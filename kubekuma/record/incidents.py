"""Incidents and spans: what follows from a change of verdict, and who sees to an outage."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import attrs

from kubekuma.model.audit import Act
from kubekuma.model.meta import Key
from kubekuma.model.state import Acknowledgement, Cause, Closed, FailingParent, Opened, Span
from kubekuma.record.audit import audit
from kubekuma.record.database import Connection
from kubekuma.record.documents import as_shown, from_json, to_json
from kubekuma.record.times import epoch_ms, from_epoch_ms, whole_ms
from kubekuma.validate.operations import acknowledgement_errors
from kubekuma.validate.rule import FieldError, Refused

INCIDENT: Final = "Incident"

_INCIDENTS: Final = """
    SELECT incidents.id, namespace, name, started_at, confirmed_at, ended_at, reason, message,
        cause, acknowledged_at, acknowledged_by, acknowledged_note, acknowledged_until
    FROM incidents JOIN series ON series.id = series
"""
_PAGE: Final = f"""
    {_INCIDENTS} WHERE namespace = ? AND name = ? AND started_at < ?
    ORDER BY started_at DESC LIMIT ?
"""
_ACKNOWLEDGE: Final = """
    UPDATE incidents SET acknowledged_at = ?, acknowledged_by = ?, acknowledged_note = ?,
        acknowledged_until = ?
    WHERE id = ?
"""


@attrs.frozen(kw_only=True)
class Incident:
    """One outage."""

    id: str
    key: Key  # of the monitor
    started_at: datetime
    confirmed_at: datetime
    ended_at: datetime | None
    reason: str
    message: str
    cause: Cause | None  # None: it began before causes were kept
    # None: nobody sees to it. One that no longer counts is kept.
    acknowledgement: Acknowledgement | None


def insert_span(db: Connection, series: int, span: Span) -> None:
    """Charge time as ``span`` says, from its start on."""
    db.execute(
        "INSERT INTO spans VALUES (?, ?, ?, ?)"
        " ON CONFLICT (series, start) DO UPDATE"
        " SET charge = excluded.charge, incident = excluded.incident",
        (series, epoch_ms(span.start), span.charge.value, span.incident),
    )


def open_incident(db: Connection, series: int, uid: str, opened: Opened) -> None:
    """Record that an outage has begun."""
    db.execute(
        "INSERT INTO incidents"
        " (id, series, uid, started_at, confirmed_at, reason, message, cause)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
        (
            opened.id,
            series,
            uid,
            epoch_ms(opened.started_at),
            epoch_ms(opened.confirmed_at),
            opened.cause.reason.value,
            opened.cause.message,
            to_json(opened.cause),
        ),
    )


def close_incident(db: Connection, closed: Closed) -> None:
    """Record that an outage has ended."""
    db.execute(
        "UPDATE incidents SET ended_at = ? WHERE id = ?", (epoch_ms(closed.ended_at), closed.id)
    )


def name_parents(db: Connection, id_: str, parents: Sequence[FailingParent]) -> None:
    """Record who failed as well, soon after an outage had begun; who is named already stays so."""
    row = db.execute("SELECT cause FROM incidents WHERE id = ?", (id_,)).fetchone()
    cause = from_json(row[0], Cause) if row and row[0] else None
    if cause is not None and not cause.parents:
        named = to_json(attrs.evolve(cause, parents=tuple(parents)))
        db.execute("UPDATE incidents SET cause = ? WHERE id = ?", (named, id_))


def incidents(db: Connection, key: Key, before: datetime, limit: int) -> list[Incident]:
    """The last ``limit`` outages that began before ``before``, the newest first."""
    found = db.execute(_PAGE, (key.namespace, key.name, epoch_ms(before), limit))
    return [_incident(row) for row in found]


def incident(db: Connection, id_: str) -> Incident | None:
    """One outage; None: there is none of that id."""
    row = db.execute(f"{_INCIDENTS} WHERE incidents.id = ?", (id_,)).fetchone()
    return None if row is None else _incident(row)


def acknowledge(
    db: Connection, id_: str, act: Act, note: str = "", until: datetime | None = None
) -> Incident | Refused | None:
    """Note that somebody sees to an outage, in place of whoever did before.

    Returns the outage as it is then; None: there is none of that id.
    """
    found = incident(db, id_)
    if found is None:
        return None
    given = Acknowledgement(
        at=whole_ms(act.at),
        by=act.actor,
        note=note,
        until=None if until is None else whole_ms(until),
    )
    errors = tuple(acknowledgement_errors(given))
    if found.ended_at is not None:
        errors = (*errors, FieldError("", "must be of an outage that lasts"))
    return Refused(errors) if errors else _acknowledged(db, found, act, "acknowledge", given)


def take_back_acknowledgement(db: Connection, id_: str, act: Act) -> Incident | None:
    """Note that nobody sees to an outage any more; None: there is none of that id."""
    found = incident(db, id_)
    return found and _acknowledged(db, found, act, "unacknowledge", None)


def _acknowledged(
    db: Connection, found: Incident, act: Act, action: str, given: Acknowledgement | None
) -> Incident:
    before = found.acknowledgement
    if given == before:
        return found
    if given is None:
        db.execute(_ACKNOWLEDGE, (None, None, None, None, found.id))
    else:
        until = None if given.until is None else epoch_ms(given.until)
        db.execute(_ACKNOWLEDGE, (epoch_ms(given.at), given.by, given.note, until, found.id))
    key = Key(found.key.namespace, found.id)
    audit(db, act, action, INCIDENT, key, before=as_shown(before), after=as_shown(given))
    return attrs.evolve(found, acknowledgement=given)


def _incident(row: Any) -> Incident:
    (
        id_,
        namespace,
        name,
        started_at,
        confirmed_at,
        ended_at,
        reason,
        message,
        cause,
        acknowledged_at,
        by,
        note,
        until,
    ) = row
    return Incident(
        id=id_,
        key=Key(namespace, name),
        started_at=from_epoch_ms(started_at),
        confirmed_at=from_epoch_ms(confirmed_at),
        ended_at=None if ended_at is None else from_epoch_ms(ended_at),
        reason=reason,
        message=message,
        cause=None if cause is None else from_json(cause, Cause),
        acknowledgement=None
        if acknowledged_at is None
        else Acknowledgement(
            at=from_epoch_ms(acknowledged_at),
            by=by,
            note=note,
            until=None if until is None else from_epoch_ms(until),
        ),
    )
