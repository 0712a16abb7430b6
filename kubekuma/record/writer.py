"""Commits what was judged: in batches, in order, again and again until the database takes it."""

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import attrs
import structlog
import trio

from kubekuma.kit.backoff import Backoff
from kubekuma.model.meta import Key
from kubekuma.record.crd_cache import keep_document
from kubekuma.record.database import Connection, StoreError, StoreFullError
from kubekuma.record.heartbeats import heartbeat_row, insert_heartbeats
from kubekuma.record.incidents import close_incident, insert_span, name_parents, open_incident
from kubekuma.record.ledger import Recorded
from kubekuma.record.states import save_reports, save_standing, series_of
from kubekuma.record.store import Store

_log = structlog.get_logger(__name__)

BATCH_SECONDS: Final = 0.25
BATCH_ROWS: Final = 500
# While the database is away, so many entries wait. Beyond them, mere heartbeats are shed; what
# changes a state never is.
MOST_WAITING: Final = 50_000


@attrs.frozen(kw_only=True)
class Document:
    """A resource to remember, or with ``document=None`` to forget."""

    kind: str
    key: Key
    document: Mapping[str, Any] | None


# How often it is looked whether there is room again.
ROOM_SECONDS: Final = 30.0
DISK_FULL: Final = "the disk is full: changes of state are written, heartbeats wait"

Entry: TypeAlias = Recorded | Document
Committed: TypeAlias = Callable[[Sequence[Recorded]], None]


@attrs.define(kw_only=True)
class StoreHealth:
    """How the database does, for conditions and metrics. Written by the writer alone."""

    error: str = ""  # of the last try; empty: it went well
    errors: int = 0
    commits: int = 0
    waiting: int = 0
    shed: int = 0
    full: bool = False  # the disk: states are written, heartbeats wait

    @property
    def complaint(self) -> str:
        """What is wrong with the writing of history; empty: nothing."""
        return self.error or (DISK_FULL if self.full else "")


