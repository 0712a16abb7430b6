"""Planned work, said beforehand, when it begins and when it ends. Pure."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final
from zoneinfo import ZoneInfo

import attrs

from kubekuma.model.alert import Message
from kubekuma.model.maintenance import Window
from kubekuma.model.meta import Key
from kubekuma.model.monitor import AlertSeverity
from kubekuma.model.policy import Happening

# What was due for longer is no news any more: we were away.
LATE: Final = timedelta(hours=1)


@attrs.frozen
class Announcement:
    """One thing to say of one occurrence; ``what``: start, end, or so many minutes before."""

    what: str
    start: datetime
    end: datetime


def announcements(
    window: Window, occurrences: Iterable[tuple[datetime, datetime]], now: datetime
) -> Iterator[Announcement]:
    """Everything that is to be said by now, and not too late yet."""
    notify = window.spec.notify
    first = timedelta(minutes=max(notify.before_minutes, default=0))
    for start, end in occurrences:
        if start - first > now:
            return
        # Of several times before the start, the last one that has come.
        come = [each for each in notify.before_minutes if start - timedelta(minutes=each) <= now]
        if come and now < start:
            yield Announcement(f"{min(come)} minutes before", start, end)
        if notify.start and start <= now < min(end, start + LATE):
            yield Announcement("start", start, end)
        if notify.end and end <= now < end + LATE:
            yield Announcement("end", start, end)


def announcement_id(window: Window, it: Announcement, provider: Key) -> str:
    """The same for one announcement to one provider, whoever works it out, and when."""
    parts = (window.meta.uid, it.start.isoformat(), it.what, str(provider))
    return sha256("\n".join(parts).encode()).hexdigest()[:32]


def announcement_message(
    window: Window, it: Announcement, provider: Key, count: int, now: datetime
) -> Message:
    """What is said; ``count`` is of how many monitors the window is."""
    spec = window.spec
    id_ = announcement_id(window, it, provider)
    zone = spec.schedule.timezone if spec.schedule is not None else "UTC"
    start, end = (each.astimezone(ZoneInfo(zone)) for each in (it.start, it.end))
    same_day = start.date() == end.date()
    until = f"{end:%H:%M}" if same_day else f"{end:%Y-%m-%d %H:%M}"
    begins = {"start": "Planned work begins", "end": "Planned work is over"}
    said = begins.get(it.what) or f"Planned work in {_minutes(it.start - now)}"
    lines = [
        f"{start:%Y-%m-%d %H:%M} to {until} ({zone}), {count} monitor{'' if count == 1 else 's'}",
        spec.description or "",
    ]
    return Message(
        id=id_,
        key=id_,
        happening=Happening.MAINTENANCE,
        monitor=window.meta.key,
        name=spec.title,
        severity=AlertSeverity.INFO,
        title=f"{said}: {spec.title}",
        text="\n".join(line for line in lines if line),
        since=it.start,
        until=it.end,
        at=now,
        what=Happening.MAINTENANCE,
        reason="Maintenance",
    )


def _minutes(left: timedelta) -> str:
    minutes = max(1, round(left.total_seconds() / 60))
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"
