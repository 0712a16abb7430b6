"""Rules for what people do to the history: it is no resource, and no schema looks at it. Pure."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from kubekuma.model.audit import Act
from kubekuma.model.meta import Key
from kubekuma.model.post import Component, PostContent, PostKind, PostStatus, PostUpdate
from kubekuma.model.state import Acknowledgement
from kubekuma.validate.rule import FieldError, Rule, at, each, every, if_present, must
from kubekuma.validate.text import namespace_name, object_name, prose

LONGEST_NOTE: Final = 2000
LONGEST_NAME: Final = 253
LONGEST_TITLE: Final = 200
LONGEST_TEXT: Final = 20_000
LONGEST_POSTMORTEM: Final = 100_000
MOST_PAGES: Final = 100
MOST_COMPONENTS: Final = 1000
MOST_INCIDENTS: Final = 100

# What may be said next. Work on an outage goes back and forth until it has ended, for good; planned
# work that has begun is planned no more.
_FOLLOWS: Final[Mapping[PostStatus, frozenset[PostStatus]]] = {
    **dict.fromkeys(
        (PostStatus.INVESTIGATING, PostStatus.IDENTIFIED, PostStatus.MONITORING),
        frozenset(each for each in PostStatus if each.kind is PostKind.INCIDENT),
    ),
    PostStatus.RESOLVED: frozenset({PostStatus.RESOLVED}),
    PostStatus.SCHEDULED: frozenset(
        each for each in PostStatus if each.kind is PostKind.MAINTENANCE
    ),
    **dict.fromkeys(
        (PostStatus.IN_PROGRESS, PostStatus.VERIFYING),
        frozenset({PostStatus.IN_PROGRESS, PostStatus.VERIFYING, PostStatus.COMPLETED}),
    ),
    PostStatus.COMPLETED: frozenset({PostStatus.COMPLETED}),
}

_acknowledgement: Rule[Acknowledgement] = every(
    at("by", lambda given: given.by, prose(LONGEST_NAME, least=1)),
    at("note", lambda given: given.note, prose(LONGEST_NOTE)),
    at("until", lambda given: given, must(lambda given: given.holds(given.at), "must lie ahead")),
)


def _distinct(most: int) -> Rule[Sequence[Hashable]]:
    return must(
        lambda items: len(items) <= most and len(set(items)) == len(items),
        f"must name at most {most}, each once",
    )


_key: Rule[Key] = every(
    at("namespace", lambda key: key.namespace, namespace_name),
    at("name", lambda key: key.name, object_name),
)
_components: Rule[tuple[Component, ...]] = every(
    lambda them: _distinct(MOST_COMPONENTS)([one.monitor for one in them]),
    each(at("monitor", lambda one: one.monitor, _key)),
)
_pages: Rule[tuple[str, ...]] = every(_distinct(MOST_PAGES), each(object_name))
_content: Rule[PostContent] = every(
    at("title", lambda content: content.title, prose(LONGEST_TITLE, least=1)),
    at("pages", lambda content: content.pages, _pages),
    at("components", lambda content: content.components, _components),
    at(
        "endsAt",
        lambda content: content,
        must(
            lambda content: (
                content.ends_at is None
                or (content.starts_at is not None and content.starts_at < content.ends_at)
            ),
            "must be later than startsAt",
        ),
    ),
    at("incidents", lambda content: content.incidents, _distinct(MOST_INCIDENTS)),
    at("postmortem", lambda content: content.postmortem, prose(LONGEST_POSTMORTEM)),
)
_update: Rule[PostUpdate] = every(
    at("by", lambda update: update.by, prose(LONGEST_NAME, least=1)),
    at("text", lambda update: update.text, prose(LONGEST_TEXT, least=1)),
    at("components", lambda update: update.components, if_present(_components)),
)

_with_reason: Rule[Act] = every(
    at("by", lambda act: act.actor, prose(LONGEST_NAME, least=1)),
    at("reason", lambda act: act.reason, prose(LONGEST_NOTE, least=1)),
)


def acknowledgement_errors(given: Acknowledgement) -> Iterator[FieldError]:
    """What is wrong with an acknowledgement."""
    yield from _acknowledgement(given)


def content_errors(
    kind: PostKind, status: PostStatus, content: PostContent
) -> Iterator[FieldError]:
    """What is wrong with what a post says."""
    yield from _content(content)
    if kind is PostKind.INCIDENT and (content.starts_at or content.ends_at):
        yield FieldError("startsAt", "must be absent: only maintenance is planned")
    if kind is PostKind.MAINTENANCE and content.starts_at is None:
        yield FieldError("startsAt", "must say when the work is planned to begin")
    if content.postmortem and not status.ends:
        yield FieldError("postmortem", "must wait until the post has ended")


def update_errors(
    kind: PostKind, before: PostStatus | None, update: PostUpdate
) -> Iterator[FieldError]:
    """What is wrong with an update of a post whose status was ``before``; None: with its first."""
    yield from _update(update)
    if update.status.kind is not kind:
        allowed = ", ".join(each.value for each in PostStatus if each.kind is kind)
        yield FieldError("status", f"must be one of {allowed}")
    elif before is not None and update.status not in _FOLLOWS[before]:
        allowed = ", ".join(each.value for each in PostStatus if each in _FOLLOWS[before])
        yield FieldError("status", f"must be one of {allowed} after {before.value}")


def reclassification_errors(since: datetime, until: datetime, act: Act) -> Iterator[FieldError]:
    """What is wrong with having the time from ``since`` to ``until`` count as something else."""
    yield from _with_reason(act)
    if since >= until:
        yield FieldError("until", "must be later than since")
    if until > act.at:
        yield FieldError("until", "must not lie ahead: planned work is a MaintenanceWindow")
