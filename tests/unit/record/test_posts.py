"""Posts are made once, go on as they may, and are read by page, outage and time."""

from typing import Any

import pytest
from attrs import evolve
from build import WEB, at

from kubekuma.model.audit import Act
from kubekuma.model.meta import Key
from kubekuma.model.post import (
    Component,
    Impact,
    Post,
    PostContent,
    PostKind,
    PostStatus,
    PostUpdate,
)
from kubekuma.model.result import Reason
from kubekuma.model.state import Cause, Opened
from kubekuma.record.audit import audit_events
from kubekuma.record.database import Connection
from kubekuma.record.incidents import open_incident
from kubekuma.record.posts import (
    add_update,
    create_post,
    edit_post,
    edit_update,
    open_posts,
    post,
    posts,
)
from kubekuma.record.states import series_of
from kubekuma.record.times import Window
from kubekuma.validate.operations import content_errors, update_errors
from kubekuma.validate.rule import Refused

KIM = Act(at=at(0), actor="kim")
MAIL = Key("shop", "mail")
DOWN = Component(monitor=WEB, impact=Impact.MAJOR_OUTAGE)
SLOW = Component(monitor=WEB, impact=Impact.DEGRADED)
FINE = Component(monitor=WEB, impact=Impact.OPERATIONAL)
CONTENT = PostContent(title="The shop is down", pages=("public",), components=(DOWN,))
WORK = PostContent(title="New disks", pages=("public",), starts_at=at(600), ends_at=at(1200))


def said(
    seconds: float, status: PostStatus = PostStatus.INVESTIGATING, id_: str = "", **more: Any
) -> PostUpdate:
    fields = {"by": "kim", "text": "We look into it.", **more}
    return PostUpdate(id=id_ or f"u{seconds}", at=at(seconds), status=status, **fields)


def of(found: object) -> Post:
    assert isinstance(found, Post), found
    return found


def made(
    db: Connection, seconds: float = 0, id_: str = "p1", content: PostContent = CONTENT
) -> Post:
    first = said(seconds, id_=f"{id_}-{seconds}")
    return of(create_post(db, Key("shop", id_), PostKind.INCIDENT, content, first, KIM))


def outage(db: Connection, id_: str) -> None:
    cause = Cause(at=at(0), reason=Reason.TIMEOUT)
    opened = Opened(id=id_, started_at=at(0), confirmed_at=at(1), cause=cause)
    open_incident(db, series_of(db, WEB, "u1"), "u1", opened)


def paths(found: object) -> list[str]:
    assert isinstance(found, Refused), found
    return [error.path for error in found.errors]


def test_a_post_goes_on_until_it_is_resolved(db: Connection) -> None:
    begun = made(db)
    assert (begun.status, begun.created_by, begun.ended_at) == ("investigating", "kim", None)
    assert open_posts(db) == open_posts(db, "shop") == [begun]
    found = of(add_update(db, "p1", said(60, PostStatus.IDENTIFIED, text="A disk."), KIM))
    assert found.content.components == (DOWN,)
    fixed = said(120, PostStatus.RESOLVED, components=(FINE,))
    found = of(add_update(db, "p1", fixed, KIM))
    assert (found.status, found.ended_at, found.content.components) == (
        "resolved",
        at(120),
        (FINE,),
    )
    assert [each.at for each in found.updates] == [at(0), at(60), at(120)]
    # More may be said of it, and it stays over since then.
    found = of(add_update(db, "p1", said(180, PostStatus.RESOLVED, text="Sorry."), KIM))
    assert found.ended_at == at(120)
    assert post(db, "p1") == found
    assert open_posts(db) == []
    actions = [each.action for each in audit_events(db, 9)]
    assert actions == ["addUpdate", "addUpdate", "addUpdate", "create"]
    (event,) = audit_events(db, 1, kind="Post", namespace="shop", name="p1")
    assert event.after is not None
    assert (event.after["status"], event.after["text"]) == ("resolved", "Sorry.")


def test_what_is_done_again_is_done_once(db: Connection) -> None:
    begun = made(db)
    assert made(db) == begun
    update = said(60, PostStatus.MONITORING)
    found = add_update(db, "p1", update, KIM)
    assert add_update(db, "p1", update, KIM) == found
    edited = evolve(CONTENT, title="The shop was down")
    found = edit_post(db, "p1", edited, KIM)
    assert edit_post(db, "p1", edited, KIM) == found
    found = edit_update(db, "p1", "u60", "We watch it.", KIM)
    assert edit_update(db, "p1", "u60", "We watch it.", KIM) == found
    assert found == post(db, "p1")
    assert len(audit_events(db, 9)) == 4


def test_there_is_no_post_of_another_id(db: Connection) -> None:
    assert post(db, "p1") is None
    assert add_update(db, "p1", said(0), KIM) is None
    assert edit_post(db, "p1", CONTENT, KIM) is None
    assert edit_update(db, "p1", "u0", "x", KIM) is None
    made(db)
    assert edit_update(db, "p1", "other", "x", KIM) is None


def test_an_edit_moves_it_between_pages_and_outages(db: Connection) -> None:
    outage(db, "i1")
    outage(db, "i2")
    made(db, content=evolve(CONTENT, incidents=("i1",)))
    assert [each.id for each in posts(db, 9, incident="i1")] == ["p1"]
    edited = evolve(CONTENT, pages=("inside", "partners"), incidents=("i2",))
    found = edit_post(db, "p1", edited, KIM)
    assert posts(db, 9, page="partners") == posts(db, 9, incident="i2") == [found]
    assert posts(db, 9, page="public") == posts(db, 9, incident="i1") == []
    event = audit_events(db, 1)[0]
    assert event.before is not None
    assert event.before["pages"] == ["public"]


