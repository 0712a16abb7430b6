"""The steam checker against a game server of our own, by Valve's description: none is packaged."""

import bz2
import struct
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from fakes.targets import check_context, monitor_of

from kubekuma.check.run import run_check
from kubekuma.model.criteria import SteamCriteria, SuccessCriteria
from kubekuma.model.monitor import MonitorType
from kubekuma.model.result import CheckResult, Reason
from kubekuma.model.target import SteamTarget

SINGLE = b"\xff\xff\xff\xff"
ASKED = SINGLE + b"TSource Engine Query\0"
INFO = b"I\x11Fun & Games\0de_dust2\0csgo\0Counter-Strike\0" + struct.pack("<HBBB", 730, 7, 16, 0)


def single(answer: bytes) -> list[bytes]:
    return [SINGLE + answer]


def split(answer: bytes, *, packed: bool = False) -> list[bytes]:
    whole, identity = SINGLE + answer, 17
    if packed:
        whole = struct.pack("<II", len(whole), zlib.crc32(whole)) + bz2.compress(whole)
        identity |= 0x80000000
    parts = [whole[at : at + 20] for at in range(0, len(whole), 20)]
    head = b"\xfe\xff\xff\xff"
    packets = [
        head + struct.pack("<IBBH", identity, len(parts), number, 1248) + part
        for number, part in enumerate(parts)
    ]
    return packets[::-1]  # in any order


@asynccontextmanager
async def game(
    answer: Callable[[bytes], list[bytes]], *, challenges: bool = True, says: bytes = INFO
) -> AsyncIterator[int]:
    sock = trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM)
    await sock.bind(("127.0.0.1", 0))
    challenge = b"\x0a\x0b\x0c\x0d"

    async def serve() -> None:
        while True:
            asked, client = await sock.recvfrom(4096)
            if not asked.startswith(ASKED):
                continue
            told = says
            if challenges and asked[len(ASKED) :] != challenge:
                told = b"A" + challenge
            for packet in answer(told):
                await sock.sendto(packet, client)

    with sock:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve)
            yield sock.getsockname()[1]
            nursery.cancel_scope.cancel()


async def check(port: int, **wanted: Any) -> CheckResult:
    criteria = SuccessCriteria(steam=SteamCriteria(**wanted))
    target = SteamTarget(host="127.0.0.1", port=port)
    monitor = monitor_of(MonitorType.STEAM, target, criteria, timeout_seconds=2)
    return await run_check(monitor, check_context(), transcript=True)


def packed(answer: bytes) -> list[bytes]:
    return split(answer, packed=True)


@pytest.mark.parametrize("answer", [single, split, packed])
@pytest.mark.parametrize("challenges", [True, False])
async def test_information_in_one_packet_or_several(
    answer: Callable[[bytes], list[bytes]], *, challenges: bool
) -> None:
    async with game(answer, challenges=challenges) as port:
        result = await check(port, min_players=7, max_players=7, map="de_dust2")
    assert result.reason is Reason.PASSED, result.message
    assert "7/16 players on de_dust2, Fun & Games (Counter-Strike)" in result.transcript[-1]


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"min_players": 8}, "7 are playing and should be at least 8"),
        ({"max_players": 6}, "7 are playing and should be at most 6"),
        ({"map": "cs_office"}, 'the map is "de_dust2" and should be "cs_office"'),
    ],
)
async def test_what_is_wanted(wanted: Any, said: str) -> None:
    async with game(single) as port:
        result = await check(port, **wanted)
    assert (result.reason, result.message) == (Reason.VALUE_MISMATCH, said)


async def test_an_answer_that_is_cut_short() -> None:
    async with game(single, says=INFO[:30]) as port:
        result = await check(port)
    assert result.reason is Reason.PROTOCOL_ERROR
