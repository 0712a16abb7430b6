"""What people are told: outages as alerting sees them, messages, and their deliveries."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum

import attrs

from kubekuma.model.meta import Key
from kubekuma.model.monitor import AlertSeverity
from kubekuma.model.policy import Happening


@attrs.frozen(kw_only=True)
class Outage:
    """One incident, or another state of a monitor, as far as it decides who is told.

    ``what`` is what it is told as. ``step``: how many of the days before the
    end of a certificate have come, each of which is told.
    """

    id: str
    what: Happening = Happening.DOWN
    step: int = 0
    key: Key  # of the monitor
    started_at: datetime  # first failure
    confirmed_at: datetime  # verdict
    ended_at: datetime | None
    reason: str
    message: str
    changed: bool = False  # target or criteria, since it began
    dependents: int = 0  # monitors of which nobody is told meanwhile
    acknowledged_by: str = ""  # empty: by nobody
    acknowledged_until: datetime | None = None  # None: as long as it lasts

    def is_acknowledged(self, now: datetime) -> bool:
        """Whether somebody sees to it, so that nobody is reminded and no more are called."""
        until = self.acknowledged_until
        return bool(self.acknowledged_by) and (until is None or now < until)


@attrs.frozen(kw_only=True)
class Told:
    """One message of an outage that a provider was sent, or is to be."""

    provider: Key
    happening: Happening
    at: datetime  # when it was decided
    reminder: int = 0
    alert: str = ""  # the one of several outages that it belongs to
    fallback: Key | None = None


@attrs.frozen(kw_only=True)
class Message:
    """What one provider is told of one monitor, in words and in parts.

    ``key`` is the outage's: receivers that know keys have one alert for its
    beginning and its end. ``id`` is the message's own, the same however often
    it is sent.
    """

    id: str
    key: str
    happening: Happening
    monitor: Key
    name: str  # for people
    severity: AlertSeverity
    title: str
    text: str
    since: datetime
    until: datetime | None = None
    at: datetime | None = None  # when it was decided
    what: Happening = Happening.DOWN  # that is told, or of which the end is
    reason: str = ""
    detail: str = ""  # what the check said
    reminder: int = 0  # the how manieth; 0: the first message
    type: str = ""  # of the monitor
    target: str = ""  # for people, without credentials
    tags: tuple[str, ...] = ()
    labels: Mapping[str, str] = attrs.field(factory=dict)
    links: Mapping[str, str] = attrs.field(factory=dict)  # URL by name
    facts: Mapping[str, str] = attrs.field(factory=dict)  # the monitor's annotations
    is_test: bool = False  # of the provider: nothing has happened
    priority: str = ""  # the provider's own word for how bad it is; empty: by severity


@attrs.frozen(kw_only=True)
class Fared:
    """How messages to one provider have fared, as the outbox knows it."""

    provider: Key
    sent_at: datetime | None = None
    tested_at: datetime | None = None
    error: str | None = None  # of the last try, if that failed


class DeliveryStatus(StrEnum):
    """How far a message has come."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"  # for good
    DROPPED = "dropped"  # over before anybody was told
    JOINED = "joined"  # not told: another outage's message stands for it


@attrs.frozen(kw_only=True)
class Delivery:
    """One message on its way to one provider. ``id`` is that of the message.

    Messages ``together`` are one, for whoever reads them, and ``every`` is how
    long the next of them waits. ``alert`` is what several outages have in
    common of which a provider hears as one; ``stays_taken`` is for how long
    after the last of them. ``fallback`` hears of it if it cannot be delivered.
    """

    id: str
    outage: str
    provider: Key
    message: Message
    created_at: datetime
    next_at: datetime
    status: DeliveryStatus = DeliveryStatus.PENDING
    attempts: int = 0
    error: str = ""
    sent_at: datetime | None = None
    together: str = ""
    every: timedelta = timedelta(0)
    alert: str = ""
    stays_taken: timedelta = timedelta(0)
    policy: Key | None = None  # that asked for it
    fallback: Key | None = None
    receipt: str | None = None  # what the service calls the message
    answers: str | None = None  # the receipt of the first message of its outage
