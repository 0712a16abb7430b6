"""The watch: what there is or was, then what happens, until the client has had enough."""

import math
from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

import attrs
import trio

from kubekuma.standalone.answers import Send
from kubekuma.standalone.codec import encoded
from kubekuma.standalone.errors import ApiError, expired
from kubekuma.standalone.feed import Change, Feed, Stored
from kubekuma.standalone.listing import Wanted, check_revision
from kubekuma.standalone.resources import Resource
from kubekuma.standalone.store import Store, stored
from kubekuma.standalone.views import INITIAL_EVENTS_END, View, event

BOOKMARK_SECONDS: Final = 60.0
# Long enough to be rare, short enough that forgotten watches end.
TIMEOUT_SECONDS: Final = 3600.0
_BATCH: Final = 100

_Told: TypeAlias = tuple[str, Stored]


@attrs.frozen(kw_only=True)
class Watch:
    """What a client wants to be told.

    ``since`` None: first what there is, as if it were new. ``marks_initial``:
    a bookmark says where that ends.
    """

    namespace: str = ""
    wanted: Wanted | None = None
    since: int | None
    bookmarks: bool = False
    marks_initial: bool = False
    timeout_seconds: float = TIMEOUT_SECONDS


async def tell_changes(
    store: Store, resource: Resource, watch: Watch, view: View, send: Send
) -> None:
    """Send the events of ``watch`` until its timeout, or until the feed ends.

    A revision that is no longer remembered is told as an ERROR event.
    """
    feed = store.feed(resource.storage)
    try:
        _check_since(store, feed, watch.since)
    except ApiError as error:
        await send(event("ERROR", encoded(error.status())))
        return
    teller = _Teller(view=view, send=send)
    # Nothing awaits between the moment of which is told first, and the first that is followed.
    with feed.following() as changes:
        begun_at = store.revisions.committed
        if watch.since is None:
            told = list(_present(store.select(resource.storage, watch.namespace), watch))
        else:
            told = list(_seen(feed.since(watch.since), watch))
        await teller.tell(told)
        if watch.marks_initial:
            await teller.mark(begun_at, {INITIAL_EVENTS_END: "true"})
        await _follow(store, changes, watch, teller)


def _check_since(store: Store, feed: Feed, since: int | None) -> None:
    if since is None:
        return
    check_revision(store, since)
    if since < feed.compacted:
        raise expired(f"too old resource version: {since} ({feed.compacted})")


async def _follow(
    store: Store,
    changes: trio.MemoryReceiveChannel[Change],
    watch: Watch,
    teller: "_Teller",
) -> None:
    every = BOOKMARK_SECONDS if watch.bookmarks else math.inf
    ends_at = trio.current_time() + watch.timeout_seconds
    bookmark_at = min(ends_at, trio.current_time() + every)
    while True:
        batch = await _next_batch(changes, bookmark_at)
        if batch is None:
            return
        await teller.tell(list(_seen(batch, watch)))
        now = trio.current_time()
        if now < bookmark_at:
            continue
        # Only what has been told: later changes may already lie in the buffer.
        if watch.bookmarks and not changes.statistics().current_buffer_used:
            await teller.mark(store.revisions.committed)
        if now >= ends_at:
            return
        bookmark_at = min(ends_at, now + every)


async def _next_batch(
    changes: trio.MemoryReceiveChannel[Change], until: float
) -> list[Change] | None:
    # Empty when the time is up, None when there is no more.
    batch: list[Change] = []
    with trio.move_on_at(until):
        try:
            batch.append(await changes.receive())
            while len(batch) < _BATCH:
                batch.append(changes.receive_nowait())
        except trio.WouldBlock:
            pass
        except trio.EndOfChannel:
            return batch or None
    return batch


def _present(versions: Sequence[Stored], watch: Watch) -> Iterator[_Told]:
    for version in versions:
        if watch.wanted is None or watch.wanted(version):
            yield "ADDED", version


def _seen(changes: Sequence[Change], watch: Watch) -> Iterator[_Told]:
    # As a client sees changes that watches a selection: objects come and go without being
    # created or deleted.
    wanted = watch.wanted
    for change in changes:
        if watch.namespace not in {"", change.after.key.namespace}:
            continue
        if wanted is None:
            yield change.type, change.after
            continue
        before = change.before
        was = before is not None and wanted(before)
        if change.type != "DELETED" and wanted(change.after):
            yield ("MODIFIED" if was else "ADDED"), change.after
        elif was and before is not None:
            yield "DELETED", _at(before, change.revision)


def _at(version: Stored, revision: int) -> Stored:
    value = version.value
    metadata = {**value["metadata"], "resourceVersion": str(revision)}
    return stored(version.key, {**value, "metadata": metadata})


@attrs.define(kw_only=True)
class _Teller:
    """Sends events in batches, and knows which of them is the first."""

    view: View
    send: Send
    is_first: bool = True

    async def tell(self, told: Sequence[_Told]) -> None:
        for start in range(0, len(told), _BATCH):
            lines = []
            for kind, version in told[start : start + _BATCH]:
                lines.append(event(kind, self.view.watched(version, first=self.is_first)))
                self.is_first = False
            await self.send(b"".join(lines))

    async def mark(self, revision: int, annotations: dict[str, str] | None = None) -> None:
        metadata = {"resourceVersion": str(revision), "creationTimestamp": None}
        extra = {"annotations": annotations} if annotations else {}
        await self.send(event("BOOKMARK", self.view.bookmark({**metadata, **extra})))
