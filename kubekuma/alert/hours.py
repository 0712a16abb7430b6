"""When people want to hear: hours of the week in their own time zone. Pure."""

from collections.abc import Iterator, Sequence
from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from kubekuma.kit.recurrence import instant
from kubekuma.model.policy import ActiveTime, Weekday

# Whoever wants to hear on one day of the week waits for that long at most.
_DAYS: Final = range(-1, 9)
_WEEKDAYS: Final = tuple(Weekday)


def opening(hours: Sequence[ActiveTime], at: datetime) -> datetime:
    """The first moment from ``at`` on that lies within ``hours``; ``at`` itself if they are none.

    On the night that has an hour twice, hours begin with the first and end
    with the first; what the night in spring leaves out begins right after it.
    """
    found = [max(start, at) for each in hours for start, end in _days(each, at) if at < end]
    return min(found, default=at)


def _days(hours: ActiveTime, at: datetime) -> Iterator[tuple[datetime, datetime]]:
    zone = ZoneInfo(hours.timezone)
    today = at.astimezone(zone).date()
    for offset in _DAYS:
        day = today + timedelta(days=offset)
        if hours.weekdays and _WEEKDAYS[day.weekday()] not in hours.weekdays:
            continue
        midnight = datetime.combine(day, time())
        start, end = _length(hours.start), _length(hours.end)
        if end <= start:
            end += timedelta(days=1)
        yield instant(midnight + start, zone), instant(midnight + end, zone)


def _length(clock: str) -> timedelta:
    hour, minute = clock.split(":")
    return timedelta(hours=int(hour), minutes=int(minute))
