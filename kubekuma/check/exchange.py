"""One request and its answer over one connection: HTTP/1.1 by h11, bounded in every direction."""

from collections.abc import Sequence
from typing import Final, cast

import attrs
import h11
import trio

from kubekuma.check.answer import Answer
from kubekuma.check.finding import CheckFailed
from kubekuma.check.redact import HIDDEN
from kubekuma.check.redirect import redirects
from kubekuma.check.request import Request
from kubekuma.check.trace import Phase, Trace
from kubekuma.check.wire import Wire
from kubekuma.model.result import Reason

MAX_HEAD_BYTES: Final = 64 * 1024
MAX_HEADERS: Final = 256
MAX_INTERIM_ANSWERS: Final = 16
# A body in chunks of one byte must not keep the loop from everybody else.
EVENTS_IN_A_ROW: Final = 64
# Headers whose values let somebody in.
NOT_SHOWN: Final = frozenset({b"set-cookie", b"www-authenticate", b"authorization"})


@attrs.frozen(kw_only=True)
class Wanted:
    """How much of an answer is wanted."""

    body: bool  # keep it; otherwise it is read, but only so far as max_body_bytes allows
    max_body_bytes: int
    redirects: bool  # answers that redirect are left after their head


async def exchange(wire: Wire, request: Request, wanted: Wanted, trace: Trace) -> Answer:
    """Send ``request`` over ``wire`` and read the answer. Leaves ``wire`` open."""
    talk = _Talk(wire)
    trace.enter(Phase.FIRST_BYTE, f"waiting for {request.url.authority} to answer")
    await _send(talk, request, trace)
    head = await _read_head(talk, trace)
    answer = Answer(status=head.status_code, headers=list(head.headers))
    if wanted.redirects and redirects(answer):
        return answer
    body = await _read_body(talk, wanted)
    return attrs.evolve(answer, body=body) if body else answer


async def _send(talk: "_Talk", request: Request, trace: Trace) -> None:
    if trace.wanted:
        trace.say("> %s %s HTTP/1.1", request.method, request.url.shown_target)
        for field in request.fields:
            trace.say("> %s", field.shown)
    try:
        await talk.send(request)
    except CheckFailed as failed:
        # A server may answer before it has read everything, and close. What it says counts more.
        if failed.finding.reason is not Reason.CONNECTION_RESET:
            raise


async def _read_head(talk: "_Talk", trace: Trace) -> h11.Response:
    for _ in range(MAX_INTERIM_ANSWERS):
        event = await talk.event()
        if isinstance(event, h11.Response):
            break
    else:
        raise CheckFailed(Reason.PROTOCOL_ERROR, "there are only interim answers (1xx)")
    trace.enter(Phase.TRANSFER, "reading the answer")
    trace.status_code = event.status_code
    if len(event.headers) > MAX_HEADERS:
        raise too_large()
    if trace.wanted:
        reason = event.reason.decode("utf-8", "replace")
        version = event.http_version.decode("ascii")
        say_head(f"HTTP/{version} {event.status_code} {reason}", list(event.headers), trace)
    return event


async def _read_body(talk: "_Talk", wanted: Wanted) -> bytes:
    """Read to the end, or to the limit: a body that is not wanted may be longer than that."""
    chunks: list[bytes] = []
    size = 0
    events = 0
    while size <= wanted.max_body_bytes:
        event = await talk.event()
        if not isinstance(event, h11.Data):
            return b"".join(chunks)
        size += len(event.data)
        if wanted.body:
            chunks.append(event.data)
        events += 1
        if events % EVENTS_IN_A_ROW == 0:
            await trio.lowlevel.checkpoint()
    if wanted.body:
        raise CheckFailed(
            Reason.BODY_TOO_LARGE, f"the body is longer than {wanted.max_body_bytes} bytes"
        )
    return b""


def too_large() -> CheckFailed:
    """Say that a head is too large."""
    return CheckFailed(
        Reason.HEADERS_TOO_LARGE,
        f"the answer has more than {MAX_HEAD_BYTES} bytes or {MAX_HEADERS} lines of headers",
    )


def say_head(first: str, headers: Sequence[tuple[bytes, bytes]], trace: Trace) -> None:
    """Add the head of an answer to the transcript."""
    trace.say("< %s", first)
    for name, value in headers:
        shown = HIDDEN if name in NOT_SHOWN else value.decode("utf-8", "replace")
        trace.say("< %s: %s", name.decode("utf-8", "replace"), shown)


class _Talk:
    """One request and its answer: an h11 connection, fed from the wire."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD_BYTES)
        self._ended = False
        self._answering = False

    async def send(self, request: Request) -> None:
        """Send all of ``request``."""
        head = h11.Request(
            method=request.method,
            target=request.url.target,
            headers=[(field.name, field.value) for field in request.fields],
        )
        data = self._parser.send(head) or b""
        if request.body:
            data += self._parser.send(h11.Data(data=request.body)) or b""
        data += self._parser.send(h11.EndOfMessage()) or b""
        await self._wire.send(data)

    async def event(self) -> h11.Event:
        """Wait for the next part of the answer."""
        while True:
            try:
                event = self._parser.next_event()
            except h11.RemoteProtocolError as error:
                raise self._failure(error) from error
            if event is h11.NEED_DATA:
                data = await self._wire.receive()
                self._ended = not data
                self._parser.receive_data(data)
            elif event is h11.PAUSED:
                raise CheckFailed(Reason.PROTOCOL_ERROR, "the target changed the protocol")
            else:
                self._answering = self._answering or isinstance(event, h11.Response)
                return cast("h11.Event", event)

    def _failure(self, error: h11.RemoteProtocolError) -> CheckFailed:
        if self._ended:
            when = "within its answer" if self._answering else "without an answer"
            return CheckFailed(Reason.CONNECTION_CLOSED, f"the target hung up {when}")
        if error.error_status_hint == 431 and not self._answering:
            return too_large()
        # After the colon h11 quotes what it was sent.
        complaint = str(error).partition(":")[0]
        return CheckFailed(Reason.PROTOCOL_ERROR, f"the answer is not HTTP/1.1 ({complaint})")
