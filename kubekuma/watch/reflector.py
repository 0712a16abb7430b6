"""Keeps a cache as the API server has it: what there is, then what happens to it.

What client-go's reflector does, and why, is told in docs/architecture.md. The
caller's cache only ever moves forward to a state that the server had.
"""

import math
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Final, Protocol

import attrs
import structlog
import trio

from kubekuma.kit.backoff import Backoff
from kubekuma.kube.errors import KubeError, Refused, refused_in_stream
from kubekuma.model.meta import Key
from kubekuma.watch.stream import Document, Told, events, key_of
from kubekuma.watch.sync import Sync

_log = structlog.get_logger(__name__)

PAGE: Final = 500
WATCH_SECONDS: Final = (300, 600)
# Bookmarks come once a minute: a stream that says nothing for longer is dead.
SILENCE_SECONDS: Final = 90.0
# A server that is asked to stream what there is and falls silent over it will not say the end.
INITIAL_SILENCE_SECONDS: Final = 10.0
# Whatever might have been missed is found in this time, give or take a fifth.
RELIST_SECONDS: Final = 1800.0
# A watch that ends sooner than this, and without a word, is a failure.
SHORT_SECONDS: Final = 1.0
CALM_SECONDS: Final = 120.0
# After so many failures in a row, a minute or more, the version to go on from is suspected: the
# server may be another one, restored from a backup.
MOST_TRIES: Final = 6
MOST_DELAY_SECONDS: Final = 60.0
# Who is refused for these is not refused for how the objects were asked for.
_NOT_ABOUT_STREAMING: Final = frozenset({401, 403, 404, 429})


