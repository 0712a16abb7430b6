"""The beginning of a TDS connection, up to the login, and what goes around it ([MS-TDS]).

By hand, as the library knows TLS only with pyOpenSSL, an authority in a file, and a name that it
compares itself. It is told that the login goes in the clear, which then is ours to encrypt.
"""

import struct
from typing import Final

from kubekuma.check.finding import CheckFailed
from kubekuma.check.reader import Reader
from kubekuma.check.wire import Wire
from kubekuma.model.result import Reason

_PRELOGIN, _REPLY = 0x12, 0x04
_LAST: Final = 0x01
_VERSION, _ENCRYPTION, _MARS, _END = 0, 1, 4, 0xFF
_ON, _NOT_SUPPORTED, _REQUIRED = 1, 2, 3
_APPLICATION_DATA: Final = 23
_MOST_BYTES: Final = 4096
_HEAD: Final = struct.Struct(">BBHHBB")


class Framed:
    """A wire on which the handshake of TLS goes in packets of TDS, and nothing after it.

    So it is up to TLS 1.2, which is all that servers speak below TDS 8.
    """

    alpn: str | None = None

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._reader = Reader(wire)
        self._shaking = True

    async def send(self, data: bytes) -> None:
        """Send all of ``data``."""
        if self._shaking and data[:1] != bytes([_APPLICATION_DATA]):
            data = _packet(_PRELOGIN, data)
        else:
            self._shaking = False
        await self._wire.send(data)

    async def receive(self) -> bytes:
        """Receive what there is; ``b""`` at the end."""
        if not self._shaking:
            return await self._wire.receive()
        _, _, body = await _receive(self._reader)
        return body

    def received(self) -> bytes:
        """Nothing: who speaks TDS receives what it waits for."""
        return b""

    async def flush(self) -> None:
        """Do nothing: nothing ever waits."""

    def close(self) -> None:
        """Close at once."""
        self._wire.close()


class AfterPrelogin:
    """A wire to a server that has been spoken to, for a library that begins anew.

    Its first packet goes nowhere; the answer to it says that nothing here is encrypted.
    """

    alpn: str | None = None

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._answers = [_packet(_REPLY, _options(_NOT_SUPPORTED))]
        self._told = False

    async def send(self, data: bytes) -> None:
        """Send all of ``data``, unless it is the first."""
        if self._told:
            await self._wire.send(data)
        self._told = True

    async def receive(self) -> bytes:
        """Receive what there is; ``b""`` at the end."""
        return self._answers.pop() if self._answers else await self._wire.receive()

    def received(self) -> bytes:
        """Nothing: who speaks TDS receives what it waits for."""
        return b""

    async def flush(self) -> None:
        """Do nothing: nothing ever waits."""

    def close(self) -> None:
        """Close at once."""
        self._wire.close()


async def ask_for_tls(wire: Wire) -> Wire:
    """Agree with the server that all is encrypted; return what the handshake goes over."""
    if await _agree(wire, _ON) == _NOT_SUPPORTED:
        raise CheckFailed(Reason.TLS_FAILED, "the target does not offer TLS")
    return Framed(wire)


async def ask_for_none(wire: Wire) -> None:
    """Agree with the server that nothing is encrypted."""
    if await _agree(wire, _NOT_SUPPORTED) != _NOT_SUPPORTED:
        raise CheckFailed(Reason.TLS_FAILED, "the target lets nobody in without TLS")


async def _agree(wire: Wire, encryption: int) -> int:
    await wire.send(_packet(_PRELOGIN, _options(encryption)))
    reader, body = Reader(wire), b""
    while True:
        kind, status, part = await _receive(reader)
        body += part
        if kind != _REPLY or len(body) > _MOST_BYTES:
            raise no_tds()
        if status & _LAST:
            break
    if reader.waiting:
        # Whatever stands between us and the server could have put it there.
        raise no_tds()
    answer = _encryption(body)
    if encryption == _ON and answer not in {_ON, _REQUIRED, _NOT_SUPPORTED}:
        raise no_tds()
    return answer


def _encryption(body: bytes) -> int:
    at = 0
    while at + 5 <= len(body) and body[at] != _END:
        offset = int.from_bytes(body[at + 1 : at + 3], "big")
        if body[at] == _ENCRYPTION and offset < len(body):
            return body[offset]
        at += 5
    raise no_tds()


async def _receive(reader: Reader) -> tuple[int, int, bytes]:
    kind, status, size, *_ = _HEAD.unpack(await reader.exactly(_HEAD.size))
    if kind not in {_PRELOGIN, _REPLY} or size <= _HEAD.size:
        raise no_tds()
    return kind, status, await reader.exactly(size - _HEAD.size)


def _options(encryption: int) -> bytes:
    options = {_VERSION: bytes(6), _ENCRYPTION: bytes([encryption]), _MARS: b"\0"}
    head, data = b"", b""
    begin = 5 * len(options) + 1
    for option, value in options.items():
        head += struct.pack(">BHH", option, begin + len(data), len(value))
        data += value
    return head + bytes([_END]) + data


def _packet(kind: int, body: bytes) -> bytes:
    return _HEAD.pack(kind, _LAST, _HEAD.size + len(body), 0, 1, 0) + body


def no_tds() -> CheckFailed:
    """Say that the server does not speak the protocol."""
    return CheckFailed(Reason.PROTOCOL_ERROR, "the answer is not TDS")
