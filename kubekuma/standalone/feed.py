"""What happened to the objects of one kind: a bounded past, and those who follow it live."""

import json
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Literal, NamedTuple

import attrs
import trio

BUFFERED_CHANGES: Final = 4096


class Key(NamedTuple):
    """Namespace (empty if there is none) and name."""

    namespace: str
    name: str


@attrs.frozen(kw_only=True)
class Stored:
    """One version of an object, encoded, with what selecting needs at hand."""

    key: Key
    revision: int
    api_version: str
    labels: Mapping[str, str]
    data: bytes

    @property
    def value(self) -> dict[str, Any]:
        """The object itself, decoded anew each time: the caller may do with it what it likes."""
        value: dict[str, Any] = json.loads(self.data)
        return value


@attrs.frozen(kw_only=True)
class Change:
    """One write. ``after`` of a deletion is the last state, at the deletion's revision."""

    type: Literal["ADDED", "MODIFIED", "DELETED"]
    before: Stored | None
    after: Stored

    @property
    def revision(self) -> int:
        """The revision that the write made."""
        return self.after.revision


class Feed:
    """The changes of one kind, in order.

    Keeps the last ``window`` of them. A follower has a bounded buffer; for one
    that lets it overflow the stream ends after what is buffered, so that memory
    stays bounded. It may take up again at the last revision it has seen.
    """

    def __init__(self, revision: int, window: int) -> None:
        self._changes: deque[Change] = deque()
        self._followers: set[trio.MemorySendChannel[Change]] = set()
        self._window = window
        self._closed = False
        # Nothing at or before this revision is remembered.
        self.compacted = revision

    def publish(self, change: Change) -> None:
        """Remember ``change`` and tell every follower."""
        self._changes.append(change)
        if len(self._changes) > self._window:
            self.compacted = self._changes.popleft().revision
        for follower in tuple(self._followers):
            try:
                follower.send_nowait(change)
            except trio.WouldBlock:
                self._followers.discard(follower)
                follower.close()

    def since(self, revision: int) -> list[Change]:
        """Every change after ``revision``, which must not lie before ``compacted``."""
        if not self._changes or self._changes[-1].revision <= revision:
            return []
        changes = list(self._changes)
        return changes[bisect_right(changes, revision, key=lambda each: each.revision) :]

    @contextmanager
    def following(self) -> Iterator[trio.MemoryReceiveChannel[Change]]:
        """Follow the changes from now on; they end when the feed is closed, or on overflow."""
        send, receive = trio.open_memory_channel[Change](BUFFERED_CHANGES)
        if self._closed:
            send.close()
        else:
            self._followers.add(send)
        try:
            yield receive
        finally:
            self._followers.discard(send)
            send.close()
            receive.close()

    def close(self) -> None:
        """End the streams of all followers, in order, and of all who come later."""
        self._closed = True
        self.hang_up()

    def hang_up(self) -> None:
        """End the streams of all followers, in order."""
        for follower in self._followers:
            follower.close()
        self._followers.clear()


class Revisions:
    """The one counter of all writes: what was given last, and what is committed."""

    def __init__(self, committed: int) -> None:
        self.given = committed
        self.committed = committed

    def take(self) -> int:
        """Count on, and return the revision of the next write."""
        self.given += 1
        return self.given
