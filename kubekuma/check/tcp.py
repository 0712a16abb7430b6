"""TCP checker: the port accepts a connection and, if asked, says what it should."""

from collections.abc import Callable, Sequence
from typing import Final

from kubekuma.check.context import Check
from kubekuma.check.dial import Destination, dial, tls_of
from kubekuma.check.expect import Facts
from kubekuma.check.finding import CheckFailed, Finding
from kubekuma.check.judge import judge_shared, shared_values
from kubekuma.check.trace import Phase
from kubekuma.check.wire import Wire
from kubekuma.kit.pattern import occurs
from kubekuma.kit.url import parse_host
from kubekuma.model.criteria import SuccessCriteria
from kubekuma.model.result import Reason
from kubekuma.model.target import TcpTarget

MAX_RECEIVED_BYTES: Final = 64 * 1024


async def check_tcp(
    target: TcpTarget, criteria: SuccessCriteria, check: Check
) -> Sequence[Finding]:
    """Connect to ``target``; hear its greeting; send; hear its answer, each only if asked.

    A port that has said something, but not the right thing, is waited for until the deadline.
    """
    wire = await dial(_destination(target), check)
    try:
        heard = await _talk(wire, target, criteria, check)
        await wire.flush()
    finally:
        wire.close()
    check.trace.finish()
    values = {**shared_values(check.trace, check.context.now()), "output": heard}
    facts = Facts(kind="tcp", values=values)
    return list(judge_shared(criteria, facts, check.trace.latency, check.show))


async def _talk(wire: Wire, target: TcpTarget, criteria: SuccessCriteria, check: Check) -> str:
    banner = criteria.tcp.banner_contains if criteria.tcp else None
    heard = ""
    if banner is not None:
        what = f"a greeting that contains {check.show(banner)}"
        heard = await _hear(wire, lambda text: banner in text, what, check)
    if target.send is not None:
        check.trace.say("> %s", target.send)
        await wire.send(target.send.encode("utf-8", "replace"))
        heard = ""
    expect = target.expect
    if expect is not None:
        what = f"an answer that matches {check.show(expect)}"
        return await _hear(wire, lambda text: occurs(expect, text), what, check, heard)
    if not heard and any(each.value == "output" for each in criteria.expect):
        return await _hear(wire, bool, "any answer", check)
    return heard


async def _hear(
    wire: Wire, enough: Callable[[str], bool], what: str, check: Check, heard: str = ""
) -> str:
    """Receive until what was heard, ``heard`` included, is ``enough``."""
    check.trace.enter(Phase.FIRST_BYTE, f"waiting for {what}")
    received = heard.encode("utf-8")
    while not enough(heard):
        chunk = await wire.receive()
        check.trace.enter(Phase.TRANSFER, f"waiting for {what}")
        received += chunk
        heard = received.decode("utf-8", "replace")
        mismatch = f"expected {what}, got {check.show(heard)}"
        if not received:
            raise CheckFailed(Reason.CONNECTION_CLOSED, f"the target hung up before {what}")
        if not chunk or len(received) > MAX_RECEIVED_BYTES:
            raise CheckFailed(Reason.BANNER_MISMATCH, mismatch)
        check.trace.at_deadline = Finding(Reason.BANNER_MISMATCH, mismatch)
    check.trace.at_deadline = None
    check.trace.say("< %s", heard)
    return heard


def _destination(target: TcpTarget) -> Destination:
    return Destination(
        host=parse_host(target.host),
        port=target.port,
        ip_family=target.ip_family,
        tls=tls_of(target.tls),
        start_tls=target.tls.start_tls,
    )
