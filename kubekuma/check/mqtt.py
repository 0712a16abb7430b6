"""MQTT checker: the broker accepts a connection and, if asked, gives a message (MQTT 3.1.1)."""

import secrets
import struct
from collections.abc import Sequence
from typing import Final

from kubekuma.check.context import Check
from kubekuma.check.dial import dial
from kubekuma.check.finding import CheckFailed, Finding
from kubekuma.check.judge_service import judge_service
from kubekuma.check.login import Login, destination, login_of
from kubekuma.check.reader import Reader
from kubekuma.check.trace import Phase
from kubekuma.check.wire import Wire
from kubekuma.kit.pattern import occurs
from kubekuma.model.criteria import SuccessCriteria
from kubekuma.model.result import Reason
from kubekuma.model.target import MqttTarget

PORT: Final = 1883
TLS_PORT: Final = 8883
KEEP_ALIVE_SECONDS: Final = 600  # longer than any check
MOST_BYTES: Final = 1024 * 1024

_CONNECT, _CONNACK, _PUBLISH, _SUBSCRIBE, _SUBACK, _DISCONNECT = 1, 2, 3, 8, 9, 14
_REFUSALS: Final = {
    1: (Reason.PROTOCOL_ERROR, "it does not speak MQTT 3.1.1"),
    2: (Reason.COMMAND_FAILED, "it does not like our client's name"),
    3: (Reason.COMMAND_FAILED, "it is not available"),
    4: (Reason.AUTH_FAILED, "the user name or password is wrong"),
    5: (Reason.AUTH_FAILED, "we are not authorized"),
}


async def check_mqtt(
    target: MqttTarget, criteria: SuccessCriteria, check: Check
) -> Sequence[Finding]:
    """Connect as a client of its own; subscribe if there is a topic.

    A message is waited for where something is said of it: by ``expect``, or by criteria. Without
    one until the deadline, that is what is wrong.
    """
    login = await login_of(target.credentials, check)
    wire = await dial(destination(target, PORT, TLS_PORT), check)
    try:
        check.trace.enter(Phase.FIRST_BYTE, "waiting for the broker to accept the connection")
        output = await _talk(wire, target, login, criteria, check)
        await wire.send(_packet(_DISCONNECT << 4, b""))
    finally:
        wire.close()
    return judge_service("mqtt", output, criteria, check)


async def _talk(
    wire: Wire, target: MqttTarget, login: Login, criteria: SuccessCriteria, check: Check
) -> str | None:
    reader = Reader(wire, most=MOST_BYTES)
    await wire.send(_connect(login))
    kind, body = await _read(reader)
    if kind >> 4 != _CONNACK or len(body) != 2:
        raise _no_mqtt()
    if body[1]:
        reason, why = _REFUSALS.get(body[1], (Reason.COMMAND_FAILED, f"code {body[1]}"))
        raise CheckFailed(reason, f"the broker refuses the connection: {why}")
    check.trace.enter(Phase.TRANSFER, "talking to the broker")
    if target.topic is None:
        return None
    check.trace.say("subscribing to %s", target.topic)
    topic = target.topic.encode("utf-8", "replace")
    await wire.send(_packet(_SUBSCRIBE << 4 | 2, struct.pack(">H", 1) + _text(topic) + b"\x00"))
    wanted = target.expect is not None or criteria.service is not None
    if not wanted and not any(each.value == "output" for each in criteria.expect):
        while not await _subscribed(reader):
            pass
        return None
    return await _message(reader, target, check)


async def _message(reader: Reader, target: MqttTarget, check: Check) -> str:
    missing = f"no message on {target.topic}"
    while True:
        check.trace.at_deadline = Finding(Reason.MESSAGE_MISSING, missing)
        text = await _published(reader)
        if text is None:
            continue
        check.trace.say("< %s", text)
        if target.expect is None or occurs(target.expect, text):
            check.trace.at_deadline = None
            return text
        missing = f"no message on {target.topic} matches {check.show(target.expect)}"


async def _subscribed(reader: Reader) -> bool:
    kind, body = await _read(reader)
    return _is_subscribed(kind, body)


async def _published(reader: Reader) -> str | None:
    kind, body = await _read(reader)
    if kind >> 4 != _PUBLISH:
        _is_subscribed(kind, body)
        return None
    if len(body) < 2:
        raise _no_mqtt()
    # Of the quality of service that we asked for, 0, messages carry no number.
    return body[2 + int.from_bytes(body[:2], "big") :].decode("utf-8", "replace")


def _is_subscribed(kind: int, body: bytes) -> bool:
    if kind >> 4 != _SUBACK:
        return False
    if body[-1:] == b"\x80":
        raise CheckFailed(Reason.COMMAND_FAILED, "the broker refuses the subscription")
    return True


async def _read(reader: Reader) -> tuple[int, bytes]:
    kind = (await reader.exactly(1))[0]
    size = shift = 0
    while True:
        (digit,) = await reader.exactly(1)
        size |= (digit & 0x7F) << shift
        if not digit & 0x80:
            break
        shift += 7
        if shift > 21:
            raise _no_mqtt()
    return kind, await reader.exactly(size)


def _connect(login: Login) -> bytes:
    flags = 0x02  # a clean session
    payload = _text(f"kubekuma-{secrets.token_hex(6)}".encode())
    if login:
        flags |= 0x80
        payload += _text(login.user.encode("utf-8", "replace"))
    if login.password:
        flags |= 0x40
        payload += _text(login.password.encode("utf-8", "replace"))
    head = _text(b"MQTT") + struct.pack(">BBH", 4, flags, KEEP_ALIVE_SECONDS)
    return _packet(_CONNECT << 4, head + payload)


def _packet(kind: int, body: bytes) -> bytes:
    size, digits = len(body), bytearray()
    while True:
        size, digit = size >> 7, size & 0x7F
        digits.append(digit | (0x80 if size else 0))
        if not size:
            return bytes([kind, *digits]) + body


def _text(value: bytes) -> bytes:
    return struct.pack(">H", len(value)) + value


def _no_mqtt() -> CheckFailed:
    return CheckFailed(Reason.PROTOCOL_ERROR, "the answer is not MQTT")
