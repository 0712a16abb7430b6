"""What counts as an answer of a witness, on real sockets of loopback."""

import socket
from collections.abc import Iterator

import pytest
import trio
import trio.testing
from fakes.targets import check_context

from kubekuma.check.context import Check
from kubekuma.check.sight import Heard
from kubekuma.check.trace import Trace
from kubekuma.check.witness import PROBE_SECONDS, ask_witness
from kubekuma.model.meta import Key, ObjectMeta
from kubekuma.model.settings import AddressPolicy

# Of which network, loopback does not say.
ANSWERED = Heard(answered=True)
SILENT = Heard(answered=False)


def check() -> Check:
    # Rules for targets do not hold for witnesses.
    context = check_context(targets=AddressPolicy())
    return Check(meta=ObjectMeta(key=Key("", "test")), context=context, trace=Trace())


@pytest.fixture
def port() -> Iterator[int]:
    """A port that is bound, so that nobody else listens there, and refuses."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


async def test_who_accepts_is_there() -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        port = listener.socket.getsockname()[1]
        for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]"):
            assert await ask_witness(f"{host}:{port}", check()) == ANSWERED


async def test_who_refuses_is_there(port: int) -> None:
    assert await ask_witness(f"127.0.0.1:{port}", check()) == ANSWERED


async def test_a_name_that_is_not_found_is_silent() -> None:
    assert await ask_witness("witness.invalid:443", check()) == SILENT


async def test_silence_is_waited_for_no_longer_than_a_probe(
    autojump_clock: trio.testing.MockClock,
) -> None:
    del autojump_clock
    with trio.socket.socket() as full:
        await full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        async with await trio.open_tcp_stream("127.0.0.1", port):
            # Nobody takes that one, and there is place for no more.
            began = trio.current_time()
            assert await ask_witness(f"127.0.0.1:{port}", check()) == SILENT
            assert trio.current_time() - began == PROBE_SECONDS


async def test_without_descriptors_nobody_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("kubekuma.check.connect.trio.socket.socket", refuse)
    assert await ask_witness("192.0.2.1:443", check()) == ANSWERED
