"""Keeps a cache as the API server has it: list once, then follow the watch.

What client-go's reflector does, and why, is told in docs/architecture.md. The
caller's cache only ever moves forward to a state that the server had.
"""

import json
import math
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any, Final, Protocol, TypeAlias

import attrs
import structlog
import trio

from kubekuma.kit.backoff import Backoff
from kubekuma.kube.errors import KubeError, Refused, Unreachable, refused_in_stream
from kubekuma.model.meta import Key

_log = structlog.get_logger(__name__)

PAGE: Final = 500
WATCH_SECONDS: Final = (300, 600)
# Bookmarks come once a minute: a stream that says nothing for longer is dead.
SILENCE_SECONDS: Final = 90.0
MOST_LINE_BYTES: Final = 4 * 1024 * 1024
# A watch that ends sooner than this, and without a word, is a failure.
SHORT_SECONDS: Final = 1.0
CALM_SECONDS: Final = 120.0
# After so many failures in a row, a minute or more, the version to go on from is suspected: the
# server may be another one, restored from a backup.
MOST_TRIES: Final = 6
MOST_DELAY_SECONDS: Final = 60.0

Document: TypeAlias = Mapping[str, Any]


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


@attrs.define(kw_only=True)
class Sync:
    """How far a reflector has come, for metrics and conditions. Written by it alone."""

    kind: str
    lists: int = 0
    watches: int = 0
    events: int = 0
    errors: int = 0
    error: str = ""  # of the last try; empty: it goes well
    heard_at: float = -math.inf  # by trio's clock
    tried: trio.Event = attrs.field(factory=trio.Event)  # the first list has come, or has failed


class _Expired(Exception):  # noqa: N818 - what the API server calls it
    """The version to go on from is too old, or from a future that never was: list again."""


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
    version, attempt = "", 0
    while True:
        began = trio.current_time()
        try:
            if not version:
                version = await _list(source, sink, sync)
            version = await _watch(source, sink, sync, version, chance)
            _well(sync)
            if trio.current_time() - began >= SHORT_SECONDS:
                attempt = 0
                continue
            delay = backoff.delay(attempt, chance())
        except _Expired:
            _log.debug("watch expired, listing again", kind=sync.kind)
            version = ""
            delay = backoff.delay(attempt, chance())
        except _Interrupted as interrupted:
            # What had come until then counts: go on from there.
            version = interrupted.version if attempt < MOST_TRIES else ""
            delay = _failed(sync, interrupted.cause, attempt, backoff, chance)
        except KubeError as error:
            if isinstance(error, Refused) and error.code != 429:
                version = ""
            delay = _failed(sync, error, attempt, backoff, chance)
        if trio.current_time() - began > CALM_SECONDS:
            attempt = 0
        attempt += 1
        await trio.sleep(delay)


class _Interrupted(Exception):  # noqa: N818 - a state of things
    """A watch broke off after it had come to ``version``."""

    def __init__(self, version: str, cause: KubeError) -> None:
        super().__init__(str(cause))
        self.version = version
        self.cause = cause


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
            key = _key(document)
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
    _well(sync)
    return str(metadata.get("resourceVersion") or "")


async def _watch(
    source: Source, sink: Sink, sync: Sync, version: str, chance: Callable[[], float]
) -> str:
    """Follow what happens until the server ends the watch; return how far that was."""
    sync.watches += 1
    low, high = WATCH_SECONDS
    seconds = low + chance() * (high - low)
    parameters = {
        "resourceVersion": version,
        "allowWatchBookmarks": "true",
        "timeoutSeconds": str(round(seconds)),
    }
    try:
        async with (
            source.watch(parameters, silence_seconds=SILENCE_SECONDS) as chunks,
            aclosing(_lines(chunks)) as lines,
        ):
            _well(sync)
            async for line in lines:
                version = _newer(version, _follow(line, sink, sync))
    except Refused as error:
        if error.code == 410 or _is_from_future(error):
            raise _Expired from error
        if error.code < 500 and error.code != 429:
            raise
        raise _Interrupted(version, error) from error
    except Unreachable as error:
        raise _Interrupted(version, error) from error
    return version


def _newer(version: str, leads_to: str | None) -> str:
    # Versions of one kind only ever grow (KEP-5504), unless etcd was restored from a backup.
    if version.isdecimal() and (leads_to or "").isdecimal() and int(leads_to or 0) < int(version):
        raise _Expired
    return leads_to or version


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    # Only "\n" ends a line: Go leaves U+0085 and its like in strings as they are.
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.strip():
                yield line
        if len(rest) > MOST_LINE_BYTES:
            raise Unreachable(f"a watch event of more than {MOST_LINE_BYTES} bytes")


def _follow(line: bytes, sink: Sink, sync: Sync) -> str | None:
    """Take in one event; return the version that it leads to, if it says."""
    sync.events += 1
    sync.heard_at = trio.current_time()
    event = _event(line)
    document = event.get("object")
    if not isinstance(document, Mapping):
        return None
    match event.get("type"):
        case "ERROR":
            raise refused_in_stream(dict(document))
        case "ADDED" | "MODIFIED" if _key(document) is not None:
            sink.put(document)
        case "DELETED" if (key := _key(document)) is not None:
            sink.remove(key)
        case "BOOKMARK":
            pass
        case _:
            return None
    metadata = document.get("metadata")
    return str(metadata.get("resourceVersion") or "") if isinstance(metadata, Mapping) else None


def _event(line: bytes) -> Mapping[str, Any]:
    try:
        event = json.loads(line.decode("utf-8", "replace"))
    except ValueError as error:
        # Half a line before the connection broke: what it said will be said again.
        raise Unreachable(f"a watch event that is no JSON: {error}") from error
    return event if isinstance(event, Mapping) else {}


def _key(document: Any) -> Key | None:
    metadata = document.get("metadata") if isinstance(document, Mapping) else None
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    if not isinstance(metadata, Mapping) or not isinstance(name, str) or not name:
        return None
    return Key(str(metadata.get("namespace") or ""), name)


def _is_from_future(error: Refused) -> bool:
    # etcd was restored from a backup: its versions have gone back.
    return "Too large resource version" in error.message or error.reason == "Timeout"


def _well(sync: Sync) -> None:
    if sync.error:
        _log.info("following the API server again", kind=sync.kind)
    sync.error = ""
    sync.heard_at = trio.current_time()
    sync.tried.set()


def _failed(
    sync: Sync, error: KubeError, attempt: int, backoff: Backoff, chance: Callable[[], float]
) -> float:
    sync.errors += 1
    sync.tried.set()
    if str(error) != sync.error:
        _log.warning("the API server cannot be followed", kind=sync.kind, error=str(error))
    sync.error = str(error)
    wanted = error.retry_after_seconds if isinstance(error, Refused) else None
    return max(min(wanted or 0.0, MOST_DELAY_SECONDS), backoff.delay(attempt, chance()))