class Source(Protocol):
    """Where the objects come from: one kind, in one namespace or in all."""

    async def page(self, parameters: Mapping[str, str]) -> Document:
        """One page of the list."""

    def watch(
        self, parameters: Mapping[str, str], *, silence_seconds: float
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The raw chunks of a watch."""


class Sink(Protocol):
    """Where they go."""

    def put(self, document: Document) -> None:
        """Take in an object as it is now."""

    def remove(self, key: Key) -> None:
        """The object is gone."""

    def retain(self, keys: set[Key]) -> None:
        """These objects are all there are."""


class _Expired(Exception):  # noqa: N818 - what the API server calls it
    """The version to go on from is too old, or from a future that never was: list again."""


class _Unstreamed(Exception):  # noqa: N818 - a state of things
    """The server does not tell in a watch what there is: ask it for pages."""


class _Interrupted(Exception):  # noqa: N818 - a state of things
    """A watch broke off after it had come to ``version``."""

    def __init__(self, version: str, cause: KubeError) -> None:
        super().__init__(str(cause))
        self.version = version
        self.cause = cause


async def run_reflector(
    source: Source,
    sink: Sink,
    sync: Sync,
    *,
    backoff: Backoff = Backoff(),  # noqa: B008 - frozen
    chance: Callable[[], float] = random.random,
) -> None:
    """Keep ``sink`` as ``source`` has it, for ever.

    Failure: whatever the API server does is tried again, with back-off, and
    said once; the cache stays as it is meanwhile.
    """
    version, attempt, streams = "", 0, True
    relist_seconds = RELIST_SECONDS * (0.8 + 0.4 * chance())
    while True:
        began = trio.current_time()
        if began - sync.listed_at > relist_seconds:
            version = ""
        try:
            if not version and not streams:
                version = await _list(source, sink, sync)
            version = await _watch(source, sink, sync, version, chance, streams=streams)
            sync.well()
            if trio.current_time() - began >= SHORT_SECONDS:
                attempt = 0
                continue
            delay = backoff.delay(attempt, chance())
        except _Unstreamed:
            streams = False
            continue
        except _Expired:
            _log.debug("watch expired, listing again", kind=sync.kind)
            version = ""
            delay = backoff.delay(attempt, chance())
        except _Interrupted as interrupted:
            # What had come until then counts: go on from there.
            version = interrupted.version if attempt < MOST_TRIES else ""
            sync.failed(interrupted.cause)
            delay = _patience(interrupted.cause, backoff.delay(attempt, chance()))
        except KubeError as error:
            if isinstance(error, Refused) and error.code != 429:
                version = ""
            sync.failed(error)
            delay = _patience(error, backoff.delay(attempt, chance()))
        if trio.current_time() - began > CALM_SECONDS:
            attempt = 0
        attempt += 1
        await trio.sleep(delay)


async def _list(source: Source, sink: Sink, sync: Sync) -> str:
    """Take in every object, page by page; return the version to watch from."""
    sync.lists += 1
    keys: set[Key] = set()
    parameters = {"limit": str(PAGE)}
    while True:
        try:
            page = await source.page(parameters)
        except Refused as error:
            if error.code == 410:  # the version that the pages show has expired: begin anew
                raise _Expired from error
            raise
        for document in page.get("items") or ():
            key = key_of(document)
            if key is None:
                continue
            keys.add(key)
            sink.put(document)
        await trio.lowlevel.checkpoint()
        metadata = page.get("metadata") or {}
        token = metadata.get("continue")
        if not token:
            break
        parameters = {"limit": str(PAGE), "continue": str(token)}
    sink.retain(keys)
    sync.listed()
    return str(metadata.get("resourceVersion") or "")


async def _watch(
    source: Source,
    sink: Sink,
    sync: Sync,
    version: str,
    chance: Callable[[], float],
    *,
    streams: bool,
) -> str:
    """Follow what happens until the server ends the watch; return how far that was.

    Without a ``version`` a server that ``streams`` first tells in the watch
    itself what there is (KEP-3157). Raises _Unstreamed if it does not.
    """
    low, high = WATCH_SECONDS
    parameters = {
        "resourceVersion": version,
        "allowWatchBookmarks": "true",
        "timeoutSeconds": str(round(low + chance() * (high - low))),
    }
    initial: set[Key] | None = None
    if not version and streams:
        initial = set()
        parameters |= {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
    else:
        sync.watches += 1
    following = _Following(sink=sink, sync=sync, version=version, initial=initial)
    try:
        with trio.CancelScope(deadline=following.patience()) as patience:
            async with (
                source.watch(parameters, silence_seconds=SILENCE_SECONDS) as chunks,
                aclosing(events(chunks)) as told,
            ):
                following.opened()
                async for event in told:
                    following.take(event)
                    patience.deadline = following.patience()
    except KubeError as error:
        raise following.outcome(error) from error
    if following.initial is not None:
        raise _Unstreamed
    return following.version


@attrs.define(kw_only=True)
class _Following:
    """One watch, and how far it has come."""

    sink: Sink
    sync: Sync
    version: str
    # What there is, as far as it has been told; None once that is complete.
    initial: set[Key] | None
    is_open: bool = False

    def opened(self) -> None:
        """The server has begun to answer."""
        self.is_open = True
        if self.initial is None:
            self.sync.well()
        else:
            self.sync.lists += 1

    def patience(self) -> float:
        """Until when to wait for the next event."""
        complete = self.initial is None
        return math.inf if complete else trio.current_time() + INITIAL_SILENCE_SECONDS

    def take(self, told: Told) -> None:
        """Take in one event."""
        self.sync.events += 1
        self.sync.heard_at = trio.current_time()
        match told.what:
            case "ERROR":
                raise refused_in_stream(dict(told.document))
            case "ADDED" | "MODIFIED" if told.key is not None:
                self._put(told.key, told.document)
            case "DELETED" if told.key is not None:
                self._remove(told.key)
            case "BOOKMARK":
                pass
            case _:
                return
        self._come_to(told)

    def outcome(self, error: KubeError) -> Exception:
        """What it means that the watch broke off, or was refused."""
        refusal = error if isinstance(error, Refused) else None
        code = refusal.code if refusal is not None else 0
        if self.initial is not None:
            hindered = self.is_open or (code and code not in _NOT_ABOUT_STREAMING)
            return _Unstreamed() if hindered else error
        if refusal is not None and (code == 410 or _is_from_future(refusal)):
            return _Expired()
        if refusal is not None and code < 500 and code != 429:
            return error
        return _Interrupted(self.version, error)

    def _put(self, key: Key, document: Document) -> None:
        if self.initial is not None:
            self.initial.add(key)
        self.sink.put(document)

    def _remove(self, key: Key) -> None:
        if self.initial is not None:
            self.initial.discard(key)
        self.sink.remove(key)

    def _come_to(self, told: Told) -> None:
        if self.initial is None:
            self.version = _newer(self.version, told.version)
        elif told.what == "BOOKMARK" and told.ends_initial:
            # What there is comes in no order: only its end says how far it leads.
            self.sink.retain(self.initial)
            self.initial = None
            self.version = told.version
            self.sync.listed()


def _newer(version: str, leads_to: str) -> str:
    # Versions of one kind only ever grow (KEP-5504), unless etcd was restored from a backup.
    if version.isdecimal() and leads_to.isdecimal() and int(leads_to) < int(version):
        raise _Expired
    return leads_to or version


def _is_from_future(error: Refused) -> bool:
    # etcd was restored from a backup: its versions have gone back.
    return "Too large resource version" in error.message or error.reason == "Timeout"


def _patience(error: KubeError, delay: float) -> float:
    wanted = error.retry_after_seconds if isinstance(error, Refused) else None
    return max(min(wanted or 0.0, MOST_DELAY_SECONDS), delay)
