"""One request and its answer over one connection: HTTP/2 by h2, bounded in every direction."""

from typing import Final

import attrs
import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings
import trio

from kubekuma.check.answer import Answer
from kubekuma.check.exchange import (
    EVENTS_IN_A_ROW,
    MAX_HEAD_BYTES,
    MAX_HEADERS,
    MAX_INTERIM_ANSWERS,
    Wanted,
    exchange,
    say_head,
    too_large,
)
from kubekuma.check.finding import CheckFailed
from kubekuma.check.redirect import redirects
from kubekuma.check.request import Request
from kubekuma.check.trace import Phase, Trace
from kubekuma.check.wire import Wire
from kubekuma.model.result import Reason

MAX_FRAME_BYTES: Final = 64 * 1024
_ACK: Final = 1
# Headers that belong to a connection, which HTTP/2 has frames for.
_NOT_SENT: Final = frozenset({b"host", b"connection", b"transfer-encoding", b"upgrade"})


async def exchange_agreed(wire: Wire, request: Request, wanted: Wanted, trace: Trace) -> Answer:
    """As ``exchange``, in the version of HTTP that was agreed on in the TLS handshake."""
    talk = exchange_h2 if wire.alpn == "h2" else exchange
    return await talk(wire, request, wanted, trace)


async def exchange_h2(wire: Wire, request: Request, wanted: Wanted, trace: Trace) -> Answer:
    """Send ``request`` over ``wire`` and read the answer. Leaves ``wire`` open."""
    talk = _Talk(wire, wanted, trace)
    trace.enter(Phase.FIRST_BYTE, f"waiting for {request.url.authority} to answer")
    try:
        await talk.send(request)
        return await talk.answer()
    except h2.exceptions.DenialOfServiceError as error:
        raise too_large() from error
    except (h2.exceptions.ProtocolError, ValueError) as error:
        message = f"the answer is not HTTP/2 ({type(error).__name__})"
        raise CheckFailed(Reason.PROTOCOL_ERROR, message) from error


class FrameType:
    """Types of frames (RFC 9113, section 6), as they stand in their heads."""

    SETTINGS: Final = 4
    GOAWAY: Final = 7
    WINDOW_UPDATE: Final = 8


