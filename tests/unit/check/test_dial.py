import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
import trio
import trio.testing
from fakes.targets import check_context, monitor_of, stall, start_target

from kubekuma.check.connect import connect, refuse_oneself
from kubekuma.check.run import run_check
from kubekuma.model.monitor import MonitorType
from kubekuma.model.result import Reason
from kubekuma.model.settings import AddressPolicy
from kubekuma.model.target import HttpTarget


@pytest.fixture
def clock() -> trio.testing.MockClock:
    # Not at once: the kernel hands loopback's bytes over in real time, if only just.
    return trio.testing.MockClock(autojump_threshold=0.05)


@contextmanager
def black_hole(address: str, port: int = 0) -> Iterator[int]:
    """Give a port whose queue is full: the kernel drops every attempt to connect to it."""
    with ExitStack() as held:
        listener = held.enter_context(socket.socket())
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(0)
        found: int = listener.getsockname()[1]
        for _ in range(3):
            filler = held.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex((address, found))
        yield found


async def test_a_target_that_does_not_even_connect_times_out_connecting(
    clock: trio.testing.MockClock,
) -> None:
    with black_hole("127.0.0.1") as port:
        monitor = monitor_of(MonitorType.HTTP, HttpTarget(url=f"http://127.0.0.1:{port}/"))
        result = await run_check(monitor, check_context())
    assert result.reason is Reason.TIMEOUT
    assert result.message == f"timed out after 5 s while connecting to 127.0.0.1:{port}"
    assert result.timings.connect == clock.current_time() == pytest.approx(5)


async def test_beside_an_address_that_hangs_the_next_one_is_tried(
    nursery: trio.Nursery, clock: trio.testing.MockClock
) -> None:
    target = await start_target(nursery, stall, read=False)
    with black_hole("127.0.0.9", target.port):
        connection = await connect(["127.0.0.9", "127.0.0.1"], target.port)
    with connection.sock:
        assert connection.address == "127.0.0.1"
    assert clock.current_time() == pytest.approx(0.25, abs=0.01)


async def test_only_the_winner_of_a_race_stays_open(nursery: trio.Nursery) -> None:
    target = await start_target(nursery, stall, read=False)
    connection = await connect(["127.0.0.1", "127.0.0.1", "127.0.0.1"], target.port)
    with connection.sock:
        await trio.testing.wait_all_tasks_blocked()
        assert target.open <= 1
        assert connection.address == "127.0.0.1"


async def test_a_socket_that_reached_only_itself_is_refused() -> None:
    with trio.socket.socket() as sock:
        await sock.bind(("127.0.0.1", 0))
        await sock.connect(sock.getsockname())
        with pytest.raises(ConnectionRefusedError):
            refuse_oneself(sock)


async def test_an_address_that_stands_for_a_denied_one_is_denied(nursery: trio.Nursery) -> None:
    target = await start_target(nursery, stall)
    policy = AddressPolicy(allow_cidrs=("0.0.0.0/8",))
    url = f"http://0.0.0.0:{target.port}/"
    monitor = monitor_of(MonitorType.HTTP, HttpTarget(url=url))
    result = await run_check(monitor, check_context(targets=policy))
    assert result.reason is Reason.ADDRESS_DENIED
    assert "127.0.0.1" in result.message
    with trio.fail_after(1):
        await target.wait_closed()
    assert target.requests == [b""]
