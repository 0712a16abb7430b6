"""Objects on disk and in memory: SQLite behind one writer, bytes in front.

A write is answered after its commit, never before. Writers that arrive while
a commit is under way share the next one. Reads see committed objects only;
who decides on a write sees those under way as well (``latest``), so that two
writers of one object never overlook each other.
"""

import json
import sqlite3
from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Final

import attrs
import trio

from kubekuma.standalone.codec import encoded
from kubekuma.standalone.database import Database, Statement, deleting, putting, setting
from kubekuma.standalone.errors import too_large
from kubekuma.standalone.feed import Change, Feed, Key, Revisions, Stored
from kubekuma.standalone.resources import Object

# As much as etcd takes.
OBJECT_LIMIT: Final = 1536 * 1024
# Changes of a kind that are remembered: who has fallen further behind must list again.
WINDOW: Final = 8192


class StoreError(Exception):
    """A write could not be made durable: the disk is full or broken. Nothing has changed."""


@attrs.define(kw_only=True, eq=False)
class _Write:
    statement: Statement
    storage: str = ""
    change: Change | None = None
    done: trio.Event = attrs.field(factory=trio.Event)
    error: Exception | None = None


class Store:
    """All objects of the API. Used by one trio run; its thread touches nothing but SQLite."""

    def __init__(self, database: Database, *, window: int = WINDOW) -> None:
        self._database = database
        self._window = window
        self._objects: defaultdict[str, dict[Key, Stored]] = defaultdict(dict)
        self._keys: defaultdict[str, list[Key]] = defaultdict(list)
        self._settings: dict[str, str] = {}
        self._under_way: dict[tuple[str, Key], Change] = {}
        self._queue: list[_Write] = []
        self._wake = trio.Event()
        self._closed = False
        self._are_feeds_closed = False
        self._feeds: dict[str, Feed] = {}
        self._listeners: list[Callable[[str, Change], None]] = []
        self._limiter = trio.CapacityLimiter(1)
        self._load()
        self._first = int(self._settings.get("revision", 1))
        self.revisions = Revisions(self._first)

    # Reading

    def get(self, storage: str, key: Key) -> Stored | None:
        """Look up the committed object."""
        return self._objects[storage].get(key)

    def latest(self, storage: str, key: Key) -> Stored | None:
        """Look up the object as it will be once all writes under way are committed."""
        change = self._under_way.get((storage, key))
        if change is not None:
            return None if change.type == "DELETED" else change.after
        return self._objects[storage].get(key)

    def select(self, storage: str, namespace: str = "", after: Key | None = None) -> list[Stored]:
        """Committed objects in order of their keys, those that follow ``after``."""
        keys, objects = self._keys[storage], self._objects[storage]
        first, end = 0, len(keys)
        if namespace:
            first = bisect_left(keys, Key(namespace, ""))
            end = bisect_left(keys, Key(f"{namespace}\0", ""))
        if after is not None:
            first = max(first, bisect_right(keys, after))
        return [objects[key] for key in keys[first:end]]

    def select_at(
        self, revision: int, storage: str, namespace: str = "", after: Key | None = None
    ) -> list[Stored]:
        """As ``select``, as of ``revision``, which the feed must still remember."""
        now = self.select(storage, namespace, after)
        changes = self.feed(storage).since(revision)
        if not changes:
            return now
        then: dict[Key, Stored | None] = {}
        for change in changes:
            key = change.after.key
            if namespace in {"", key.namespace} and (after is None or key > after):
                then.setdefault(key, change.before)
        merged = {**{each.key: each for each in now}, **then}
        return [each for _, each in sorted(merged.items()) if each is not None]

    def is_empty(self, storage: str, namespace: str = "") -> bool:
        """Whether there will be no such object once all writes under way are committed."""
        under_way = {
            key: change.type != "DELETED"
            for (place, key), change in self._under_way.items()
            if place == storage and namespace in {"", key.namespace}
        }
        committed = (each.key for each in self.select(storage, namespace))
        return not any(under_way.values()) and all(key in under_way for key in committed)

    def storages(self) -> tuple[str, ...]:
        """Every storage that may hold objects."""
        return tuple(self._objects)

    def feed(self, storage: str) -> Feed:
        """Return the changes of one storage."""
        if storage not in self._feeds:
            self._feeds[storage] = Feed(self._first, self._window)
            if self._are_feeds_closed:
                self._feeds[storage].close()
        return self._feeds[storage]

    def close_feeds(self) -> None:
        """End every watch, and those that come later at once."""
        self._are_feeds_closed = True
        for feed in self._feeds.values():
            feed.close()

    def subscribe(self, listener: Callable[[str, Change], None]) -> None:
        """Have ``listener`` told of every committed change before anybody else sees it."""
        self._listeners.append(listener)

    def setting(self, name: str) -> str | None:
        """Look up a text of ours that outlives the process."""
        return self._settings.get(name)

    # Writing

    async def put(self, storage: str, key: Key, value: Object) -> Stored:
        """Store ``value`` with the next resourceVersion; return once it is durable."""
        before = self.latest(storage, key)
        after = self._next_version(key, value)
        if len(after.data) > OBJECT_LIMIT:
            raise too_large(OBJECT_LIMIT)
        change = Change(type="MODIFIED" if before else "ADDED", before=before, after=after)
        await self._commit(
            _Write(statement=putting(storage, after), storage=storage, change=change)
        )
        return after

    async def delete(self, storage: str, key: Key, value: Object) -> Stored:
        """Remove the object, of which ``value`` is the last state; return once it is durable."""
        before = self.latest(storage, key)
        after = self._next_version(key, value)
        change = Change(type="DELETED", before=before, after=after)
        await self._commit(_Write(statement=deleting(storage, key), storage=storage, change=change))
        return after

    async def keep_setting(self, name: str, value: str) -> None:
        """Remember ``value``; return once it is durable."""
        await self._commit(_Write(statement=setting(name, value)))
        self._settings[name] = value

    def _next_version(self, key: Key, value: Object) -> Stored:
        revision = self.revisions.take()
        metadata = {**value["metadata"], "resourceVersion": str(revision)}
        return stored(key, {**value, "metadata": metadata})

    async def _commit(self, write: _Write) -> None:
        if self._closed:
            raise StoreError("the store is closed")
        if write.change is not None:
            self._under_way[write.storage, write.change.after.key] = write.change
        self._queue.append(write)
        self._wake.set()
        await write.done.wait()
        if write.error is not None:
            raise StoreError(str(write.error)) from write.error

    # The writer

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Commit what is written, until cancelled.

        Ownership: the database; closes it in the end.
        Shutdown: a commit under way is finished, later writes fail.
        Failure: a failed commit fails the writes in it, and the service goes on.
        """
        with closing(self._database):
            task_status.started()
            try:
                while True:
                    await self._wake.wait()
                    self._wake = trio.Event()
                    batch, self._queue = self._queue, []
                    # What was handed to SQLite must be known here as it is there.
                    with trio.CancelScope(shield=True):
                        await self._commit_batch(batch)
            finally:
                self._closed = True
                self._fail(self._queue, StoreError("the store is closed"))

    async def _commit_batch(self, batch: Sequence[_Write]) -> None:
        try:
            await trio.to_thread.run_sync(self._write_batch, batch, limiter=self._limiter)
        except sqlite3.Error as error:
            # Writes that came meanwhile may have been decided on what is now void.
            late, self._queue = self._queue, []
            self._fail([*batch, *late], error)
            return
        for write in batch:
            if write.change is not None:
                self._publish(write.storage, write.change)
            write.done.set()

    def _fail(self, writes: Sequence[_Write], error: Exception) -> None:
        self._under_way.clear()
        for write in writes:
            write.error = error
            write.done.set()

    def _publish(self, storage: str, change: Change) -> None:
        key = change.after.key
        objects, keys = self._objects[storage], self._keys[storage]
        if change.type == "DELETED":
            if objects.pop(key, None) is not None:
                del keys[bisect_left(keys, key)]
        else:
            if key not in objects:
                insort(keys, key)
            objects[key] = change.after
        if self._under_way.get((storage, key)) is change:
            del self._under_way[storage, key]
        self.revisions.committed = change.revision
        for listener in self._listeners:
            listener(storage, change)
        self.feed(storage).publish(change)

    def _write_batch(self, batch: Sequence[_Write]) -> None:
        # In a thread.
        statements = [write.statement for write in batch]
        changes = [write.change for write in batch if write.change is not None]
        if changes:
            statements.append(setting("revision", str(changes[-1].revision)))
        self._database.write(statements)

    def _load(self) -> None:
        for storage, key, data in self._database.objects():
            self._objects[storage][key] = stored(key, json.loads(data))
            self._keys[storage].append(key)
        self._settings.update(self._database.settings())


def stored(key: Key, value: Object) -> Stored:
    """``value`` as it is kept."""
    metadata = value["metadata"]
    return Stored(
        key=key,
        revision=int(metadata["resourceVersion"]),
        api_version=value["apiVersion"],
        labels=metadata.get("labels") or {},
        data=encoded(value),
    )
