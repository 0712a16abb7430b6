"""A dead man's switch outside: hears from us while we work, and why if we do not."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import attrs
import structlog
import trio

from kubekuma.deliver.request import Request
from kubekuma.deliver.send import NotSent
from kubekuma.model.meta import SecretKeyRef
from kubekuma.model.settings import Heartbeat

_log = structlog.get_logger(__name__)

LEAST_SHARE: Final = 0.9
OLDEST_MESSAGE: Final = timedelta(minutes=10)
# How soon a change of the settings is seen.
LOOK_SECONDS: Final = 10.0


@attrs.frozen(kw_only=True)
class Work:
    """What was done since the program began, and what waits."""

    checks_begun: int
    checks_skipped: int
    checks_waiting: int
    commits: int
    database_error: str
    oldest_message: datetime | None  # in the outbox

    def ailment(self, before: "Work", now: datetime) -> str:
        """What is wrong since ``before``; empty: nothing."""
        if self.database_error:
            return f"history waits to be written: {self.database_error}"
        begun = self.checks_begun - before.checks_begun
        left = self.checks_skipped - before.checks_skipped + self.checks_waiting
        if begun < LEAST_SHARE * (begun + left):
            return f"{begun} of {begun + left} checks that were due were made"
        if begun and self.commits == before.commits:
            return "checks were made, and nothing was written"
        if self.oldest_message is not None and now - self.oldest_message > OLDEST_MESSAGE:
            minutes = int((now - self.oldest_message).total_seconds() // 60)
            return f"a message waits for {minutes} min to be sent"
        return ""


async def run_signs_of_life(
    settings: Callable[[], Heartbeat | None],
    secret: Callable[[SecretKeyRef], Awaitable[bytes | None]],
    work: Callable[[], Awaitable[Work]],
    send: Callable[[Request], Awaitable[object]],
    now: Callable[[], datetime],
) -> None:
    """Give a sign each interval, for ever: that all is well, or at ``/fail`` why it is not.

    Shutdown: by cancelling. Who hears nothing more knows what that means.
    Failure: a sign that does not arrive is logged; ``work`` says what the
    database's errors mean.
    """
    before = await work()
    last = trio.current_time()
    while True:
        heartbeat = settings()
        if heartbeat is None:
            await trio.sleep(LOOK_SECONDS)
            before, last = await work(), trio.current_time()
            continue
        due = last + heartbeat.interval_seconds
        if trio.current_time() < due:
            await trio.sleep(min(due - trio.current_time(), LOOK_SECONDS))
            continue
        done = await work()
        await _sign(heartbeat, secret, done.ailment(before, now()), send)
        before, last = done, due if trio.current_time() < due + 1 else trio.current_time()


async def _sign(
    heartbeat: Heartbeat,
    secret: Callable[[SecretKeyRef], Awaitable[bytes | None]],
    ailment: str,
    send: Callable[[Request], Awaitable[object]],
) -> None:
    ref = heartbeat.url_from_secret_ref
    value = await secret(ref)
    if value is None:
        _log.warning("no sign of life", error=f"there is no Secret {ref.name} with a key {ref.key}")
        return
    url = value.decode("utf-8", "replace").strip()
    place = failing(url) if ailment else url
    try:
        await send(Request(url=place, body=ailment.encode(), secrets=(url,)))
    except NotSent as error:
        _log.warning("no sign of life", error=error.said)


def failing(url: str) -> str:
    """Where it is said that something is wrong, as Healthchecks and we ourselves have it."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/fail"))
