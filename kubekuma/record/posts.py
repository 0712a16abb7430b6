"""Posts and their updates. Each change is audited in its transaction.

Whoever makes a post or an update names it: so what is written again after a
lost answer is there once.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import attrs

from kubekuma.model.audit import Act
from kubekuma.model.meta import Key
from kubekuma.model.post import Component, Post, PostContent, PostKind, PostStatus, PostUpdate
from kubekuma.record.audit import audit
from kubekuma.record.database import Connection
from kubekuma.record.documents import as_shown, from_json, to_json
from kubekuma.record.times import Window, epoch_ms, from_epoch_ms, whole_ms
from kubekuma.validate.operations import content_errors, update_errors
from kubekuma.validate.rule import FieldError, Refused, below

POST: Final = "Post"

_COLUMNS: Final = "id, namespace, kind, status, created_at, created_by, ended_at, content"
_PAGE: Final = f"""
    SELECT {_COLUMNS} FROM posts
    WHERE (CAST(:namespace AS TEXT) IS NULL OR namespace = :namespace)
    AND (CAST(:page AS TEXT) IS NULL OR EXISTS (
        SELECT 1 FROM post_pages AS shown
        WHERE shown.post = posts.id AND shown.namespace = posts.namespace AND page = :page))
    AND (CAST(:incident AS TEXT) IS NULL OR EXISTS (
        SELECT 1 FROM post_incidents AS linked
        WHERE linked.post = posts.id AND incident = :incident))
    AND (CAST(:until AS BIGINT) IS NULL OR created_at < :until)
    AND (CAST(:since AS BIGINT) IS NULL OR ended_at IS NULL OR ended_at >= :since)
    AND (CAST(:at AS BIGINT) IS NULL OR created_at < :at OR created_at = :at AND id < :id)
    ORDER BY created_at DESC, id DESC LIMIT :most
"""  # noqa: S608 - constants
_UPDATES: Final = """
    SELECT id, at, author, status, text, components FROM post_updates
    WHERE post = ? ORDER BY number
