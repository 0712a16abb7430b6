"""SIP checker: the server answers OPTIONS (RFC 3261, section 11), by UDP, TCP or TLS."""

import secrets
from collections.abc import Sequence
from typing import Final

from kubekuma.check.context import Check
from kubekuma.check.datagram import open_datagrams
from kubekuma.check.dial import Destination, dial
from kubekuma.check.finding import CheckFailed, Finding
from kubekuma.check.judge_service import judge_service
from kubekuma.check.reader import Reader
from kubekuma.check.trace import Phase
from kubekuma.kit.url import parse_host
from kubekuma.model.criteria import SuccessCriteria
from kubekuma.model.result import Reason
from kubekuma.model.target import IpFamily, SipTarget, Tls

_NOT_LET_IN: Final = frozenset({"401", "407", "403"})


async def check_sip(
    target: SipTarget, criteria: SuccessCriteria, check: Check
) -> Sequence[Finding]:
    """Ask what the server, or a user of it, can do; the status line is what is judged.

    That it wants to know who we are first is an answer, too: it is there.
    """
    branch = f"z9hG4bK{secrets.token_hex(8)}"
    question = _options(target, branch)
    check.trace.say("> %s", question.decode().partition("\r\n")[0])
    if target.transport == "udp":
        datagrams = await open_datagrams(target.host, target.port, check)
        try:
            head = await datagrams.ask(question, lambda data: _final(data, branch))
        finally:
            datagrams.close()
    else:
        head = await _by_stream(target, question, branch, check)
    status = head.partition("\r\n")[0].removeprefix("SIP/2.0 ")
    check.trace.say("< SIP/2.0 %s", status)
    code = status[:3]
    check.trace.status_code = int(code)
    found = []
    wanted = criteria.service is not None or criteria.expect
    if not wanted and not (code.startswith("2") or code in _NOT_LET_IN):
        found.append(Finding(Reason.STATUS_MISMATCH, f"the server says {status}"))
    return [*found, *judge_service("sip", status, criteria, check)]


async def _by_stream(target: SipTarget, question: bytes, branch: str, check: Check) -> str:
    to = Destination(
        host=parse_host(target.host),
        port=target.port,
        ip_family=IpFamily.AUTO,
        tls=Tls() if target.transport == "tls" else None,
    )
    wire = await dial(to, check)
    try:
        check.trace.enter(Phase.FIRST_BYTE, f"waiting for an answer of {check.trace.peer}")
        await wire.send(question)
        reader = Reader(wire)
        while True:
            head = await reader.until(b"\r\n\r\n")
            if not head.lstrip(b"\r\n").startswith(b"SIP/2.0 "):
                raise CheckFailed(Reason.PROTOCOL_ERROR, "the answer is not SIP")
            length = _header(head.decode("utf-8", "replace"), "content-length", "l")
            if length.isdigit():
                await reader.exactly(int(length))
            final = _final(head, branch)
            if final is not None:
                return final
    finally:
        wire.close()


def _options(target: SipTarget, branch: str) -> bytes:
    host = f"[{target.host}]" if ":" in target.host else target.host
    user = f"{target.user}@" if target.user else ""
    scheme = "sips" if target.transport == "tls" else "sip"
    uri = f"{scheme}:{user}{host}:{target.port}"
    lines = [
        f"OPTIONS {uri} SIP/2.0",
        f"Via: SIP/2.0/{target.transport.upper()} kubekuma.invalid;branch={branch};rport",
        "Max-Forwards: 70",
        f"To: <{uri}>",
        f"From: <sip:kubekuma@kubekuma.invalid>;tag={secrets.token_hex(4)}",
        f"Call-ID: {secrets.token_hex(12)}@kubekuma.invalid",
        "CSeq: 1 OPTIONS",
        "Contact: <sip:kubekuma@kubekuma.invalid>",
        "Accept: application/sdp",
        "Content-Length: 0",
    ]
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "replace")


def _final(data: bytes, branch: str) -> str | None:
    """The head of an answer to our question that is final; None for all else."""
    head = data.decode("utf-8", "replace").lstrip("\r\n").partition("\r\n\r\n")[0]
    status = head.partition("\r\n")[0]
    code = status.removeprefix("SIP/2.0 ")[:3]
    ours = branch in _header(head, "via", "v")
    if not status.startswith("SIP/2.0 ") or not (code.isascii() and code.isdigit()) or not ours:
        return None
    return None if code.startswith("1") else head


def _header(head: str, *names: str) -> str:
    for line in head.split("\r\n")[1:]:
        name, _, value = line.partition(":")
        if name.strip().lower() in names:
            return value.strip()
    return ""
