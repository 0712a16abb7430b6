"""WebSocket checker: the connection opens and, if asked, a message comes (RFC 6455)."""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Final

import trio
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Message,
    Ping,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)
from wsproto.utilities import ProtocolError

from kubekuma.check.context import Check
from kubekuma.check.dial import Destination, dial
from kubekuma.check.finding import CheckFailed, Finding
from kubekuma.check.judge_service import judge_service
from kubekuma.check.request import USER_AGENT, header_field
from kubekuma.check.trace import Phase
from kubekuma.check.wire import Wire
from kubekuma.kit.pattern import occurs
from kubekuma.kit.url import WEBSOCKET, parse_url
from kubekuma.model.criteria import SuccessCriteria, WebsocketCriteria
from kubekuma.model.result import Reason
from kubekuma.model.target import IpFamily, WebsocketTarget

MOST_BYTES: Final = 1024 * 1024
_NORMAL: Final = 1000


async def check_websocket(
    target: WebsocketTarget, criteria: SuccessCriteria, check: Check
) -> Sequence[Finding]:
    """Open it, send, and wait for a message where something is said of one."""
    url = parse_url(target.url, WEBSOCKET)
    fields = [await header_field(each, check) for each in target.headers]
    agent = (check.context.networking.user_agent or USER_AGENT).encode("ascii")
    named = {field.name.lower() for field in fields}
    extra = [(field.name, field.value) for field in fields]
    if b"user-agent" not in named:
        extra.append((b"User-Agent", agent))
    secure = url.scheme == "wss"
    to = Destination(
        host=url.host,
        port=url.port,
        ip_family=IpFamily.AUTO,
        tls=target.tls if secure else None,
        alpn=("http/1.1",) if secure else (),
    )
    wire = await dial(to, check)
    try:
        talk = _Talk(wire, check)
        check.trace.enter(Phase.FIRST_BYTE, f"waiting for {url.authority} to open the WebSocket")
        opening = Request(
            host=url.authority,
            target=url.target,
            subprotocols=list(target.subprotocols),
            extra_headers=extra,
        )
        await talk.open(opening)
        check.trace.enter(Phase.TRANSFER, "talking over the WebSocket")
        output = await _converse(talk, target, criteria, check)
        await talk.send(CloseConnection(code=_NORMAL))
    finally:
        wire.close()
    return judge_service("websocket", output, criteria, check)


async def _converse(
    talk: "_Talk", target: WebsocketTarget, criteria: SuccessCriteria, check: Check
) -> str | None:
    if target.send is not None:
        check.trace.say("> %s", target.send)
        await talk.send(TextMessage(data=target.send))
    seconds = (criteria.websocket or WebsocketCriteria()).must_receive_within_seconds
    wanted = target.expect is not None or seconds is not None or criteria.service is not None
    if not wanted and not any(each.value == "output" for each in criteria.expect):
        return None
    missing = "no message came"
    # Not the check's deadline but what the criteria allow for this one message.
    with trio.move_on_after(seconds) if seconds is not None else nullcontext():
        while True:
            check.trace.at_deadline = Finding(Reason.MESSAGE_MISSING, missing)
            text = await talk.message()
            check.trace.say("< %s", text)
            if target.expect is None or occurs(target.expect, text):
                check.trace.at_deadline = None
                return text
            missing = f"no message matches {check.show(target.expect)}"
    check.trace.at_deadline = None
    raise CheckFailed(Reason.MESSAGE_MISSING, f"{missing} within {seconds} s")


class _Talk:
    """One WebSocket, by wsproto."""

    def __init__(self, wire: Wire, check: Check) -> None:
        self._wire = wire
        self._trace = check.trace
        self._socket = WSConnection(ConnectionType.CLIENT)
        self._parts: list[str] = []
        self._size = 0
        self._whole: list[str] = []
        self._opened = False

    async def open(self, request: Request) -> None:
        """Shake hands. Raises CheckFailed: StatusMismatch if the server does not agree."""
        await self._wire.send(self._socket.send(request))
        while not self._opened:
            await self._receive()

    async def send(self, event: Event) -> None:
        """Send a message, or the end."""
        await self._wire.send(self._socket.send(event))

    async def message(self) -> str:
        """Wait for a whole message; bytes are shown as text."""
        while not self._whole:
            await self._receive()
        return self._whole.pop(0)

    async def _receive(self) -> None:
        data = await self._wire.receive()
        try:
            self._socket.receive_data(data or None)
            for event in self._socket.events():
                await self._take(event)
        except ProtocolError as error:
            raise CheckFailed(Reason.PROTOCOL_ERROR, "the answer is no WebSocket's") from error
        if not data:
            raise CheckFailed(Reason.CONNECTION_CLOSED, "the target hung up")

    async def _take(self, event: Event) -> None:
        match event:
            case AcceptConnection(subprotocol=chosen):
                self._trace.status_code = 101
                self._trace.say("open%s", f", subprotocol {chosen}" if chosen else "")
                self._opened = True
            case RejectConnection(status_code=status):
                self._trace.status_code = status
                message = f"the status is {status} and should be 101"
                raise CheckFailed(Reason.STATUS_MISMATCH, message)
            case RejectData():
                pass
            case Ping():
                await self._wire.send(self._socket.send(event.response()))
            case CloseConnection(code=code, reason=reason):
                said = f"{code} {reason or ''}".strip()
                raise CheckFailed(Reason.CONNECTION_CLOSED, f"the target closed it: {said}")
            case Message():
                self._collect(event)

    def _collect(self, event: Message) -> None:  # type: ignore[type-arg]
        raw = event.data
        text = raw if isinstance(raw, str) else bytes(raw).decode("utf-8", "replace")
        self._size += len(text)
        if self._size > MOST_BYTES:
            raise CheckFailed(Reason.BODY_TOO_LARGE, f"a message of more than {MOST_BYTES} bytes")
        self._parts.append(text)
        if event.message_finished and isinstance(event, (TextMessage, BytesMessage)):
            self._whole.append("".join(self._parts))
            self._parts, self._size = [], 0
