"""The outbox: what is to be told, and what was told of each outage."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from attrs import evolve

from kubekuma.model.alert import Delivery, DeliveryStatus, Fared, Message, Outage, Told
from kubekuma.model.meta import Key
from kubekuma.model.policy import Happening
from kubekuma.record.database import Connection
from kubekuma.record.documents import from_json, to_json
from kubekuma.record.placing import placed
from kubekuma.record.times import epoch_ms, from_epoch_ms

_COLUMNS: Final = (
    "id, outage, provider_namespace, provider_name, message, created_at, next_at, status,"
    " attempts, error, sent_at, together, alert, policy, fallback, receipt"
)
# The oldest of each provider first: what is told of one monitor comes in order.
_DUE: Final = f"""
    SELECT {_COLUMNS}, (
        SELECT receipt FROM deliveries AS first WHERE first.outage = deliveries.outage
        AND first.provider_namespace = deliveries.provider_namespace
        AND first.provider_name = deliveries.provider_name AND first.receipt IS NOT NULL
        ORDER BY first.created_at, first.id LIMIT 1
    ) FROM deliveries
    WHERE status = 'pending' AND provider_namespace = ? AND provider_name = ? AND next_at <= ?
    ORDER BY created_at, id LIMIT ?
"""  # noqa: S608 - constants
_OF_MONITOR: Final = f"""
    SELECT {_COLUMNS} FROM deliveries WHERE monitor = ? AND created_at < ?
    ORDER BY created_at DESC, id LIMIT ?
"""  # noqa: S608 - constants
_OUTAGES: Final = """
    SELECT incidents.id, namespace, name, started_at, confirmed_at, ended_at, reason, message,
        acknowledged_by, acknowledged_until
    FROM incidents JOIN series ON series.id = series
"""
# An outage is open for alerting until it has ended, and all who heard of it heard of that.
_OPEN: Final = """
    WHERE ended_at IS NULL OR EXISTS (
        SELECT 1 FROM deliveries AS told WHERE told.outage = incidents.id
        AND told.happening <> 'up' AND told.status <> 'dropped' AND NOT EXISTS (
            SELECT 1 FROM deliveries AS over WHERE over.outage = told.outage
            AND over.provider_namespace = told.provider_namespace
            AND over.provider_name = told.provider_name AND over.happening = 'up'
        )
    )
"""
# What a provider heard of and not of its end: of incidents, and of what is none.
_LASTING: Final = """
    SELECT outage, deliveries.message FROM deliveries
    LEFT JOIN incidents ON incidents.id = outage
    WHERE provider_namespace = ? AND provider_name = ? AND status = 'sent' AND ended_at IS NULL
    AND happening NOT IN ('up', 'flapping', 'acknowledged', 'maintenance')
    AND outage NOT LIKE 'test:%'
    AND NOT EXISTS (
        SELECT 1 FROM deliveries AS over WHERE over.outage = deliveries.outage
        AND over.provider_namespace = deliveries.provider_namespace
        AND over.provider_name = deliveries.provider_name AND over.happening = 'up'
    )
    ORDER BY created_at, deliveries.id
"""
_LASTING_IN: Final = """
    SELECT COUNT(DISTINCT outage) FROM deliveries AS told
    WHERE provider_namespace = ? AND provider_name = ? AND together = ?
    AND happening NOT IN ('up', 'acknowledged') AND status <> 'dropped' AND NOT EXISTS (
        SELECT 1 FROM deliveries AS over WHERE over.outage = told.outage
        AND over.provider_namespace = told.provider_namespace
        AND over.provider_name = told.provider_name AND over.happening = 'up'
    )
"""
# Of states that are no incidents: what somebody heard of and not of its end.
_NOTICES: Final = """
    SELECT monitor, outage, message FROM deliveries AS told
    WHERE happening IN ('degraded', 'unknown', 'certExpiring', 'budgetBurn')
    AND status <> 'dropped' AND outage NOT LIKE 'test:%' AND NOT EXISTS (
        SELECT 1 FROM deliveries AS over WHERE over.outage = told.outage
        AND over.provider_namespace = told.provider_namespace
        AND over.provider_name = told.provider_name AND over.happening = 'up'
    )
"""
# The time of the last try, or of the next.
_LAST_ERRORS: Final = """
    SELECT deliveries.provider_namespace, deliveries.provider_name, status, next_at, error
    FROM deliveries JOIN (
        SELECT provider_namespace, provider_name, MAX(next_at) AS latest FROM deliveries
        WHERE status IN ('pending', 'failed') AND error <> ''
        GROUP BY provider_namespace, provider_name
    ) AS last ON last.provider_namespace = deliveries.provider_namespace
        AND last.provider_name = deliveries.provider_name AND last.latest = next_at
    WHERE status IN ('pending', 'failed') AND error <> ''
