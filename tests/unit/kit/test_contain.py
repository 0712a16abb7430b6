"""One item's failure stays with that item, and cancellation passes through."""

import pytest
import trio
from structlog.testing import capture_logs

from kubekuma.kit.contain import contain


async def test_a_failure_becomes_a_log_line_and_is_returned() -> None:
    async def run() -> None:
        await trio.lowlevel.checkpoint()
        raise KeyError("gone")

    with capture_logs() as logs:
        error = await contain(run, failed="it failed", name="web")
    assert isinstance(error, KeyError)
    assert [(each["event"], each["name"], each["log_level"]) for each in logs] == [
        ("it failed", "web", "error")
    ]


async def test_success_returns_nothing_and_says_nothing() -> None:
    with capture_logs() as logs:
        assert await contain(trio.lowlevel.checkpoint, failed="it failed") is None
    assert logs == []


async def test_cancellation_is_not_a_failure() -> None:
    with capture_logs() as logs, trio.move_on_after(0) as scope:
        await contain(trio.sleep_forever, failed="it failed")
    assert scope.cancelled_caught
    assert logs == []


async def test_what_is_no_exception_of_the_item_is_not_held_up() -> None:
    async def run() -> None:
        await trio.lowlevel.checkpoint()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await contain(run, failed="it failed")
