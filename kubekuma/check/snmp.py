"""SNMP checker: an agent gives the value of an object, by version 1 or 2c (RFC 3416)."""

import secrets
from collections.abc import Sequence
from typing import Final

import attrs

from kubekuma.check import ber
from kubekuma.check.context import Check
from kubekuma.check.datagram import open_datagrams
from kubekuma.check.finding import CheckFailed, Finding
from kubekuma.check.judge_service import judge_service
from kubekuma.model.criteria import SuccessCriteria
from kubekuma.model.result import Reason
from kubekuma.model.target import SnmpTarget, SnmpVersion

_GET, _RESPONSE = 0xA0, 0xA2
_VERSIONS: Final = {SnmpVersion.V1: 0, SnmpVersion.V2C: 1}
_ERRORS: Final = {
    1: "tooBig",
    2: "noSuchName",
    3: "badValue",
    5: "genErr",
    6: "noAccess",
    16: "authorizationError",
}
_ABSENT: Final = {0x80: "noSuchObject", 0x81: "noSuchInstance", 0x82: "endOfMibView"}
_UNSIGNED: Final = frozenset({0x41, 0x42, 0x43, 0x46, 0x47})  # counters, gauges, time ticks
_ADDRESS: Final = 0x40


@attrs.frozen(kw_only=True)
class Response:
    """What an agent answers: a value, or the name of an error."""

    value: ber.Element | None = None
    error: str = ""


async def check_snmp(
    target: SnmpTarget, criteria: SuccessCriteria, check: Check
) -> Sequence[Finding]:
    """Ask for one object; its value as text is what is judged.

    An agent that does not know our community says nothing at all.
    """
    community = b"public"
    if target.community_secret_ref is not None:
        community = (await check.secret(target.community_secret_ref)).rstrip(b"\r\n")
    number = secrets.randbelow(2**31)
    question = request(_VERSIONS[target.version], community, number, target.oid)
    datagrams = await open_datagrams(target.host, target.port, check)
    try:
        answer = await datagrams.ask(question, lambda data: response(data, number))
    finally:
        datagrams.close()
    value = answer.value
    if value is None:
        message = f"the agent says {answer.error} for {target.oid}"
        raise CheckFailed(Reason.COMMAND_FAILED, message)
    if value.tag in _ABSENT:
        message = f"the agent says {_ABSENT[value.tag]} for {target.oid}"
        raise CheckFailed(Reason.VALUE_MISMATCH, message)
    output = shown(value)
    check.trace.say("< %s = %s", target.oid, output)
    return judge_service("snmp", output, criteria, check)


def request(version: int, community: bytes, number: int, oid: str) -> bytes:
    """Encode the question for one object."""
    variable = ber.encode(ber.SEQUENCE, ber.object_id(oid), ber.encode(ber.NULL))
    asked = ber.encode(
        _GET,
        ber.integer(number),
        ber.integer(0),
        ber.integer(0),
        ber.encode(ber.SEQUENCE, variable),
    )
    return ber.encode(ber.SEQUENCE, ber.integer(version), ber.encode(ber.OCTETS, community), asked)


def response(data: bytes, number: int) -> Response | None:
    """Read the answer to question ``number``; None for all else."""
    try:
        (message,) = ber.elements(data)
        _, _, answer = ber.elements(message.body)
        identity, status, _, variables = ber.elements(answer.body)
        if answer.tag != _RESPONSE or ber.as_integer(identity.body) != number:
            return None
        if error := ber.as_integer(status.body):
            return Response(error=_ERRORS.get(error, f"error {error}"))
        first = next(ber.elements(variables.body))
        _, value = ber.elements(first.body)
    except (ValueError, StopIteration):
        return None
    return Response(value=value)


def shown(value: ber.Element) -> str:
    """The value as text."""
    match value.tag:
        case ber.INTEGER:
            return str(ber.as_integer(value.body))
        case tag if tag in _UNSIGNED:
            return str(int.from_bytes(value.body, "big"))
        case ber.OBJECT_ID:
            return ber.as_object_id(value.body)
        case tag if tag == _ADDRESS:
            return ".".join(map(str, value.body))
        case _:
            text = value.body.decode("utf-8", "replace")
            return text if text.isprintable() or text.isspace() else value.body.hex(":")
