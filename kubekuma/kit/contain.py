"""One item's failure stays with that item."""

from collections.abc import Awaitable, Callable

import structlog

_log = structlog.get_logger(__name__)


async def contain(
    run: Callable[[], Awaitable[object]], *, failed: str, **about: object
) -> Exception | None:
    """Await ``run()``; an exception becomes a log line ``failed`` and is returned.

    This is the one place that catches everything. Cancellation passes through.
    """
    try:
        await run()
    except Exception as error:  # noqa: BLE001 - what this function is for
        _log.exception(failed, **about, error=repr(error))
        return error
    return None
