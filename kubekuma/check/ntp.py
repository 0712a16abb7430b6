"""NTP checker: the time server is synchronized, and its clock agrees with ours (RFC 5905)."""

import secrets
import struct
from collections.abc import Iterator, Sequence
from typing import Final

import attrs
import trio

from kubekuma.check.context import Check
from kubekuma.check.datagram import open_datagrams
from kubekuma.check.finding import CheckFailed, Finding
from kubekuma.check.judge_service import judge_service
from kubekuma.model.criteria import NtpCriteria, SuccessCriteria
from kubekuma.model.result import Reason
from kubekuma.model.target import NtpTarget

# From 1900, where NTP begins, to 1970.
_EPOCH_SECONDS: Final = 2_208_988_800
_ERA_SECONDS: Final = 2**32
_PACKET: Final = struct.Struct(">BBbb II 4s QQQQ")
_CLIENT, _SERVER, _VERSION = 3, 4, 4
_UNSYNCHRONIZED_LEAP: Final = 3
_UNSYNCHRONIZED_STRATUM: Final = 16


@attrs.frozen(kw_only=True)
class Reply:
    """What a server says of itself; ``offset`` in seconds, positive if it is ahead of us."""

    leap: int
    stratum: int
    reference: bytes
    received: float
    sent: float


async def check_ntp(
    target: NtpTarget, criteria: SuccessCriteria, check: Check
) -> Sequence[Finding]:
    """Ask once, and compare clocks by the four times of the exchange."""
    datagrams = await open_datagrams(target.host, target.port, check)
    # Not our time but a number that cannot be guessed: an answer must repeat it.
    cookie = secrets.randbits(64)
    asked_at, asked = check.context.now().timestamp(), trio.current_time()
    question = _PACKET.pack(_VERSION << 3 | _CLIENT, *(0, 0, 0, 0, 0, b"", 0, 0, 0), cookie)
    try:
        reply = await datagrams.ask(question, lambda data: read(data, cookie))
    finally:
        datagrams.close()
    took = trio.current_time() - asked
    check.trace.finish()
    kiss = reply.reference.rstrip(b"\0")
    if reply.stratum == 0 and kiss.isalpha():
        said = f"the server sends us away ({kiss.decode('ascii')})"
        raise CheckFailed(Reason.COMMAND_FAILED, said)
    # Half of what the way took, in each direction, less what the server took.
    way = max(0.0, took - (reply.sent - reply.received)) / 2
    offset = _wrapped(reply.received - (asked_at + way))
    check.trace.say("stratum %s, offset %.3f ms", reply.stratum, offset * 1000)
    found = list(_judge(reply, offset, criteria.ntp or NtpCriteria()))
    return [*found, *judge_service("ntp", f"{offset * 1000:.3f}", criteria, check)]


def read(data: bytes, cookie: int) -> Reply | None:
    """Read an answer to the question that carried ``cookie``; None for all else."""
    if len(data) < _PACKET.size:
        return None
    first, stratum, _, _, _, _, reference, _, origin, received, sent = _PACKET.unpack(
        data[: _PACKET.size]
    )
    if first & 7 != _SERVER or origin != cookie:
        return None
    return Reply(
        leap=first >> 6,
        stratum=stratum,
        reference=reference,
        received=_seconds(received),
        sent=_seconds(sent),
    )


def _judge(reply: Reply, offset: float, wanted: NtpCriteria) -> Iterator[Finding]:
    if reply.leap == _UNSYNCHRONIZED_LEAP or not 0 < reply.stratum < _UNSYNCHRONIZED_STRATUM:
        yield Finding(Reason.CLOCK_WRONG, "the server's own clock is not synchronized")
        return
    if wanted.max_stratum is not None and reply.stratum > wanted.max_stratum:
        message = f"the stratum is {reply.stratum} and should be at most {wanted.max_stratum}"
        yield Finding(Reason.CLOCK_WRONG, message)
    if wanted.max_offset_ms is not None and abs(offset) * 1000 > wanted.max_offset_ms:
        message = f"its clock is {offset * 1000:+.0f} ms from ours"
        yield Finding(Reason.CLOCK_WRONG, f"{message}, and may be {wanted.max_offset_ms}")


def _seconds(stamp: int) -> float:
    return stamp / _ERA_SECONDS - _EPOCH_SECONDS


def _wrapped(seconds: float) -> float:
    # In 2036 the seconds of NTP begin anew.
    return (seconds + _ERA_SECONDS / 2) % _ERA_SECONDS - _ERA_SECONDS / 2
