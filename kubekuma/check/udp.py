"""UDP checker: the service answers a datagram with one."""

from collections.abc import Sequence

from kubekuma.check.context import Check
from kubekuma.check.datagram import open_datagrams
from kubekuma.check.finding import Finding
from kubekuma.check.judge_service import judge_service
from kubekuma.kit.pattern import occurs
from kubekuma.model.criteria import SuccessCriteria
from kubekuma.model.result import Reason
from kubekuma.model.target import UdpTarget


async def check_udp(
    target: UdpTarget, criteria: SuccessCriteria, check: Check
) -> Sequence[Finding]:
    """Send until an answer comes, or one that is as expected; until the deadline."""
    datagrams = await open_datagrams(target.host, target.port, check)

    def accept(data: bytes) -> str | None:
        text = data.decode("utf-8", "replace")
        check.trace.say("< %s", text)
        if target.expect is None or occurs(target.expect, text):
            return text
        mismatch = f"expected an answer that matches {check.show(target.expect)}"
        message = f"{mismatch}, got {check.show(text)}"
        check.trace.at_deadline = Finding(Reason.BANNER_MISMATCH, message)
        return None

    check.trace.say("> %s", target.send)
    try:
        output = await datagrams.ask(target.send.encode("utf-8", "replace"), accept)
    finally:
        datagrams.close()
    check.trace.at_deadline = None
    return judge_service("udp", output, criteria, check)
