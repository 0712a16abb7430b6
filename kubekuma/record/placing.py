"""Where a message comes in among others: when it goes out, and whether one stands for it."""

from datetime import datetime
from typing import Final

from attrs import evolve

from kubekuma.model.alert import Delivery, DeliveryStatus
from kubekuma.model.policy import Happening
from kubekuma.record.database import Connection
from kubekuma.record.times import from_epoch_ms

_LATEST: Final = """
    SELECT MAX(next_at) FROM deliveries
    WHERE provider_namespace = ? AND provider_name = ? AND together = ?
    AND status NOT IN ('dropped', 'joined')
"""
# Outages of one alert that a provider has not heard the end of, or another stood for it.
_OPEN: Final = """
    SELECT MAX(CASE WHEN status = 'joined' THEN 0 ELSE 1 END) FROM deliveries AS told
    WHERE alert = ? AND provider_namespace = ? AND provider_name = ? AND outage <> ?
    AND happening NOT IN ('up', 'acknowledged') AND status <> 'dropped' AND NOT EXISTS (
        SELECT 1 FROM deliveries AS over WHERE over.outage = told.outage
        AND over.provider_namespace = told.provider_namespace
        AND over.provider_name = told.provider_name AND over.happening = 'up'
    )
"""
_LAST_END: Final = """
    SELECT MAX(created_at) FROM deliveries
    WHERE alert = ? AND provider_namespace = ? AND provider_name = ?
    AND happening = 'up' AND status <> 'dropped'
"""


def placed(db: Connection, delivery: Delivery) -> Delivery:
    """``delivery`` as it goes into the outbox, asked in the transaction that puts it there."""
    if delivery.status is DeliveryStatus.JOINED:
        return delivery
    if delivery.alert and delivery.message.happening is not Happening.ACKNOWLEDGED:
        delivery = _of_alert(db, delivery)
    if delivery.together and delivery.status is DeliveryStatus.PENDING:
        delivery = _together(db, delivery)
    return delivery


def _of_alert(db: Connection, delivery: Delivery) -> Delivery:
    """One of several outages is told with the first of them, and over with the last."""
    where = (delivery.alert, delivery.provider.namespace, delivery.provider.name)
    (others,) = db.execute(_OPEN, (*where, delivery.outage)).fetchone()
    # Of one whose message another's stood for, there is somebody to remind once that is over.
    stands = bool(others) if delivery.message.reminder else others is not None
    if stands:
        return evolve(delivery, status=DeliveryStatus.JOINED)
    if delivery.message.happening is not Happening.UP and delivery.stays_taken:
        (ended,) = db.execute(_LAST_END, where).fetchone()
        if ended is not None:
            free = from_epoch_ms(ended) + delivery.stays_taken
            return evolve(delivery, next_at=max(delivery.next_at, free))
    return delivery


def _together(db: Connection, delivery: Delivery) -> Delivery:
    """It joins those that wait, or waits for its turn after the last."""
    where = (delivery.provider.namespace, delivery.provider.name, delivery.together)
    (latest_ms,) = db.execute(_LATEST, where).fetchone()
    if latest_ms is None:
        return delivery
    latest: datetime = from_epoch_ms(latest_ms)
    if latest > delivery.created_at:
        return evolve(delivery, next_at=latest)
    return evolve(delivery, next_at=max(delivery.next_at, latest + delivery.every))
