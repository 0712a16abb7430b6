"""Takes keys that have changed from the queue and reconciles them."""

import random
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final, NamedTuple, TypeAlias

import trio

from kubekuma.kit.contain import contain
from kubekuma.kit.workqueue import WorkQueue
from kubekuma.model.meta import Key

WORKERS: Final = 4
# A portion between two checkpoints: thousands of keys come at once after a start.
PORTION: Final = 50


class Item(NamedTuple):
    """One object that may have changed."""

    kind: str
    key: Key


Reconcile: TypeAlias = Callable[[Key], Awaitable[None]]


async def run_reconciler(
    queue: WorkQueue[Item],
    registry: Mapping[str, Reconcile],
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Reconcile every item of ``queue``, for ever; ``registry`` says how, by kind.

    Ownership: takes from ``queue``; anybody may add.
    Shutdown: by cancelling; everything is reconciled again after the next start.
    Failure: an item that fails comes again, later each time.
    """

    async def work() -> None:
        done = 0
        while True:
            item = await queue.take()
            error = await contain(
                partial(registry[item.kind], item.key),
                failed="object could not be reconciled",
                kind=item.kind,
                namespace=item.key.namespace,
                name=item.key.name,
            )
            if error is None:
                queue.done(item)
            else:
                queue.failed(item, random.random())  # noqa: S311 - spreads retries
            done += 1
            if done % PORTION == 0:
                await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as workers:
        for _ in range(WORKERS):
            workers.start_soon(work)
        task_status.started()
