"""Recurrence rules of RFC 5545, as far as calendars of days go: FREQ=DAILY or coarser.

Whoever writes a rule may write one that never comes true, so every search is bounded: it ends
after ``MOST_DAYS`` days that do not fit.
"""

from calendar import monthrange
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from itertools import count, islice
from typing import Final
from zoneinfo import ZoneInfo

import attrs

MOST_DAYS: Final = 40_000
FREQUENCIES: Final = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
DAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")

_BOUNDS: Final = {
    "BYHOUR": (0, 23),
    "BYMINUTE": (0, 59),
    "BYMONTH": (1, 12),
    "BYMONTHDAY": (-31, 31),
    "BYSETPOS": (-366, 366),
}
_PARTS: Final = ("FREQ", "INTERVAL", "COUNT", "UNTIL", "BYDAY", "WKST", *_BOUNDS)


@attrs.frozen(kw_only=True)
class Rule:
    """One rule. ``by_day`` holds (weekday, n): each if ``n`` is 0, else the nth of its period."""

    frequency: str
    interval: int = 1
    count: int | None = None
    until: datetime | None = None  # without a zone: in that of the start
    week_start: int = 0
    by_day: tuple[tuple[int, int], ...] = ()
    by_hour: tuple[int, ...] = ()
    by_minute: tuple[int, ...] = ()
    by_month: tuple[int, ...] = ()
    by_month_day: tuple[int, ...] = ()
    by_set_pos: tuple[int, ...] = ()


def parse_rule(text: str) -> Rule:
    """The rule that ``text`` says, such as ``FREQ=WEEKLY;BYDAY=SU``. Raises ValueError."""
    parts = _parts(text.removeprefix("RRULE:"))
    frequency = parts.get("FREQ", "")
    if frequency not in FREQUENCIES:
        raise ValueError(f"must have FREQ as one of {', '.join(FREQUENCIES)}")
    if "COUNT" in parts and "UNTIL" in parts:
        raise ValueError("must have COUNT or UNTIL, not both")
    week_start = parts.get("WKST", "MO")
    if week_start not in DAYS:
        raise ValueError(f"must have WKST as one of {', '.join(DAYS)}")
    return Rule(
        frequency=frequency,
        interval=_number("INTERVAL", parts.get("INTERVAL", "1"), 1, 1000),
        count=_number("COUNT", parts["COUNT"], 1, 10_000) if "COUNT" in parts else None,
        until=_until(parts["UNTIL"]) if "UNTIL" in parts else None,
        week_start=DAYS.index(week_start),
        by_day=_weekdays(parts.get("BYDAY", ""), frequency),
        by_hour=_numbers("BYHOUR", parts),
        by_minute=_numbers("BYMINUTE", parts),
        by_month=_numbers("BYMONTH", parts),
        by_month_day=_numbers("BYMONTHDAY", parts),
        by_set_pos=_numbers("BYSETPOS", parts),
    )


def starts(rule: Rule | None, first: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    """Every start in order, in UTC: ``first``, and then what ``rule`` says in days of ``zone``.

    A time that a change of clocks leaves out is that of the change; one that comes twice is the
    first of the two.
    """
    yield first.astimezone(UTC)
    if rule is None:
        return
    local = first.astimezone(zone).replace(tzinfo=None)
    later = (each for each in _matching(rule, local) if each > local)
    end = _end(rule, zone)
    for moment in islice(later, None if rule.count is None else rule.count - 1):
        at = instant(moment, zone)
        if end is not None and at > end:
            return
        yield at


def instant(local: datetime, zone: ZoneInfo) -> datetime:
    """The instant in UTC at which clocks in ``zone`` show ``local``."""
    at = local.replace(tzinfo=zone).astimezone(UTC)
    if at.astimezone(zone).replace(tzinfo=None) == local:
        return at
    # Clocks never show it: they jump over it somewhere between these two.
    low, high = local.replace(tzinfo=zone, fold=1).astimezone(UTC), at
    before = low.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) / 2
        if middle.astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high.replace(microsecond=0)


def _parts(text: str) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for each in text.split(";"):
        name, equals, value = each.partition("=")
        if name not in _PARTS or not equals or not value:
            raise ValueError(f"must be parts such as FREQ=WEEKLY between semicolons, not {each!r}")
        if name in found:
            raise ValueError(f"must not have {name} twice")
        found[name] = value
    return found


def _number(name: str, text: str, low: int, high: int) -> int:
    digits = text.removeprefix("-").removeprefix("+")
    number = int(text) if digits.isascii() and digits.isdigit() and len(digits) < 6 else None
    if number is None or not low <= number <= high or (low < 0 and number == 0):
        raise ValueError(f"must have {name} between {low} and {high}, not {text}")
    return number