"""


def insert_deliveries(db: Connection, deliveries: Sequence[Delivery]) -> None:
    """Put messages into the outbox; those that are there already stay as they are."""
    for each in deliveries:
        _insert(db, placed(db, each))


def _insert(db: Connection, delivery: Delivery) -> None:
    db.execute(
        "INSERT INTO deliveries (id, outage, provider_namespace, provider_name, happening,"
        " message, created_at, next_at, status, attempts, error, reminder, monitor, together,"
        " alert, policy, fallback) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (id) DO NOTHING",
        (
            delivery.id,
            delivery.outage,
            delivery.provider.namespace,
            delivery.provider.name,
            delivery.message.happening.value,
            to_json(delivery.message),
            epoch_ms(delivery.created_at),
            epoch_ms(delivery.next_at),
            delivery.status.value,
            delivery.attempts,
            delivery.error,
            delivery.message.reminder,
            str(delivery.message.monitor),
            delivery.together,
            delivery.alert,
            _text(delivery.policy),
            _text(delivery.fallback),
        ),
    )


def drop_unheard(db: Connection, outage: str, now: datetime) -> None:
    """The outage is over: what nobody was told of it yet, nobody need be told."""
    db.execute(
        "UPDATE deliveries SET status = 'dropped', sent_at = ?"
        " WHERE outage = ? AND status = 'pending' AND attempts = 0 AND happening <> 'up'"
        " AND next_at > ?",
        (epoch_ms(now), outage, epoch_ms(now)),
    )


def update_deliveries(db: Connection, deliveries: Sequence[Delivery]) -> None:
    """Record how far messages have come."""
    for each in deliveries:
        _update(db, each)


def _update(db: Connection, delivery: Delivery) -> None:
    db.execute(
        "UPDATE deliveries SET next_at = ?, status = ?, attempts = ?, error = ?, sent_at = ?,"
        " receipt = ? WHERE id = ?",
        (
            epoch_ms(delivery.next_at),
            delivery.status.value,
            delivery.attempts,
            delivery.error,
            None if delivery.sent_at is None else epoch_ms(delivery.sent_at),
            delivery.receipt,
            delivery.id,
        ),
    )


def due_deliveries(db: Connection, provider: Key, now: datetime, limit: int) -> list[Delivery]:
    """The messages to one provider that are due, the oldest first."""
    found = db.execute(_DUE, (provider.namespace, provider.name, epoch_ms(now), limit))
    return [_delivery(row) for row in found]


def deliveries_of(db: Connection, monitor: Key, before: datetime, limit: int) -> list[Delivery]:
    """The last ``limit`` messages of a monitor that were decided before that, the newest first."""
    found = db.execute(_OF_MONITOR, (str(monitor), epoch_ms(before), limit))
    return [_delivery((*row, None)) for row in found]


def waiting_providers(db: Connection) -> list[tuple[Key, datetime]]:
    """Every provider with messages in the outbox, and when it is sent to next.

    What was tried and is to be tried again keeps all others waiting: what is
    told of one monitor comes in order, also if another process goes on.
    """
    found = db.execute(
        "SELECT provider_namespace, provider_name,"
        " COALESCE(MAX(CASE WHEN attempts > 0 THEN next_at END), MIN(next_at)) FROM deliveries"
        " WHERE status = 'pending' GROUP BY provider_namespace, provider_name"
    )
    return [(Key(namespace, name), from_epoch_ms(at)) for namespace, name, at in found]


def lasting_messages(db: Connection, provider: Key) -> list[Message]:
    """What a provider was told of outages that last: the first message of each."""
    found = db.execute(_LASTING, (provider.namespace, provider.name))
    first: dict[str, Message] = {}
    for outage_, text in found:
        if outage_ not in first:
            first[outage_] = from_json(text, Message)
    return [*first.values()]


def lasting_in(db: Connection, provider: Key, together: str) -> int:
    """Of how many outages of a group a provider has not heard the end, nor is to."""
    where = (provider.namespace, provider.name, together)
    (count,) = db.execute(_LASTING_IN, where).fetchone()
    return int(count)


def oldest_waiting(db: Connection, now: datetime) -> datetime | None:
    """Since when the oldest message waits that is due; None: none does."""
    (at,) = db.execute(
        "SELECT MIN(CASE WHEN attempts > 0 THEN created_at ELSE next_at END) FROM deliveries"
        " WHERE status = 'pending' AND (attempts > 0 OR next_at <= ?)",
        (epoch_ms(now),),
    ).fetchone()
    return None if at is None else from_epoch_ms(at)


def fared(db: Connection) -> list[Fared]:
    """How messages to each provider have fared. One that waits after an error has failed last."""
    sent = db.execute(
        "SELECT provider_namespace, provider_name, MAX(sent_at),"
        " MAX(CASE WHEN outage LIKE 'test:%' THEN sent_at END)"
        " FROM deliveries WHERE status = 'sent' GROUP BY provider_namespace, provider_name"
    )
    found = {
        (namespace, name): Fared(
            provider=Key(namespace, name),
            sent_at=from_epoch_ms(at),
            tested_at=None if tested_at is None else from_epoch_ms(tested_at),
        )
        for namespace, name, at, tested_at in sent
    }
    for namespace, name, status, at, error in db.execute(_LAST_ERRORS):
        known = found.get((namespace, name)) or Fared(provider=Key(namespace, name))
        waits = status == DeliveryStatus.PENDING.value
        if waits or known.sent_at is None or from_epoch_ms(at) > known.sent_at:
            found[namespace, name] = evolve(known, error=error)
    return [*found.values()]


def told_of(db: Connection, outage: str) -> tuple[Told, ...]:
    """What was told of an outage, or is in the outbox."""
    found = db.execute(
        "SELECT provider_namespace, provider_name, happening, created_at, reminder, alert, fallback"
        " FROM deliveries WHERE outage = ? AND status <> 'dropped' ORDER BY created_at, id",
        (outage,),
    )
    return tuple(
        Told(
            provider=Key(namespace, name),
            happening=Happening(what),
            at=from_epoch_ms(created_at),
            reminder=reminder,
            alert=alert,
            fallback=_key(fallback),
        )
        for namespace, name, what, created_at, reminder, alert, fallback in found
    )


def noticed_monitors(db: Connection) -> set[Key]:
    """Monitors of which there may be an end to tell of something that is no incident."""
    keys = {_key(monitor) for monitor, _, _ in db.execute(_NOTICES)}
    return {key for key in keys if key is not None}


def open_notices(db: Connection, key: Key) -> list[Outage]:
    """What somebody heard of a monitor that is no incident, and not of its end."""
    found: dict[str, Outage] = {}
    for _, outage_, text in db.execute(_NOTICES + " AND monitor = ?", (str(key),)):
        message = from_json(text, Message)
        found[outage_] = Outage(
            id=outage_,
            what=message.happening,
            key=key,
            started_at=message.since,
            confirmed_at=message.since,
            ended_at=None,
            reason=message.reason,
            message=message.detail,
        )
    return [*found.values()]


def outage(db: Connection, id_: str) -> Outage | None:
    """One outage; None: there is none of that id."""
    row = db.execute(f"{_OUTAGES} WHERE incidents.id = ?", (id_,)).fetchone()
    return None if row is None else _outage(row)


def open_outages(db: Connection) -> list[Outage]:
    """Every outage of which there may be something to tell."""
    return [_outage(row) for row in db.execute(_OUTAGES + _OPEN)]


def _outage(row: Any) -> Outage:
    id_, namespace, name, started_at, confirmed_at, ended_at, reason, message, by, until = row
    return Outage(
        id=id_,
        key=Key(namespace, name),
        started_at=from_epoch_ms(started_at),
        confirmed_at=from_epoch_ms(confirmed_at),
        ended_at=None if ended_at is None else from_epoch_ms(ended_at),
        reason=reason,
        message=message,
        acknowledged_by=by or "",
        acknowledged_until=None if until is None else from_epoch_ms(until),
    )


def _delivery(row: Any) -> Delivery:
    (
        id_,
        outage_,
        namespace,
        name,
        message,
        created_at,
        next_at,
        status,
        attempts,
        error,
        sent_at,
        together,
        alert,
        policy,
        fallback,
        receipt,
        answers,
    ) = row
    return Delivery(
        id=id_,
        outage=outage_,
        provider=Key(namespace, name),
        message=from_json(message, Message),
        created_at=from_epoch_ms(created_at),
        next_at=from_epoch_ms(next_at),
        status=DeliveryStatus(status),
        attempts=attempts,
        error=error,
        sent_at=None if sent_at is None else from_epoch_ms(sent_at),
        together=together,
        alert=alert,
        policy=_key(policy),
        fallback=_key(fallback),
        receipt=receipt,
        answers=answers,
    )


def _text(key: Key | None) -> str:
    return "" if key is None else str(key)


def _key(text: str) -> Key | None:
    namespace, _, name = text.rpartition("/")
    return Key(namespace, name) if name else None
