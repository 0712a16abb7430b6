"""What people say on status pages: posts about outages and planned work, and their updates."""

from datetime import datetime
from enum import StrEnum

import attrs

from kubekuma.model.meta import Key


class PostKind(StrEnum):
    """What a post is about."""

    INCIDENT = "incident"
    MAINTENANCE = "maintenance"


class PostStatus(StrEnum):
    """How far it is, as people say: the first four of an incident, the others of maintenance."""

    INVESTIGATING = "investigating"
    IDENTIFIED = "identified"
    MONITORING = "monitoring"
    RESOLVED = "resolved"
    SCHEDULED = "scheduled"
    IN_PROGRESS = "inProgress"
    VERIFYING = "verifying"
    COMPLETED = "completed"

    @property
    def ends(self) -> bool:
        """Whether nothing is expected to follow."""
        return self in {PostStatus.RESOLVED, PostStatus.COMPLETED}

    @property
    def kind(self) -> PostKind:
        """The kind of posts that may have it."""
        return PostKind.MAINTENANCE if self in _OF_MAINTENANCE else PostKind.INCIDENT


_OF_MAINTENANCE = frozenset(
    {
        PostStatus.SCHEDULED,
        PostStatus.IN_PROGRESS,
        PostStatus.VERIFYING,
        PostStatus.COMPLETED,
    }
)


class Impact(StrEnum):
    """What visitors notice of it."""

    OPERATIONAL = "operational"
    DEGRADED = "degraded"
    PARTIAL_OUTAGE = "partialOutage"
    MAJOR_OUTAGE = "majorOutage"
    MAINTENANCE = "maintenance"


@attrs.frozen(kw_only=True)
class Component:
    """A monitor that a post is about."""

    monitor: Key
    impact: Impact


@attrs.frozen(kw_only=True)
class PostContent:
    """What an edit replaces. Without pages, it is a draft."""

    title: str
    pages: tuple[str, ...] = ()  # StatusPages of the post's namespace
    components: tuple[Component, ...] = ()
    starts_at: datetime | None = None  # as planned, of maintenance alone
    ends_at: datetime | None = None
    incidents: tuple[str, ...] = ()
    postmortem: str = ""


@attrs.frozen(kw_only=True)
class PostUpdate:
    """One thing that was said. ``components``: the impact from then on; None: as before."""

    id: str
    at: datetime
    by: str
    status: PostStatus
    text: str
    components: tuple[Component, ...] | None = None


@attrs.frozen(kw_only=True)
class Post:
    """A post as it is: ``status`` and components are those of the last update or edit."""

    id: str
    namespace: str
    kind: PostKind
    status: PostStatus
    created_at: datetime
    created_by: str
    ended_at: datetime | None = None
    content: PostContent
    updates: tuple[PostUpdate, ...]  # one at least, in order
