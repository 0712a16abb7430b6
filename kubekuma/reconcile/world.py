"""All that plans may look at: the resources as they are, and what is known of monitors. Pure."""

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from kubekuma.model.api_key import ApiKey
from kubekuma.model.meta import Condition, Key
from kubekuma.model.monitor import Monitor
from kubekuma.model.monitor_set import MonitorSet
from kubekuma.model.policy import Policy
from kubekuma.model.provider import Provider, ProviderSpec
from kubekuma.model.reach import Selects
from kubekuma.model.settings import Settings
from kubekuma.model.state import MonitorState
from kubekuma.model.status_page import Page
from kubekuma.model.user import User
from kubekuma.validate.seen import Objects, all_in_force


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
    # What the status of a provider says of its messages.
    delivered: Callable[[Key], Mapping[str, Any]]
    # What is lacking to send to such a provider; None if nothing is.
    unsendable: Callable[[ProviderSpec], str | None]
    # What was said of the items of sets, which have no status of their own.
    items: Mapping[Key, tuple[Condition, ...]]


def count(monitors: Objects[Monitor], selects: Selects) -> int:
    """How many monitors are selected."""
    return sum(selects(each) for each in all_in_force(monitors))
