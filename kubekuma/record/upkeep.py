"""Keeps the history small while it grows: seals what is old, drops what is older, bit by bit."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

import attrs
import structlog
import trio

from kubekuma.model.settings import Retention
from kubekuma.record.database import StoreError
from kubekuma.record.retention import Borders, all_series, borders, prune, prune_deeds
from kubekuma.record.sealed import Hour, hours_to_seal, seal_hours
from kubekuma.record.store import Store
from kubekuma.record.times import epoch_ms

_log = structlog.get_logger(__name__)

EVERY_SECONDS: Final = 60.0
# What waits while the database is away comes late, but hardly later than this.
SEAL_AFTER: Final = timedelta(hours=2)
PRUNE_EVERY: Final = timedelta(hours=1)
# A step takes the writer's thread for some 15 ms, and leaves it to others for three times as long.
PORTION: Final = 25
PAUSE_SECONDS: Final = 0.05


@attrs.define(kw_only=True)
class UpkeepHealth:
    """How it goes, for metrics. Written by upkeep alone."""

    sealed: int = 0  # hours of a series
    pruned_at: datetime | None = None  # when what is too old was dropped last
    errors: int = 0
    error: str = ""  # of the last turn; empty: it went well


async def run_upkeep(
    store: Store,
    health: UpkeepHealth,
    *,
    retention: Callable[[], Retention],
    now: Callable[[], datetime],
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Look once a minute for what is to be done, and do it, until cancelled.

    Ownership: the store's writer, in turns with the recorder.
    Shutdown: a step that has begun is ended; what is not done yet is found at the next start.
    Failure: errors of the database are logged once and tried again a minute later.
    """
    task_status.started()
    while True:
        try:
            await keep_up(store, health, retention(), now())
        except StoreError as error:
            if str(error) != health.error:
                _log.warning("history cannot be made smaller, and waits", error=str(error))
            health.error = str(error)
            health.errors += 1
        else:
            health.error = ""
        await trio.sleep(EVERY_SECONDS)


async def keep_up(store: Store, health: UpkeepHealth, retention: Retention, now: datetime) -> None:
    """Do all that there is to do at ``now``. Raises StoreError."""
    before = epoch_ms(now - SEAL_AFTER)
    while hours := await store.read(hours_to_seal, before):
        await _seal(store, health, hours)
    if health.pruned_at is None or now - health.pruned_at >= PRUNE_EVERY:
        await _prune(store, borders(retention, now))
        health.pruned_at = now
    some = True
    while some:
        some = await store.give_back()
        await trio.sleep(PAUSE_SECONDS)


async def _seal(store: Store, health: UpkeepHealth, hours: Sequence[Hour]) -> None:
    for start in range(0, len(hours), PORTION):
        portion = hours[start : start + PORTION]
        await store.write(seal_hours, portion)
        health.sealed += len(portion)
        await trio.sleep(PAUSE_SECONDS)


async def _prune(store: Store, drop: Borders) -> None:
    series = await store.read(all_series)
    for start in range(0, len(series), PORTION):
        portion: Sequence[int] = series[start : start + PORTION]
        while portion:
            portion = await store.write(prune, portion, drop)
            await trio.sleep(PAUSE_SECONDS)
    more = True
    while more:
        more = await store.write(prune_deeds, drop)
        await trio.sleep(PAUSE_SECONDS)