def test_outages_are_known_when_they_are_named_and_may_be_gone_later(db: Connection) -> None:
    key, linked = Key("shop", "p1"), evolve(CONTENT, incidents=("i1", "i2"))
    outage(db, "i1")
    refused = create_post(db, key, PostKind.INCIDENT, linked, said(0), KIM)
    assert paths(refused) == ["content.incidents[1]"]
    assert post(db, "p1") is None
    outage(db, "i2")
    made(db, content=linked)
    db.execute("DELETE FROM incidents")
    of(edit_post(db, "p1", evolve(linked, title="Still to be edited"), KIM))


def test_posts_are_paged_from_the_newest_and_found_by_when_they_were_open(db: Connection) -> None:
    for number in range(5):
        # Two of them at the same moment.
        made(db, number // 2 * 100, f"p{number}")
    page = posts(db, 2)
    assert [each.id for each in page] == ["p4", "p3"]
    assert [each.id for each in posts(db, 2, after=page[-1])] == ["p2", "p1"]
    add_update(db, "p0", said(50, PostStatus.RESOLVED), KIM)
    window = Window(since=at(51), until=at(101))
    assert [each.id for each in posts(db, 9, window=window)] == ["p3", "p2", "p1"]
    window = Window(since=at(50), until=at(100))
    assert [each.id for each in posts(db, 9, window=window)] == ["p1", "p0"]
    assert [each.id for each in open_posts(db)] == ["p1", "p2", "p3", "p4"]
    assert posts(db, 9, namespace="blog") == open_posts(db, "blog") == []


def test_planned_work_has_words_and_times_of_its_own(db: Connection) -> None:
    key = Key("shop", "w1")
    planned = said(0, PostStatus.SCHEDULED)
    found = of(create_post(db, key, PostKind.MAINTENANCE, WORK, planned, KIM))
    assert (found.content.starts_at, found.content.ends_at) == (at(600), at(1200))
    assert post(db, "w1") == found
    for seconds, status in ((600, PostStatus.IN_PROGRESS), (900, PostStatus.COMPLETED)):
        found = of(add_update(db, "w1", said(seconds, status), KIM))
    assert found.ended_at == at(900)


@pytest.mark.parametrize(
    ("kind", "status", "content", "path"),
    [
        (PostKind.INCIDENT, PostStatus.INVESTIGATING, {"title": " "}, "title"),
        (PostKind.INCIDENT, PostStatus.INVESTIGATING, {"title": "x" * 201}, "title"),
        (PostKind.INCIDENT, PostStatus.INVESTIGATING, {"title": "a\x00"}, "title"),
        (PostKind.INCIDENT, PostStatus.INVESTIGATING, {"pages": ("a", "a")}, "pages"),
        (PostKind.INCIDENT, PostStatus.INVESTIGATING, {"pages": ("a", "B")}, "pages[1]"),
        (PostKind.INCIDENT, PostStatus.RESOLVED, {"components": (DOWN, SLOW)}, "components"),
        (
            PostKind.INCIDENT,
            PostStatus.RESOLVED,
            {"components": (Component(monitor=Key("A", "b"), impact=Impact.DEGRADED),)},
            "components[0].monitor.namespace",
        ),
        (PostKind.INCIDENT, PostStatus.RESOLVED, {"starts_at": at(0)}, "startsAt"),
        (PostKind.INCIDENT, PostStatus.MONITORING, {"postmortem": "A disk."}, "postmortem"),
        (PostKind.INCIDENT, PostStatus.RESOLVED, {"incidents": ("i", "i")}, "incidents"),
        (PostKind.MAINTENANCE, PostStatus.SCHEDULED, {}, "startsAt"),
        (
            PostKind.MAINTENANCE,
            PostStatus.SCHEDULED,
            {"starts_at": at(9), "ends_at": at(9)},
            "endsAt",
        ),
    ],
)
def test_what_a_post_must_not_say(
    kind: PostKind, status: PostStatus, content: dict[str, Any], path: str
) -> None:
    spoilt = evolve(PostContent(title="t"), **content)
    assert path in [error.path for error in content_errors(kind, status, spoilt)]


FOLLOWS = {
    "investigating": "investigating identified monitoring resolved",
    "identified": "investigating identified monitoring resolved",
    "monitoring": "investigating identified monitoring resolved",
    "resolved": "resolved",
    "scheduled": "scheduled inProgress verifying completed",
    "inProgress": "inProgress verifying completed",
    "verifying": "inProgress verifying completed",
    "completed": "completed",
}


@pytest.mark.parametrize("before", list(PostStatus))
def test_what_may_follow_what(before: PostStatus) -> None:
    assert FOLLOWS[before].split() == [
        after.value
        for after in PostStatus
        if not list(update_errors(before.kind, before, said(0, after)))
    ]


def test_what_is_refused_changes_nothing(db: Connection) -> None:
    begun = made(db)
    assert paths(add_update(db, "p1", said(1, PostStatus.COMPLETED), KIM)) == ["status"]
    assert paths(add_update(db, "p1", said(1, text=""), KIM)) == ["text"]
    assert paths(edit_post(db, "p1", evolve(CONTENT, postmortem="x"), KIM)) == ["postmortem"]
    assert paths(edit_update(db, "p1", "p1-0", " ", KIM)) == ["text"]
    key = Key("shop", "p2")
    refused = create_post(db, key, PostKind.MAINTENANCE, CONTENT, said(5, text=""), KIM)
    assert paths(refused) == ["content.startsAt", "update.text", "update.status"]
    assert posts(db, 9) == [begun]
    assert len(audit_events(db, 9)) == 1
