"""Planned work, announced: each time once, and nothing that is no news any more."""

from datetime import datetime
from typing import Any

import pytest
from build import at
from support.world import resource

from kubekuma.alert.announcements import Announcement, announcement_message, announcements
from kubekuma.model.kinds import WINDOW
from kubekuma.model.meta import Key
from kubekuma.validate.load import load

MINUTE = 60.0
HOUR = 60 * MINUTE
# Two occurrences of two hours each.
OCCURRENCES = [(at(10 * HOUR), at(12 * HOUR)), (at(34 * HOUR), at(36 * HOUR))]
ALL = {"beforeMinutes": [60, 15], "start": True, "end": True}


def window(**more: Any) -> Any:
    schedule = {
        "start": "2026-01-01T10:00:00Z",
        "end": "2026-01-01T12:00:00Z",
        "timezone": "Europe/Berlin",
    }
    spec = {"title": "New disks", "match": {}, "schedule": schedule, "notify": ALL, **more}
    return load(WINDOW, resource("MaintenanceWindow", "w", **spec))


def due(seconds: float, **more: Any) -> list[tuple[str, datetime]]:
    found = announcements(window(**more), OCCURRENCES, at(seconds))
    return [(each.what, each.start) for each in found]


@pytest.mark.parametrize(
    ("seconds", "what"),
    [
        (9 * HOUR - 1, []),
        (9 * HOUR, ["60 minutes before"]),
        (10 * HOUR - 15 * MINUTE, ["15 minutes before"]),
        (10 * HOUR, ["start"]),
        # An hour later that is no news any more.
        (11 * HOUR, []),
        (12 * HOUR, ["end"]),
        (13 * HOUR, []),
        (33 * HOUR, ["60 minutes before"]),
    ],
)
def test_each_comes_in_its_time(seconds: float, what: list[str]) -> None:
    assert [each for each, _ in due(seconds)] == what


def test_nothing_is_said_that_nobody_wants() -> None:
    for seconds in (9 * HOUR, 10 * HOUR, 12 * HOUR):
        assert due(seconds, notify={}) == []


@pytest.mark.parametrize(
    ("what", "seconds", "title"),
    [
        ("15 minutes before", 10 * HOUR - 15 * MINUTE, "Planned work in 15 min: New disks"),
        ("600 minutes before", 0, "Planned work in 10 h: New disks"),
        ("start", 10 * HOUR, "Planned work begins: New disks"),
        ("end", 12 * HOUR, "Planned work is over: New disks"),
    ],
)
def test_it_says_when_where_clocks_are_and_for_how_many(
    what: str, seconds: float, title: str
) -> None:
    it = Announcement(what, *OCCURRENCES[0])
    message = announcement_message(window(), it, Key("shop", "chat"), 3, at(seconds))
    assert message.title == title
    assert message.text == "2026-01-01 11:00 to 13:00 (Europe/Berlin), 3 monitors"
    other = announcement_message(window(), it, Key("shop", "mail"), 3, at(seconds + 1))
    again = announcement_message(window(), it, Key("shop", "chat"), 4, at(seconds + 1))
    assert message.id == again.id != other.id
