"""SNMP checker: an agent gives the value of an object, by version 1, 2c or 3."""

import secrets
from collections.abc import Sequence
from typing import Final

from kubekuma.check import ber
from kubekuma.check.context import Check
from kubekuma.check.datagram import open_datagrams
from kubekuma.check.finding import CheckFailed, Finding
from kubekuma.check.judge_service import judge_service
from kubekuma.check.snmp_pdu import (
    ABSENT,
    NOT_LET_IN,
    RESPONSE,
    Response,
    parse_answer,
    question,
    shown,
)
from kubekuma.check.snmp_v3 import ask_as_user
from kubekuma.model.criteria import SuccessCriteria
from kubekuma.model.result import Reason
from kubekuma.model.target import SnmpTarget, SnmpVersion

_VERSIONS: Final = {SnmpVersion.V1: 0, SnmpVersion.V2C: 1}


async def check_snmp(
    target: SnmpTarget, criteria: SuccessCriteria, check: Check
) -> Sequence[Finding]:
    """Ask for one object; its value as text is what is judged."""
    if target.version is SnmpVersion.V3:
        answer = await ask_as_user(target, check)
    else:
        answer = await _ask_as_community(target, check)
    value = answer.value
    if value is None:
        message = f"the agent says {answer.error} for {target.oid}"
        denied = answer.error in NOT_LET_IN
        raise CheckFailed(Reason.AUTH_FAILED if denied else Reason.COMMAND_FAILED, message)
    if value.tag in ABSENT:
        message = f"the agent says {ABSENT[value.tag]} for {target.oid}"
        raise CheckFailed(Reason.VALUE_MISMATCH, message)
    output = shown(value)
    check.trace.say("< %s = %s", target.oid, output)
    return judge_service("snmp", output, criteria, check)


async def _ask_as_community(target: SnmpTarget, check: Check) -> Response:
    """Ask by version 1 or 2c. An agent that does not know our community says nothing at all."""
    community = b"public"
    if target.community_secret_ref is not None:
        community = (await check.secret(target.community_secret_ref)).rstrip(b"\r\n")
    number = secrets.randbelow(2**31)
    message = ber.encode(
        ber.SEQUENCE,
        ber.integer(_VERSIONS[target.version]),
        ber.encode(ber.OCTETS, community),
        question(number, target.oid),
    )
    datagrams = await open_datagrams(target.host, target.port, check)
    try:
        return await datagrams.ask(message, lambda data: _response(data, number))
    finally:
        datagrams.close()


def _response(data: bytes, number: int) -> Response | None:
    try:
        (message,) = ber.elements(data)
        _, _, answer = ber.elements(message.body)
        return parse_answer(answer, number) if answer.tag == RESPONSE else None
    except (ValueError, StopIteration):
        return None
