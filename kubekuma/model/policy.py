"""The NotificationPolicy: which changes of which monitors are told to whom, and how."""

from datetime import datetime
from enum import StrEnum

import attrs

from kubekuma.model.field import says
from kubekuma.model.match import NAMESPACE, Match
from kubekuma.model.meta import ObjectMeta, ResourceStatus

CLOCK_TIME = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"
CLOCK_END = r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"


class Weekday(StrEnum):
    """Days of the week."""

    MON = "Mon"
    TUE = "Tue"
    WED = "Wed"
    THU = "Thu"
    FRI = "Fri"
    SAT = "Sat"
    SUN = "Sun"


class Happening(StrEnum):
    """What can be told of a monitor."""

    DOWN = "down"
    UP = "up"
    FLAPPING = "flapping"
    DEGRADED = "degraded"
    CERT_EXPIRING = "certExpiring"
    UNKNOWN = "unknown"
    BUDGET_BURN = "budgetBurn"
    ACKNOWLEDGED = "acknowledged"
    MAINTENANCE = "maintenance"


@attrs.frozen(kw_only=True)
class ProviderRef:
    """A NotificationProvider."""

    name: str = says("Name of the provider.", min_length=1)
    namespace: str | None = says(
        "Its namespace: our own (default), or KubeKuma's, if the provider allows ours.",
        default=None,
        max_length=63,
        pattern=NAMESPACE,
    )


@attrs.frozen(kw_only=True)
class Triggers:
    """What is told, if the monitor's ``notifyOn`` agrees."""

    on_down: bool = says("Outages.", default=True)
    on_up: bool = says("Recoveries.", default=True)
    on_flapping: bool = says("Flapping.", default=True)
    on_degraded: bool = says("Degradations.", default=True)
    on_cert_expiring: bool = says("Certificates that end soon.", default=True)
    on_unknown: bool = says("Monitors that cannot be checked.", default=True)
    on_budget_burn: bool = says("Error budgets that are used up fast.", default=True)


@attrs.frozen(kw_only=True)
class Route:
    """One provider, and when it is told."""

    ref: ProviderRef = says("Which provider.")
    after_minutes: int = says(
        "Minutes after which it is told, if the outage still lasts unacknowledged; 0: at once.",
        default=0,
        low=0,
        high=10_080,
    )
    events: tuple[Happening, ...] | None = says(
        "Of what; default: of everything.",
        default=None,
        min_items=1,
        max_items=16,
        list_type="set",
    )


@attrs.frozen(kw_only=True)
class Group:
    """How messages for people are put together."""

    by: tuple[str, ...] = says(
        "What members of a group have in common: namespace, tag, or label:<name>.",
        default=(),
        max_items=8,
        max_length=323,
        pattern=r"^(namespace|tag|label:\S+)$",
        list_type="set",
    )
    wait_seconds: int = says("Seconds to wait for more of a kind.", default=10, low=0, high=600)
    interval_seconds: int = says(
        "Seconds from one message of a group to the next.", default=60, low=10, high=86_400
    )


@attrs.frozen(kw_only=True)
class Dedupe:
    """Outages with the same key are one alert: told with the first, over with the last."""

    key: str = says("Template of the key.", min_length=1, max_length=1024)
    window_minutes: int = says(
        "Minutes that the key stays taken after the last has ended.",
        default=0,
        low=0,
        high=10_080,
    )


@attrs.frozen(kw_only=True)
class RateLimit:
    """How often outages are told at most."""

    min_minutes_between_alerts: int = says(
        "Minutes between two outages that are told; those between are told together.",
        low=1,
        high=10_080,
    )


@attrs.frozen(kw_only=True)
class Resend:
    """Reminders."""

    resend_interval_minutes: int = says("Minutes between reminders.", low=1, high=10_080)


@attrs.frozen(kw_only=True)
class ActiveTime:
    """Hours at which people want to hear."""

    weekdays: tuple[Weekday, ...] = says(
        "On which days; default: every day.", default=(), max_items=7, list_type="set"
    )
    start: str = says(
        "From this time of the day, HH:MM.", default="00:00", max_length=5, pattern=CLOCK_TIME
    )
    end: str = says(
        "Until this time of the day; at or before start: of the next day.",
        default="24:00",
        max_length=5,
        pattern=CLOCK_END,
    )
    timezone: str = says("IANA time zone.", default="UTC", min_length=1, max_length=64)


@attrs.frozen(kw_only=True)
class Routing:
    """Who is told, and how often."""

    providers: tuple[Route, ...] = says("Who is told.", min_items=1, max_items=32)
    stop_after_match: bool = says(
        "Whether policies of lower priority in this namespace are left out.", default=False
    )
    group: Group = says("How messages are put together.", default=Group())
    dedupe: Dedupe | None = says("Which outages are one alert.", default=None)
    rate_limit: RateLimit | None = says("How often is told at most.", default=None)
    resend: Resend | None = says("Reminders, besides the monitor's own.", default=None)
    active_times: tuple[ActiveTime, ...] = says(
        "When people want to hear; default: always.", default=(), max_items=16
    )


@attrs.frozen(kw_only=True)
class Formatting:
    """How messages read."""

    title_template: str | None = says("Title.", default=None, max_length=1024)
    body_template: str | None = says("Text.", default=None, max_length=16_384)


@attrs.frozen(kw_only=True)
class PolicySpec:
    """What a person says of a policy."""

    routing: Routing = says("Who is told, and how often.")
    priority: int = says("Policies with higher ones come first.", default=0, low=-1000, high=1000)
    match: Match = says("Which monitors; default: all in reach.", default=Match())
    triggers: Triggers = says("What is told.", default=Triggers())
    formatting: Formatting = says("How messages read.", default=Formatting())
    fallback: ProviderRef | None = says(
        "Who hears of what finally could not be delivered.", default=None
    )


@attrs.frozen(kw_only=True)
class Policy:
    """A valid NotificationPolicy."""

    meta: ObjectMeta
    spec: PolicySpec


@attrs.frozen(kw_only=True)
class PolicyStatus(ResourceStatus):
    """What we say of a policy."""

    providers_resolved: int | None = says(
        "How many of its providers can be told.", default=None, low=0
    )
    monitor_count: int | None = says("How many monitors it selects.", default=None, low=0)
    last_applied_at: datetime | None = says("When it last led to a message.", default=None)
