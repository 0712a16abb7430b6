"""What people are shown of a check: something useful however it ends."""

import socket
from typing import Any

import pytest
import trio
import trio.testing
from fakes.targets import check_context, monitor_of, stall, start_resolver, start_target

from kubekuma.check.run import run_check
from kubekuma.model.monitor import MonitorType
from kubekuma.model.settings import AddressPolicy
from kubekuma.model.target import HttpTarget, TcpTarget


@pytest.fixture
def clock() -> trio.testing.MockClock:
    # Not at once: the kernel hands loopback's bytes over in real time, if only just.
    return trio.testing.MockClock(autojump_threshold=0.05)


async def shown(host: str, port: int, *, context: Any = None, **fields: Any) -> list[str]:
    monitor = monitor_of(MonitorType.TCP, TcpTarget(host=host, port=port, **fields))
    result = await run_check(monitor, context or check_context(), transcript=True)
    return list(result.transcript)


async def test_a_connection_is_shown_from_its_beginning(nursery: trio.Nursery) -> None:
    target = await start_target(nursery, b"220 hello\r\n", stall, read=False)
    lines = await shown("127.0.0.1", target.port, send="HELO\r\n", expect="hello")
    place = f"127.0.0.1:{target.port}"
    assert lines[0] == f"connecting to {place}"
    assert lines[1].startswith(f"connected to {place} in ")
    assert lines[2:] == ["> HELO\ufffd\ufffd", "< 220 hello\ufffd\ufffd"]


async def test_a_refusal_is_shown_with_how_long_it_took() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        begun, failed = await shown("127.0.0.1", port)
    assert begun == f"connecting to 127.0.0.1:{port}"
    took, _, why = failed.removeprefix("failed after ").partition(" ms: ")
    assert 0 <= float(took) < 1000
    assert why == f"Connection refused while connecting to 127.0.0.1:{port}"


async def test_a_timeout_is_shown_with_what_was_going_on(
    nursery: trio.Nursery, clock: trio.testing.MockClock
) -> None:
    target = await start_target(nursery, stall)
    monitor = monitor_of(MonitorType.HTTP, HttpTarget(url=target.url))
    result = await run_check(monitor, check_context(), transcript=True)
    assert clock.current_time() == pytest.approx(5)
    assert result.transcript[-1].startswith("failed after 5000.")
    assert result.transcript[-1].endswith(f" ms: {result.message}")


async def test_an_address_that_is_denied_is_shown_although_nothing_was_done() -> None:
    lines = await shown("127.0.0.1", 1, context=check_context(targets=AddressPolicy()))
    assert lines == ["failed: 127.0.0.1 is denied by default (loopback)"]


async def test_a_name_is_shown_with_who_is_asked_for_it(nursery: trio.Nursery) -> None:
    resolver = await start_resolver(nursery, {})
    lines = await shown("gone.example", 1, context=check_context(resolvers=(resolver,)))
    assert lines[0] == "resolving gone.example by 127.0.0.1"
    assert lines[1].startswith("failed after ")
    assert lines[1].endswith(" ms: there is no host gone.example")


async def test_all_addresses_that_are_tried_are_shown(nursery: trio.Nursery) -> None:
    target = await start_target(nursery, stall, read=False)
    zone = {"web.example": ["127.0.0.1", "127.0.0.2"]}
    context = check_context(resolvers=(await start_resolver(nursery, zone),))
    lines = await shown("web.example", target.port, context=context)
    (line,) = (each for each in lines if each.startswith("connecting to "))
    tried = line.removeprefix("connecting to ").split(", ")
    assert sorted(tried) == [f"127.0.0.1:{target.port}", f"127.0.0.2:{target.port}"]