class _Talk:
    """One stream of one connection."""

    def __init__(self, wire: Wire, wanted: Wanted, trace: Trace) -> None:
        self._wire = wire
        self._wanted = wanted
        self._trace = trace
        # What is sent is in order: ``_headers`` and validation have seen to it.
        config = h2.config.H2Configuration(
            client_side=True,
            header_encoding=None,
            normalize_outbound_headers=False,
            validate_outbound_headers=False,
        )
        self._h2 = h2.connection.H2Connection(config)
        self._frames = _Frames(uploads=False)
        self._head: Answer | None = None
        self._trailers: list[tuple[bytes, bytes]] = []
        self._chunks: list[bytes] = []
        self._size = 0
        self._interim = 0
        self._done = False

    async def send(self, request: Request) -> None:
        """Send all of ``request``, as fast as the target takes it."""
        self._frames = _Frames(uploads=bool(request.body))
        settings = h2.settings.SettingCodes
        self._h2.local_settings = h2.settings.Settings(
            client=True,
            initial_values={
                settings.ENABLE_PUSH: 0,
                settings.MAX_HEADER_LIST_SIZE: MAX_HEAD_BYTES,
            },
        )
        self._h2.initiate_connection()
        if self._trace.wanted:
            self._trace.say("> %s %s HTTP/2", request.method, request.url.shown_target)
            for field in request.fields:
                self._trace.say("> %s", field.shown)
        self._h2.send_headers(1, _headers(request), end_stream=not request.body)
        # Servers say first what they are like: the answer to that goes along with the request.
        if greeting := self._wire.received():
            await self._digest(greeting)
        await self._flush()
        body = memoryview(request.body)
        # A server may answer before it has read everything.
        while body and self._head is None and not self._done:
            size = min(self._h2.local_flow_control_window(1), self._h2.max_outbound_frame_size)
            if size <= 0:
                await self._receive()
                continue
            self._h2.send_data(1, bytes(body[:size]), end_stream=len(body) <= size)
            body = body[size:]
            await self._flush()

    async def answer(self) -> Answer:
        """Read to the end of the answer, or to the limit."""
        while not self._done:
            await self._receive()
        if self._head is None:
            raise CheckFailed(Reason.PROTOCOL_ERROR, "there is no answer in the answer")
        body = b"".join(self._chunks)
        return attrs.evolve(self._head, body=body, trailers=tuple(self._trailers))

    async def _receive(self) -> None:
        data = await self._wire.receive()
        if not data:
            when = "within its answer" if self._head else "without an answer"
            raise CheckFailed(Reason.CONNECTION_CLOSED, f"the target hung up {when}")
        await self._digest(data)
        if not self._done:
            await self._flush()

    async def _digest(self, data: bytes) -> None:
        frames = self._frames.telling(data)
        for number, event in enumerate(self._h2.receive_data(frames), 1):
            self._take(event)
            if number % EVENTS_IN_A_ROW == 0:
                await trio.lowlevel.checkpoint()
            if self._done:
                return

    async def _flush(self) -> None:
        if data := self._h2.data_to_send():
            await self._wire.send(data)

    def _take(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.InformationalResponseReceived():
                self._interim += 1
                if self._interim > MAX_INTERIM_ANSWERS:
                    raise CheckFailed(Reason.PROTOCOL_ERROR, "there are only interim answers (1xx)")
            case h2.events.ResponseReceived(headers=headers):
                self._begin(headers)
            case h2.events.TrailersReceived(headers=headers):
                self._trailers = [(bytes(name), bytes(value)) for name, value in headers]
            case h2.events.DataReceived(data=data, flow_controlled_length=size):
                self._h2.acknowledge_received_data(size, 1)
                self._collect(data)
            case h2.events.StreamEnded():
                self._done = True
            case h2.events.StreamReset(error_code=code):
                message = f"the target reset the stream ({_name(code)})"
                raise CheckFailed(Reason.CONNECTION_RESET, message)
            case h2.events.ConnectionTerminated(error_code=code):
                message = f"the target ended the connection ({_name(code)})"
                raise CheckFailed(Reason.CONNECTION_CLOSED, message)
            case _:
                pass

    def _begin(self, headers: list[tuple[bytes, bytes]]) -> None:
        self._trace.enter(Phase.TRANSFER, "reading the answer")
        status = next(int(value) for name, value in headers if name == b":status")
        fields = [(bytes(name), bytes(value)) for name, value in headers if name[:1] != b":"]
        if len(fields) > MAX_HEADERS:
            raise too_large()
        self._trace.status_code = status
        if self._trace.wanted:
            say_head(f"HTTP/2 {status}", fields, self._trace)
        self._head = Answer(status=status, headers=fields)
        self._done = self._wanted.redirects and redirects(self._head)

    def _collect(self, data: bytes) -> None:
        self._size += len(data)
        if self._wanted.body:
            self._chunks.append(data)
        if self._size <= self._wanted.max_body_bytes:
            return
        if self._wanted.body:
            message = f"the body is longer than {self._wanted.max_body_bytes} bytes"
            raise CheckFailed(Reason.BODY_TOO_LARGE, message)
        self._done = True


class _Frames:
    """What is received, in whole frames. ``uploads``: there is a body to be sent."""

    def __init__(self, *, uploads: bool) -> None:
        self._uploads = uploads
        self._buffer = b""

    def telling(self, data: bytes) -> bytes:
        """Leave out what says nothing to whoever asks for one thing.

        Farewells of servers that still answer: for h2 a connection ends with any GOAWAY (RFC 9113,
        section 6.8), but nginx says it at once where connections are not kept. And how much may be
        sent, where nothing is; that our settings were read.
        """
        self._buffer += data
        at = start = 0
        kept: list[bytes] = []
        while at + 9 <= len(self._buffer):
            size = 9 + int.from_bytes(self._buffer[at : at + 3], "big")
            if at + size > len(self._buffer):
                break
            frame = self._buffer[at : at + size]
            if self._says_nothing(frame):
                kept.append(self._buffer[start:at])
                start = at + size
            at += size
        kept.append(self._buffer[start:at])
        self._buffer = self._buffer[at:]
        if len(self._buffer) > MAX_FRAME_BYTES:
            raise h2.exceptions.FrameTooLargeError("a frame is larger than was agreed")
        return b"".join(kept)

    def _says_nothing(self, frame: bytes) -> bool:
        match frame[3]:
            case FrameType.GOAWAY:
                return _still_answers(frame[9:])
            case FrameType.WINDOW_UPDATE:
                return not self._uploads
            case FrameType.SETTINGS:
                return frame[4] == _ACK
            case _:
                return False


def _still_answers(payload: bytes) -> bool:
    last, code = int.from_bytes(payload[:4], "big"), int.from_bytes(payload[4:8], "big")
    return last & 0x7FFFFFFF >= 1 and code == h2.errors.ErrorCodes.NO_ERROR


def _headers(request: Request) -> list[tuple[bytes, bytes]]:
    named = {field.name.lower(): field.value for field in request.fields}
    own = [
        (field.name.lower(), field.value)
        for field in request.fields
        if field.name.lower() not in _NOT_SENT
    ]
    return [
        (b":method", request.method.encode("ascii")),
        (b":scheme", request.url.scheme.encode("ascii")),
        (b":authority", named.get(b"host", request.url.authority.encode("ascii"))),
        (b":path", request.url.target.encode("ascii")),
        *own,
    ]


def _name(code: int | h2.errors.ErrorCodes | None) -> str:
    return code.name if isinstance(code, h2.errors.ErrorCodes) else str(code)
