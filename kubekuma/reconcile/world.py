"""All that plans may look at: the resources as they are, and what is known of monitors. Pure."""

from collections.abc import Iterator, Mapping
from typing import TypeVar

import attrs

from kubekuma.model.api_key import ApiKey
from kubekuma.model.meta import Condition, Key
from kubekuma.model.monitor import Monitor
from kubekuma.model.monitor_set import MonitorSet
from kubekuma.model.policy import Policy
from kubekuma.model.provider import Provider
from kubekuma.model.reach import Selects
from kubekuma.model.settings import Settings
from kubekuma.model.state import MonitorState
from kubekuma.model.status_page import Page
from kubekuma.model.user import User
from kubekuma.validate.seen import Objects, Resource

T = TypeVar("T", bound=Resource)


@attrs.frozen(kw_only=True)
class World:
    """Views of what others own. ``monitors`` holds the items of sets too, ``singles`` does not."""

    home: str  # KubeKuma's own namespace
    settings: Objects[Settings]
    singles: Objects[Monitor]
    monitors: Objects[Monitor]
    sets: Objects[MonitorSet]
    providers: Objects[Provider]
    policies: Objects[Policy]
    pages: Objects[Page]
    users: Objects[User]
    keys: Objects[ApiKey]
    states: Mapping[Key, MonitorState]
    # What was said of the items of sets, which have no status of their own.
    items: Mapping[Key, tuple[Condition, ...]]


def in_force(objects: Objects[T], key: Key) -> T | None:
    """The last valid form of the object named ``key``."""
    seen = objects.get(key)
    return None if seen is None else seen.valid


def all_in_force(objects: Objects[T]) -> Iterator[T]:
    """The last valid form of every object that has one."""
    for key in tuple(objects.keys()):
        found = in_force(objects, key)
        if found is not None:
            yield found


def count(monitors: Objects[Monitor], selects: Selects) -> int:
    """How many monitors are selected."""
    return sum(selects(each) for each in all_in_force(monitors))