class Writer:
    """Entries that wait for their commit. ``add`` is synchronous, so that nobody waits for it."""

    def __init__(self, store: Store, committed: Committed, health: StoreHealth) -> None:
        self._store = store
        self._committed = committed
        self._health = health
        self._waiting: deque[Entry] = deque()
        self._batch: list[Entry] = []  # under way, and kept until the database has it
        self._series: dict[tuple[Key, str], int] = {}
        self._most = MOST_WAITING
        self._added = trio.Event()
        # While the disk is full: mere heartbeats, of which the oldest go first.
        self._deferred: deque[Entry] = deque(maxlen=MOST_WAITING)
        self._room_at = -math.inf
        self._backoff = Backoff(first=0.25, most=10.0, jitter=0.0)

    def add(self, entry: Entry) -> None:
        """Have ``entry`` committed soon."""
        if self._health.full and not _matters(entry):
            self._defer(entry)
            # Somebody must look whether there is room again.
            self._added.set()
            return
        if len(self._waiting) >= self._most:
            self._shed()
        self._waiting.append(entry)
        self._count()
        self._added.set()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Commit what is added, until cancelled; then call ``flush`` for what is left.

        Failure: errors of the database are logged once and tried again for ever.
        """
        task_status.started()
        while True:
            await self._added.wait()
            if len(self._waiting) < BATCH_ROWS:
                await trio.sleep(BATCH_SECONDS)
            self._added = trio.Event()
            await self.flush()
            if trio.current_time() >= self._room_at:
                await self._keep_room()

    async def flush(self) -> None:
        """Commit everything that waits."""
        while self._batch or self._waiting:
            while not self._batch or len(self._batch) < BATCH_ROWS:
                if not self._waiting:
                    break
                self._batch.append(self._waiting.popleft())
            await self._commit_batch()

    async def _commit_batch(self) -> None:
        attempt = 0
        while not await self._try(self._batch):
            await trio.sleep(self._backoff.delay(attempt, 0.0))
            attempt += 1
        batch, self._batch = self._batch, []
        self._count()
        recorded = [entry for entry in batch if isinstance(entry, Recorded)]
        for each in recorded:
            _tell(each)
        self._committed(recorded)

    async def _try(self, batch: Sequence[Entry]) -> bool:
        write = self._store.write_durably if any(map(_matters, batch)) else self._store.write
        try:
            await write(_commit, batch, self._series)
        except StoreFullError as error:
            self._series.clear()
            await self._make_room()
            self._failed(str(error))
            return False
        except StoreError as error:
            # The series that were made are void with the transaction that made them.
            self._series.clear()
            self._failed(str(error))
            return False
        if self._health.error:
            _log.info("history is written again")
        self._most = MOST_WAITING
        self._health.error = ""
        self._health.commits += 1
        return True

    async def _make_room(self) -> None:
        """The disk is full: what is kept free is for states, and mere heartbeats wait."""
        self._room_at = trio.current_time() + ROOM_SECONDS
        if not self._health.full:
            _log.error(DISK_FULL)
        self._health.full = True
        mere = [entry for entry in (*self._batch, *self._waiting) if not _matters(entry)]
        self._batch = [entry for entry in self._batch if _matters(entry)]
        self._waiting = deque(entry for entry in self._waiting if _matters(entry))
        for entry in mere:
            self._defer(entry)
        await self._store.make_room()

    def _defer(self, entry: Entry) -> None:
        if len(self._deferred) == MOST_WAITING:
            self._health.shed += 1
        self._deferred.append(entry)
        self._count()

    async def _keep_room(self) -> None:
        self._room_at = trio.current_time() + ROOM_SECONDS
        if await self._store.keep_room() and self._health.full:
            _log.info("there is room on the disk again: heartbeats are written")
            self._health.full = False
            self._waiting.extendleft(reversed(self._deferred))
            self._deferred.clear()
            self._added.set()

    def _failed(self, error: str) -> None:
        if error != self._health.error:
            _log.error("history cannot be written, and waits", error=error)
        self._health.error = error
        self._health.errors += 1

    def _count(self) -> None:
        self._health.waiting = len(self._waiting) + len(self._batch) + len(self._deferred)

    def _shed(self) -> None:
        kept = deque(entry for entry in self._waiting if _matters(entry))
        shed, self._waiting = len(self._waiting) - len(kept), kept
        self._health.shed += shed
        # When even what is kept is too much, looking through it for each entry would not help.
        self._most = max(MOST_WAITING, 2 * len(kept))
        _log.warning("heartbeats were shed, states are kept", count=shed)


def _tell(recorded: Recorded) -> None:
    transition = recorded.judgement.transition
    if transition is not None:
        _log.info(
            "monitor changed state",
            namespace=transition.key.namespace,
            name=transition.key.name,
            before=transition.before,
            state=transition.after,
            reason=None if transition.reason is None else transition.reason.value,
            message=transition.message,
        )


def _matters(entry: Entry) -> bool:
    """Whether ``entry`` says something new, rather than the same once more."""
    if isinstance(entry, Document):
        return True
    judgement = entry.judgement
    return judgement.standing_changed or judgement.reports is not None or bool(judgement.parents)


def _commit(db: Connection, batch: Sequence[Entry], series: dict[tuple[Key, str], int]) -> None:
    rows = []
    for entry in batch:
        if isinstance(entry, Document):
            keep_document(db, entry.kind, entry.key, entry.document)
            continue
        judgement = entry.judgement
        # By uid too, which the database is to know of a monitor that was made anew.
        number = series.get((entry.key, entry.uid))
        if number is None:
            number = series_of(db, entry.key, entry.uid)
            series[entry.key, entry.uid] = number
        if judgement.heartbeat is not None:
            rows.append(heartbeat_row(number, judgement.heartbeat))
        if judgement.standing_changed:
            save_standing(db, number, judgement.state.standing)
        if judgement.reports is not None:
            save_reports(db, number, judgement.reports)
        for span in judgement.spans:
            insert_span(db, number, span)
        if judgement.opened is not None:
            open_incident(db, number, entry.uid, judgement.opened)
        incident = judgement.state.standing.incident
        if judgement.parents and incident is not None:
            name_parents(db, incident, judgement.parents)
        if judgement.closed is not None:
            close_incident(db, judgement.closed)
    insert_heartbeats(db, rows)
