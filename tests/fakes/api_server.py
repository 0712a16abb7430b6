"""One kind on an API server that misbehaves on order: lists, watches, compaction, backups.

It stands where ``watch.reflector`` has its Source: no bytes on a wire, but the bytes of a watch as
they would come from one. Time is trio's, so that hours pass at once.
"""

import copy
import json
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any, Literal, TypeAlias

import attrs
import trio

from kubekuma.kube.errors import KubeError, Refused, Unreachable
from kubekuma.model.meta import Key

Document: TypeAlias = dict[str, Any]

# How a watch ends before its time: as a server ends one, in the middle of a line, never again a
# word, with an error event of this code, or with whatever bytes come instead.
End: TypeAlias = Literal["end", "reset", "silence"] | int | bytes

BOOKMARK_SECONDS = 60.0


@attrs.frozen
class Cut:
    """What becomes of the next watch: ``end`` after so many events and seconds."""

    end: End
    events: int = 0
    seconds: float = 0.0


@attrs.frozen
class Asked:
    """A request: when, what for, and with which parameters."""

    at: float
    what: Literal["list", "watch"]
    parameters: Mapping[str, str]


class FakeApi:
    """The objects, what happened to them, and what is to go wrong.

    ``list_faults`` and ``watch_faults`` are used up, one a request; what ``always`` says is asked
    of every request that none of them is for.
    """

    def __init__(self, version: int = 1000) -> None:
        self.version = version
        self.oldest = version
        self.forgotten = 0  # version of the last event that no watch can be told of any more
        self.objects: dict[Key, Document] = {}
        self.happened: list[tuple[int, str, Document]] = []
        self.asked: list[Asked] = []
        self.list_faults: deque[KubeError | None] = deque()
        self.watch_faults: deque[KubeError | Cut | None] = deque()
        self.always: KubeError | None = None
        self.bookmarks: Callable[[int], int] = lambda version: version
        self.between_pages: Callable[[], None] = lambda: None
        self.expired_in_stream = True
        self.streams = False  # tells what there is in a watch, too, if asked
        self.marks_initial = True  # and says where that ends
        self.knows_the_future = False
        self.watching = 0
        self._snapshots: dict[str, tuple[int, list[Document]]] = {}
        self._uids = 0
        self._news = trio.Event()

    # What people do

    def create(self, key: Key, **spec: Any) -> None:
        """Make an object, as another one than any before."""
        self._uids += 1
        meta = {"namespace": key.namespace, "name": key.name, "uid": f"u{self._uids}"}
        document = {"apiVersion": "example.org/v1", "kind": "Thing", "spec": spec}
        self._put("ADDED", key, {**document, "metadata": {**meta, "generation": 1}})

    def update(self, key: Key, **spec: Any) -> None:
        """Change what an object says."""
        document = copy.deepcopy(self.objects[key])
        document["metadata"]["generation"] += 1
        self._put("MODIFIED", key, {**document, "spec": spec})

    def touch(self, key: Key, status: Any) -> None:
        """Write an object's status."""
        self._put("MODIFIED", key, {**copy.deepcopy(self.objects[key]), "status": status})

    def delete(self, key: Key) -> None:
        """Delete an object."""
        document = copy.deepcopy(self.objects.pop(key))
        self._happen("DELETED", document)

    # What happens to servers

    def compact(self) -> None:
        """Forget everything that happened so far; only the outcome is left."""
        self.oldest = self.version
        self.forgotten = self.happened[-1][0] if self.happened else self.forgotten
        self.happened.clear()

    def backup(self) -> tuple[int, dict[Key, Document]]:
        """What could be restored."""
        return self.version, copy.deepcopy(self.objects)

    def restore(self, backup: tuple[int, dict[Key, Document]]) -> None:
        """Be as the backup was, versions included."""
        self.version, self.objects = backup[0], copy.deepcopy(backup[1])
        self.oldest = self.version
        self.forgotten = 0
        self.happened.clear()

    def count(self, what: str, since: float = 0.0) -> int:
        """How many requests there were."""
        return len([each for each in self.asked if each.what == what and each.at >= since])

    # What it answers

    async def page(self, parameters: Mapping[str, str]) -> Mapping[str, Any]:
        """One page of the list."""
        await trio.lowlevel.checkpoint()
        self.asked.append(Asked(trio.current_time(), "list", dict(parameters)))
        fault = self.list_faults.popleft() if self.list_faults else self.always
        if fault is not None:
            raise fault
        limit = int(parameters["limit"])
        token = parameters.get("continue")
        if token is None:
            version, rest = self.version, copy.deepcopy(list(self.objects.values()))
        else:
            version, rest = self._snapshots.pop(token)
            if version < self.oldest:
                raise expired()
        metadata = {"resourceVersion": str(version)}
        if len(rest) > limit:
            token = f"after-{len(rest)}"
            self._snapshots[token] = (version, rest[limit:])
            metadata["continue"] = token
        self.between_pages()
        return {"metadata": metadata, "items": rest[:limit]}

    @asynccontextmanager
    async def watch(
        self, parameters: Mapping[str, str], *, silence_seconds: float
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """The raw chunks of a watch."""
        await trio.lowlevel.checkpoint()
        initial = parameters.get("sendInitialEvents") == "true"
        if initial and not self.streams:
            raise Refused(422, "Invalid", "sendInitialEvents: Forbidden")
        self.asked.append(Asked(trio.current_time(), "watch", dict(parameters)))
        fault = self.watch_faults.popleft() if self.watch_faults else self.always
        if isinstance(fault, KubeError):
            raise fault
        version = self.version if initial else int(parameters["resourceVersion"])
        refusal = self._refusal(version)
        if refusal is not None and not self.expired_in_stream:
            raise refusal
        begin = self._present(version) if initial else ()
        seconds = float(parameters["timeoutSeconds"])
        stream = self._stream(begin, version, seconds, silence_seconds, fault)
        if refusal is not None:
            stream = _one(_error(refusal.code, refusal.reason, refusal.message))
        self.watching += 1
        try:
            yield stream
        finally:
            self.watching -= 1
            await stream.aclose()

    def _refusal(self, version: int) -> Refused | None:
        if version < self.oldest:
            return expired()
        if version > self.version and self.knows_the_future:
            return Refused(504, "Timeout", "Too large resource version: 9, current: 1")
        return None

    def _present(self, version: int) -> Sequence[tuple[str, Document]]:
        # In no order: the newest first.
        present = [("ADDED", copy.deepcopy(each)) for each in reversed(self.objects.values())]
        if self.marks_initial:
            ends = {"k8s.io/initial-events-end": "true"}
            metadata = {"resourceVersion": str(version), "annotations": ends}
            present.append(("BOOKMARK", {"metadata": metadata}))
        return present

    async def _stream(
        self,
        begin: Sequence[tuple[str, Document]],
        version: int,
        seconds: float,
        silence_seconds: float,
        cut: Cut | None,
    ) -> AsyncGenerator[bytes, None]:
        began = told = trio.current_time()
        sent = 0
        for kind, document in begin:
            if cut is not None and sent >= cut.events:
                break
            sent += 1
            yield _line(kind, document)
            await trio.lowlevel.checkpoint()
        while True:
            if version < self.forgotten:  # it was too slow, by however little
                yield _error(410, "Expired", "too old resource version")
                return
            for number, kind, document in list(self.happened):
                if number <= version:
                    continue
                if cut is not None and sent >= cut.events and not cut.seconds:
                    break
                version, sent, told = number, sent + 1, trio.current_time()
                yield _line(kind, document)
            cut_at = began + cut.seconds if cut is not None else float("inf")
            if cut is not None and sent >= cut.events and trio.current_time() >= cut_at:
                async with aclosing(self._ending(cut.end, silence_seconds)) as ending:
                    async for chunk in ending:
                        yield chunk
                return
            if trio.current_time() >= began + seconds:
                return
            if trio.current_time() >= told + BOOKMARK_SECONDS:
                told = trio.current_time()
                at = self.bookmarks(max(version, self.version))
                yield _line("BOOKMARK", {"metadata": {"resourceVersion": str(at)}})
            ends = [began + seconds, told + BOOKMARK_SECONDS, cut_at]
            with trio.move_on_at(min(at for at in ends if at > trio.current_time())):
                await self._news.wait()

    async def _ending(self, end: End, silence_seconds: float) -> AsyncGenerator[bytes, None]:
        match end:
            case "end":
                return
            case "reset":
                yield b'{"type": "ADDED", "object": {"metadata": {"na'
                raise Unreachable("reset")
            case "silence":
                await trio.sleep(silence_seconds)
                raise Unreachable("ReadTimeout")
            case int():
                yield _error(end, "Odd", "it went wrong")
            case bytes():
                yield end

    def _put(self, kind: str, key: Key, document: Document) -> None:
        self.objects[key] = document
        self._happen(kind, document)

    def _happen(self, kind: str, document: Document) -> None:
        self.version += 1
        document["metadata"]["resourceVersion"] = str(self.version)
        self.happened.append((self.version, kind, copy.deepcopy(document)))
        self._news.set()
        self._news = trio.Event()


def expired() -> Refused:
    """The answer for a version that is too old."""
    return Refused(410, "Expired", "too old resource version")


def _line(kind: str, document: Mapping[str, Any]) -> bytes:
    return json.dumps({"type": kind, "object": document}, ensure_ascii=False).encode() + b"\n"


def _error(code: int, reason: str, message: str) -> bytes:
    return _line("ERROR", {"kind": "Status", "code": code, "reason": reason, "message": message})


async def _one(chunk: bytes) -> AsyncGenerator[bytes, None]:
    yield chunk
