"""gRPC checker: the standard health service says that it serves (grpc.health.v1), over HTTP/2."""

from collections.abc import Sequence
from typing import Final
from urllib.parse import unquote

from kubekuma.check.answer import Answer
from kubekuma.check.context import Check
from kubekuma.check.dial import Destination, dial, tls_of
from kubekuma.check.exchange import Wanted
from kubekuma.check.exchange_h2 import exchange_h2
from kubekuma.check.expect import Facts
from kubekuma.check.finding import CheckFailed, Finding
from kubekuma.check.judge import judge_shared, shared_values
from kubekuma.check.request import Field, Request, header_field
from kubekuma.kit.url import Url, parse_host
from kubekuma.model.criteria import GrpcCriteria, SuccessCriteria
from kubekuma.model.result import Reason
from kubekuma.model.target import GrpcTarget, IpFamily

PATH: Final = "/grpc.health.v1.Health/Check"
MOST_BYTES: Final = 64 * 1024
_STATES: Final = ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")
_CODES: Final = {
    2: "UNKNOWN",
    4: "DEADLINE_EXCEEDED",
    5: "NOT_FOUND",
    7: "PERMISSION_DENIED",
    12: "UNIMPLEMENTED",
    13: "INTERNAL",
    14: "UNAVAILABLE",
    16: "UNAUTHENTICATED",
}
_NOT_LET_IN: Final = frozenset({7, 16})


async def check_grpc(
    target: GrpcTarget, criteria: SuccessCriteria, check: Check
) -> Sequence[Finding]:
    """Ask for the health of the service; what it says is what is judged."""
    metadata = [await header_field(each, check) for each in target.metadata]
    secure = tls_of(target.tls)
    to = Destination(
        host=parse_host(target.host),
        port=target.port,
        ip_family=IpFamily.AUTO,
        tls=secure,
        start_tls=target.tls.start_tls,
        alpn=("h2",) if secure else (),
    )
    request = _request(target, "https" if secure else "http", metadata)
    wire = await dial(to, check)
    try:
        wanted = Wanted(body=True, max_body_bytes=MOST_BYTES, redirects=False)
        answer = await exchange_h2(wire, request, wanted, check.trace)
    finally:
        wire.close()
    check.trace.finish()
    state = _state(answer)
    check.trace.say("the health is %s", state)
    found = []
    serving = (criteria.grpc or GrpcCriteria()).serving
    if (state == "SERVING") is not serving:
        should = "should" if serving else "should not"
        found.append(Finding(Reason.NOT_SERVING, f"the health is {state} and {should} be SERVING"))
    values = {**shared_values(check.trace, check.context.now()), "output": state}
    facts = Facts(kind="grpc", values=values)
    return [*found, *judge_shared(criteria, facts, check.trace.latency, check.show)]


def _request(target: GrpcTarget, scheme: str, metadata: Sequence[Field]) -> Request:
    service = target.service.encode()
    # HealthCheckRequest {string service = 1}, in a frame that is not compressed.
    message = b"\x0a" + _varint(len(service)) + service if service else b""
    own = (
        Field(b"content-type", b"application/grpc"),
        Field(b"te", b"trailers"),
        Field(b"user-agent", b"grpc-kubekuma"),
    )
    return Request(
        method="POST",
        url=Url(scheme=scheme, host=parse_host(target.host), port=target.port, target=PATH),
        headers=(*own, *metadata),
        body=b"\x00" + len(message).to_bytes(4, "big") + message,
    )


def _state(answer: Answer) -> str:
    """What the answer says of the health; raises CheckFailed if it says nothing of it."""
    if answer.status != 200:
        raise CheckFailed(Reason.PROTOCOL_ERROR, f"the answer has HTTP status {answer.status}")
    # An answer without a message has its status in the head.
    said = {**dict(answer.headers), **dict(answer.trailers)}
    code = said.get(b"grpc-status", b"").decode("ascii", "replace")
    if code != "0":
        if not code.isdigit():
            raise CheckFailed(Reason.PROTOCOL_ERROR, "the answer is not gRPC: it has no status")
        number = int(code)
        words = unquote(said.get(b"grpc-message", b"").decode("utf-8", "replace"))[:200]
        name = _CODES.get(number, f"code {number}")
        reason = Reason.AUTH_FAILED if number in _NOT_LET_IN else Reason.COMMAND_FAILED
        raise CheckFailed(reason, f"the server says {name}{f': {words}' if words else ''}")
    message = answer.body[5:]
    # HealthCheckResponse {ServingStatus status = 1}; absent: 0.
    number = message[1] if message[:1] == b"\x08" and len(message) > 1 else 0
    return _STATES[number] if number < len(_STATES) else f"status {number}"


def _varint(value: int) -> bytes:
    digits = bytearray()
    while value > 0x7F:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*digits, value])