def _numbers(name: str, parts: Mapping[str, str]) -> tuple[int, ...]:
    if name not in parts:
        return ()
    low, high = _BOUNDS[name]
    return tuple(sorted({_number(name, each, low, high) for each in parts[name].split(",")}))


def _weekdays(text: str, frequency: str) -> tuple[tuple[int, int], ...]:
    found = []
    for each in text.split(",") if text else ():
        nth, day = each[:-2], each[-2:]
        if day not in DAYS:
            raise ValueError(f"must have BYDAY as days such as MO or 2TU, not {each!r}")
        if nth and frequency not in {"MONTHLY", "YEARLY"}:
            raise ValueError(f"must have BYDAY without numbers when FREQ is {frequency}")
        found.append((DAYS.index(day), _number("BYDAY", nth, -53, 53) if nth else 0))
    return tuple(found)


def _until(text: str) -> datetime:
    for form, zone in (("%Y%m%dT%H%M%SZ", UTC), ("%Y%m%dT%H%M%S", None)):
        try:
            return datetime.strptime(text, form).replace(tzinfo=zone)
        except ValueError:
            continue
    try:
        day = datetime.strptime(text, "%Y%m%d").date()  # noqa: DTZ007 - a day of the start's zone
    except ValueError:
        raise ValueError(
            f"must have UNTIL as a day or a time, such as 20270131 or 20270131T120000Z, not {text}"
        ) from None
    return datetime.combine(day, time(23, 59, 59))


def _end(rule: Rule, zone: ZoneInfo) -> datetime | None:
    if rule.until is None:
        return None
    return rule.until if rule.until.tzinfo else instant(rule.until, zone)


def _matching(rule: Rule, first: datetime) -> Iterator[datetime]:
    """Every local time that ``rule`` names, in order, from the period of ``first`` on."""
    times = [
        time(hour, minute, first.second)
        for hour in rule.by_hour or (first.hour,)
        for minute in rule.by_minute or (first.minute,)
    ]
    for days in _periods(rule, first.date()):
        moments = [datetime.combine(day, at) for day in days for at in times]
        yield from _positions(moments, rule.by_set_pos) if rule.by_set_pos else moments


def _positions(moments: list[datetime], positions: tuple[int, ...]) -> list[datetime]:
    count = len(moments)
    wanted = {each - 1 if each > 0 else count + each for each in positions}
    return [moments[each] for each in sorted(wanted) if 0 <= each < count]


def _periods(rule: Rule, first: date) -> Iterator[list[date]]:
    """The days that ``rule`` names, period by period."""
    misfits = 0
    for step in count(0, rule.interval):
        try:
            days = _period(rule, first, step)
        except (ValueError, OverflowError):
            return  # the calendar ends with the year 9999
        fitting = [day for day in days if _fits(rule, day, first)]
        misfits = 0 if fitting else misfits + len(days)
        if misfits > MOST_DAYS:
            return
        yield fitting


def _period(rule: Rule, first: date, step: int) -> list[date]:
    if rule.frequency == "DAILY":
        return [first + timedelta(days=step)]
    if rule.frequency == "WEEKLY":
        back = (first.weekday() - rule.week_start) % 7
        start = first - timedelta(days=back) + timedelta(weeks=step)
        return [start + timedelta(days=each) for each in range(7)]
    if rule.frequency == "MONTHLY":
        return _month(*divmod(first.year * 12 + first.month - 1 + step, 12))
    return [day for month in range(12) for day in _month(first.year + step, month)]


def _month(year: int, month_before: int) -> list[date]:
    month = month_before + 1
    return [date(year, month, day) for day in range(1, monthrange(year, month)[1] + 1)]


def _fits(rule: Rule, day: date, first: date) -> bool:
    if rule.by_month and day.month not in rule.by_month:
        return False
    length = monthrange(day.year, day.month)[1]
    if rule.by_month_day and not {day.day, day.day - length - 1} & set(rule.by_month_day):
        return False
    if rule.by_day:
        return any(_is_nth(rule, day, *each) for each in rule.by_day)
    return bool(rule.by_month_day) or _as_first(rule, day, first)


def _is_nth(rule: Rule, day: date, weekday: int, nth: int) -> bool:
    if day.weekday() != weekday:
        return False
    if not nth:
        return True
    if rule.frequency == "YEARLY" and not rule.by_month:
        number = day.timetuple().tm_yday
        length = date(day.year, 12, 31).timetuple().tm_yday
    else:
        number, length = day.day, monthrange(day.year, day.month)[1]
    return nth in {(number - 1) // 7 + 1, -((length - number) // 7 + 1)}


def _as_first(rule: Rule, day: date, first: date) -> bool:
    """What no part says is as in the first occurrence."""
    if rule.frequency == "DAILY":
        return True
    if rule.frequency == "WEEKLY":
        return day.weekday() == first.weekday()
    return day.day == first.day and (
        rule.frequency == "MONTHLY" or bool(rule.by_month) or day.month == first.month
    )
