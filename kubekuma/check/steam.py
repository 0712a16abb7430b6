"""Steam checker: a game server answers A2S_INFO, with its challenge and in one packet or several.

The protocol is Valve's: developer.valvesoftware.com/wiki/Server_queries.
"""

import bz2
import struct
from collections.abc import Iterator, Sequence
from typing import Final

import attrs

from kubekuma.check.context import Check
from kubekuma.check.datagram import Datagrams, open_datagrams
from kubekuma.check.finding import CheckFailed, Finding
from kubekuma.check.judge_service import judge_service
from kubekuma.model.criteria import SteamCriteria, SuccessCriteria
from kubekuma.model.result import Reason
from kubekuma.model.target import SteamTarget

MOST_PACKETS: Final = 32
MOST_BYTES: Final = 64 * 1024
_SINGLE, _SPLIT = b"\xff\xff\xff\xff", b"\xfe\xff\xff\xff"
_ASK: Final = _SINGLE + b"TSource Engine Query\0"
_CHALLENGE, _INFO = b"A", b"I"


@attrs.frozen(kw_only=True)
class Info:
    """What a server says of itself."""

    name: str
    map: str
    game: str
    players: int
    most_players: int


async def check_steam(
    target: SteamTarget, criteria: SuccessCriteria, check: Check
) -> Sequence[Finding]:
    """Ask for the server's information; its players, map and name are what is judged."""
    datagrams = await open_datagrams(target.host, target.port, check)
    try:
        info = await _ask(datagrams)
    finally:
        datagrams.close()
    check.trace.finish()
    shown = f"{info.players}/{info.most_players} players on {info.map}, {info.name}"
    check.trace.say("< %s (%s)", shown, info.game)
    found = list(_judge(info, criteria.steam or SteamCriteria(), check))
    return [*found, *judge_service("steam", str(info.players), criteria, check)]


async def _ask(datagrams: Datagrams) -> Info:
    answer = await datagrams.ask(_ASK, _Parts().take)
    if answer[:1] == _CHALLENGE:
        challenge = answer[1:5]
        # The challenge may come again, for a question that was sent twice.
        answer = await datagrams.ask(_ASK + challenge, _Parts(expected=_INFO).take)
    if answer[:1] != _INFO:
        raise CheckFailed(Reason.PROTOCOL_ERROR, "the answer is not A2S_INFO")
    try:
        return read_info(answer)
    except (ValueError, struct.error, IndexError) as error:
        message = "the answer is not A2S_INFO: it is cut short"
        raise CheckFailed(Reason.PROTOCOL_ERROR, message) from error


class _Parts:
    """Packets of one answer, put together."""

    def __init__(self, expected: bytes = _INFO + _CHALLENGE) -> None:
        self._expected = expected
        self._parts: dict[int, dict[int, bytes]] = {}

    def take(self, data: bytes) -> bytes | None:
        """Take in a packet; return the answer once it is whole."""
        if data[:4] == _SINGLE:
            return self._wanted(data[4:])
        if data[:4] != _SPLIT or len(data) < 12:
            return None
        identity, total, number = struct.unpack("<IBB", data[4:10])
        if not 0 < total <= MOST_PACKETS or number >= total or len(self._parts) > MOST_PACKETS:
            return None
        parts = self._parts.setdefault(identity, {})
        # After the number comes the size of a packet, which the packets themselves tell.
        parts[number] = data[12:]
        if len(parts) < total:
            return None
        whole = b"".join(parts[each] for each in range(total))
        if identity & 0x80000000:
            whole = _unpacked(whole)
        return self._wanted(whole[4:]) if whole[:4] == _SINGLE else None

    def _wanted(self, answer: bytes) -> bytes | None:
        return answer if answer[:1] and answer[:1] in self._expected else None


def _unpacked(packed: bytes) -> bytes:
    # Its size and checksum come first.
    try:
        return bz2.BZ2Decompressor().decompress(packed[8:], MOST_BYTES)
    except (OSError, EOFError):
        return b""


def read_info(answer: bytes) -> Info:
    """Read A2S_INFO, from its type on. Raises ValueError, IndexError or struct.error."""
    rest = answer[2:]
    texts = []
    for _ in range(4):
        text, end, rest = rest.partition(b"\0")
        if not end:
            raise ValueError("a text has no end")
        texts.append(text.decode("utf-8", "replace"))
    name, played, _, game = texts
    _, players, most = struct.unpack("<HBB", rest[:4])
    return Info(name=name, map=played, game=game, players=players, most_players=most)


def _judge(info: Info, wanted: SteamCriteria, check: Check) -> Iterator[Finding]:
    if wanted.min_players is not None and info.players < wanted.min_players:
        message = f"{info.players} are playing and should be at least {wanted.min_players}"
        yield Finding(Reason.VALUE_MISMATCH, message)
    if wanted.max_players is not None and info.players > wanted.max_players:
        message = f"{info.players} are playing and should be at most {wanted.max_players}"
        yield Finding(Reason.VALUE_MISMATCH, message)
    if wanted.map is not None and info.map != wanted.map:
        message = f"the map is {check.show(info.map)} and should be {check.show(wanted.map)}"
        yield Finding(Reason.VALUE_MISMATCH, message)
