"""The MaintenanceWindow: planned work, once or again and again."""

from datetime import datetime

import attrs

from kubekuma.model.field import Rule, says
from kubekuma.model.match import Match
from kubekuma.model.meta import ObjectMeta, ResourceStatus

RRULE = (
    r"^(RRULE:)?(FREQ|INTERVAL|COUNT|UNTIL|BYHOUR|BYMINUTE|BYDAY|BYMONTHDAY|BYMONTH|BYSETPOS|WKST)="
    r"[-+A-Z0-9,]+(;(FREQ|INTERVAL|COUNT|UNTIL|BYHOUR|BYMINUTE|BYDAY|BYMONTHDAY|BYMONTH|BYSETPOS|WKST)="
    r"[-+A-Z0-9,]+)*$"
)


@attrs.frozen(kw_only=True)
class Recurrence:
    """When the work comes again."""

    rrule: str = says(
        "RFC 5545 recurrence rule with FREQ=DAILY, WEEKLY, MONTHLY or YEARLY.",
        min_length=1,
        max_length=512,
        pattern=RRULE,
    )


@attrs.frozen(kw_only=True)
class WindowSchedule:
    """The first time, and when it comes again."""

    __rules__ = (
        Rule(
            cel="self.start < self.end",
            holds=lambda it: it.start < it.end,
            message="must be later than start",
            field_path="end",
        ),
    )

    start: datetime = says("When the first occurrence begins.")
    end: datetime = says("When it ends; later ones are as long.")
    timezone: str = says(
        "IANA time zone in whose days and hours it comes again.",
        default="UTC",
        min_length=1,
        max_length=64,
    )
    recurrence: Recurrence | None = says("When it comes again; absent: once.", default=None)
    exdates: tuple[datetime, ...] = says(
        "Starts of occurrences that are left out.", default=(), max_items=256, list_type="set"
    )


@attrs.frozen(kw_only=True)
class WindowNotify:
    """What is told of the work itself."""

    before_minutes: tuple[int, ...] = says(
        "Minutes before the start at which it is announced.",
        default=(),
        max_items=8,
        low=1,
        high=43_200,
        list_type="set",
    )
    start: bool = says("Whether the start is told.", default=False)
    end: bool = says("Whether the end is told.", default=False)


@attrs.frozen(kw_only=True)
class WindowStatusPage:
    """What status pages show of it."""

    show_banner: bool = says("Whether they show a banner.", default=True)
    banner_text: str | None = says("Its text; default: the title.", default=None, max_length=1024)


@attrs.frozen(kw_only=True)
class WindowBehavior:
    """What changes meanwhile."""

    suppress_notifications: bool = says("Whether outages are held back.", default=True)
    status_page: WindowStatusPage = says("What status pages show.", default=WindowStatusPage())


@attrs.frozen(kw_only=True)
class WindowSpec:
    """What a person says of planned work."""

    title: str = says("What is done, in a few words.", min_length=1, max_length=256)
    match: Match = says("Which monitors; {} is every one in reach.")
    enabled: bool = says("false: as if it were not there.", default=True)
    description: str | None = says("What is done, for people.", default=None, max_length=4096)
    schedule: WindowSchedule | None = says("When; absent: while enabled.", default=None)
    end_when_up_minutes: int | None = says(
        "Ends early once all its monitors have been up for so many minutes.",
        default=None,
        low=1,
        high=1440,
    )
    notify: WindowNotify = says("What is told of the work itself.", default=WindowNotify())
    pages: tuple[str, ...] = says(
        "StatusPages of this namespace that announce it.",
        default=(),
        max_items=32,
        list_type="set",
    )
    behavior: WindowBehavior = says("What changes meanwhile.", default=WindowBehavior())


@attrs.frozen(kw_only=True)
class Window:
    """A valid MaintenanceWindow."""

    meta: ObjectMeta
    spec: WindowSpec


@attrs.frozen(kw_only=True)
class WindowStatus(ResourceStatus):
    """What we say of planned work."""

    is_active: bool | None = says("Whether it is going on.", default=None)
    next_occurrence: datetime | None = says("When it begins next.", default=None)
    monitor_count: int | None = says("How many monitors it selects.", default=None, low=0)