"""


def post(db: Connection, id_: str) -> Post | None:
    """One post; None: there is none of that id."""
    row = db.execute(f"SELECT {_COLUMNS} FROM posts WHERE id = ?", (id_,)).fetchone()  # noqa: S608 - constants
    return None if row is None else _post(db, row)


def posts(
    db: Connection,
    limit: int,
    *,
    namespace: str | None = None,
    page: str | None = None,
    incident: str | None = None,
    window: Window | None = None,
    after: Post | None = None,
) -> list[Post]:
    """The last ``limit`` posts, of what is named, the newest first; those that come ``after`` one.

    ``window``: those that were open at some time within it.
    """
    found = db.execute(
        _PAGE,
        {
            "namespace": namespace,
            "page": page,
            "incident": incident,
            "since": None if window is None else epoch_ms(window.since),
            "until": None if window is None else epoch_ms(window.until),
            "at": None if after is None else epoch_ms(after.created_at),
            "id": None if after is None else after.id,
            "most": limit,
        },
    )
    return [_post(db, row) for row in found.fetchall()]


def open_posts(db: Connection, namespace: str | None = None) -> list[Post]:
    """Every post of which more is expected, the oldest first."""
    found = db.execute(
        f"SELECT {_COLUMNS} FROM posts"  # noqa: S608 - constants
        " WHERE ended_at IS NULL AND (CAST(:namespace AS TEXT) IS NULL OR namespace = :namespace)"
        " ORDER BY created_at, id",
        {"namespace": namespace},
    )
    return [_post(db, row) for row in found.fetchall()]


def create_post(
    db: Connection, key: Key, kind: PostKind, content: PostContent, first: PostUpdate, act: Act
) -> Post | Refused:
    """Make a post, ``key`` being its namespace and id, with what is said first."""
    known = post(db, key.name)
    if known is not None:
        return known
    first, content = _stored(first), _stored_content(content)
    if first.components is not None:
        content = attrs.evolve(content, components=first.components)
    errors = [
        *(below("content", error) for error in content_errors(kind, first.status, content)),
        *(below("update", error) for error in update_errors(kind, None, first)),
        *_unknown(db, content.incidents, ()),
    ]
    if errors:
        return Refused(tuple(errors))
    made = Post(
        id=key.name,
        namespace=key.namespace,
        kind=kind,
        status=first.status,
        created_at=first.at,
        created_by=first.by,
        ended_at=first.at if first.status.ends else None,
        content=content,
        updates=(first,),
    )
    db.execute(
        f"INSERT INTO posts ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - constants
        (
            made.id,
            made.namespace,
            made.kind.value,
            made.status.value,
            epoch_ms(made.created_at),
            made.created_by,
            None if made.ended_at is None else epoch_ms(made.ended_at),
            to_json(made.content),
        ),
    )
    _insert_update(db, made.id, 1, first)
    _link(db, made)
    audit(db, act, "create", POST, key, after=as_shown(made))
    return made


def add_update(db: Connection, id_: str, update: PostUpdate, act: Act) -> Post | Refused | None:
    """Say more; None: there is no such post."""
    found = post(db, id_)
    if found is None or any(each.id == update.id for each in found.updates):
        return found
    update = _stored(update)
    errors = tuple(update_errors(found.kind, found.status, update))
    if errors:
        return Refused(errors)
    content = found.content
    if update.components is not None:
        content = attrs.evolve(content, components=update.components)
    ended_at = (found.ended_at or update.at) if update.status.ends else None
    after = attrs.evolve(
        found,
        status=update.status,
        ended_at=ended_at,
        content=content,
        updates=(*found.updates, update),
    )
    _insert_update(db, id_, len(after.updates), update)
    _save(db, after)
    audit(db, act, "addUpdate", POST, Key(found.namespace, id_), after=as_shown(update))
    return after


def edit_post(db: Connection, id_: str, content: PostContent, act: Act) -> Post | Refused | None:
    """Replace what a post says besides its updates; None: there is no such post."""
    found = post(db, id_)
    if found is None:
        return None
    content = _stored_content(content)
    if content == found.content:
        return found
    errors = (
        *content_errors(found.kind, found.status, content),
        *_unknown(db, content.incidents, found.content.incidents),
    )
    if errors:
        return Refused(errors)
    after = attrs.evolve(found, content=content)
    _save(db, after)
    _unlink(db, id_)
    _link(db, after)
    key = Key(found.namespace, id_)
    audit(db, act, "edit", POST, key, before=as_shown(found.content), after=as_shown(content))
    return after


def edit_update(
    db: Connection, id_: str, update: str, text: str, act: Act
) -> Post | Refused | None:
    """Put other words in the place of what was said; None: there is no such post or update."""
    found = post(db, id_)
    before = next((each for each in found.updates if each.id == update), None) if found else None
    if found is None or before is None:
        return None
    after = attrs.evolve(before, text=text)
    if after == before:
        return found
    errors = tuple(update_errors(found.kind, None, after))
    if errors:
        return Refused(errors)
    db.execute("UPDATE post_updates SET text = ? WHERE id = ?", (text, update))
    key = Key(found.namespace, id_)
    audit(db, act, "editUpdate", POST, key, before=as_shown(before), after=as_shown(after))
    updates = tuple(after if each.id == update else each for each in found.updates)
    return attrs.evolve(found, updates=updates)


def drop_posts(db: Connection, border: int, limit: int) -> int:
    """Drop ``limit`` posts that ended before ``border``, in ms; return how many there were."""
    asked = "SELECT id FROM posts WHERE ended_at < ? ORDER BY ended_at LIMIT ?"
    found = db.execute(asked, (border, limit)).fetchall()
    for (id_,) in found:
        _unlink(db, id_)
        db.execute("DELETE FROM post_updates WHERE post = ?", (id_,))
        db.execute("DELETE FROM posts WHERE id = ?", (id_,))
    return len(found)


def _unknown(db: Connection, wanted: Sequence[str], known: Sequence[str]) -> list[FieldError]:
    """Outages that are newly named, and that there are not."""
    return [
        FieldError(f"content.incidents[{number}]", "must be the id of an incident")
        for number, id_ in enumerate(wanted)
        if id_ not in known
        and db.execute("SELECT 1 FROM incidents WHERE id = ?", (id_,)).fetchone() is None
    ]


def _insert_update(db: Connection, id_: str, number: int, update: PostUpdate) -> None:
    db.execute(
        "INSERT INTO post_updates (post, number, id, at, author, status, text, components)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            id_,
            number,
            update.id,
            epoch_ms(update.at),
            update.by,
            update.status.value,
            update.text,
            None if update.components is None else to_json(update.components),
        ),
    )


def _save(db: Connection, after: Post) -> None:
    db.execute(
        "UPDATE posts SET status = ?, ended_at = ?, content = ? WHERE id = ?",
        (
            after.status.value,
            None if after.ended_at is None else epoch_ms(after.ended_at),
            to_json(after.content),
            after.id,
        ),
    )


def _link(db: Connection, made: Post) -> None:
    pages = [(made.namespace, page, made.id) for page in made.content.pages]
    db.executemany("INSERT INTO post_pages VALUES (?, ?, ?)", pages)
    linked = [(incident, made.id) for incident in made.content.incidents]
    db.executemany("INSERT INTO post_incidents VALUES (?, ?)", linked)


def _unlink(db: Connection, id_: str) -> None:
    db.execute("DELETE FROM post_pages WHERE post = ?", (id_,))
    db.execute("DELETE FROM post_incidents WHERE post = ?", (id_,))


def _stored(update: PostUpdate) -> PostUpdate:
    return attrs.evolve(update, at=whole_ms(update.at))


def _stored_content(content: PostContent) -> PostContent:
    def stored(at: datetime | None) -> datetime | None:
        return None if at is None else whole_ms(at)

    starts_at, ends_at = stored(content.starts_at), stored(content.ends_at)
    return attrs.evolve(content, starts_at=starts_at, ends_at=ends_at)


def _post(db: Connection, row: Any) -> Post:
    id_, namespace, kind, status, created_at, created_by, ended_at, content = row
    return Post(
        id=id_,
        namespace=namespace,
        kind=PostKind(kind),
        status=PostStatus(status),
        created_at=from_epoch_ms(created_at),
        created_by=created_by,
        ended_at=None if ended_at is None else from_epoch_ms(ended_at),
        content=from_json(content, PostContent),
        updates=tuple(_update(each) for each in db.execute(_UPDATES, (id_,))),
    )


def _update(row: Any) -> PostUpdate:
    id_, at, by, status, text, components = row
    return PostUpdate(
        id=id_,
        at=from_epoch_ms(at),
        by=by,
        status=PostStatus(status),
        text=text,
        components=None if components is None else from_json(components, tuple[Component, ...]),
    )
