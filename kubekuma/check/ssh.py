"""SSH checker: the server says its version and, if asked, has the host key that it should."""

from collections.abc import Sequence
from typing import Final

from kubekuma.check.context import Check
from kubekuma.check.dial import Destination, dial
from kubekuma.check.finding import CheckFailed, Finding
from kubekuma.check.judge_service import judge_service
from kubekuma.check.reader import Reader
from kubekuma.check.ssh_keys import KINDS, HostKey, NoSuchKeyError, exchange_keys
from kubekuma.check.trace import Phase
from kubekuma.check.wire import Wire
from kubekuma.kit.url import parse_host
from kubekuma.model.criteria import SuccessCriteria
from kubekuma.model.result import Reason
from kubekuma.model.target import IpFamily, SshTarget

BANNER: Final = b"SSH-2.0-KubeKuma"
# A server may say other things before its version (RFC 4253, section 4.2).
MOST_LINES: Final = 64


async def check_ssh(
    target: SshTarget, criteria: SuccessCriteria, check: Check
) -> Sequence[Finding]:
    """Read the banner, which is what is judged, and look for the host key."""
    wanted = target.host_key_fingerprint
    everything = tuple(kind for kinds in KINDS for kind in kinds)
    try:
        banner, key = await _visit(target, everything if wanted else (), check)
    except NoSuchKeyError as error:
        why = f"the server has no host key of a kind that we know: {', '.join(everything)}"
        raise CheckFailed(Reason.HOST_KEY_MISMATCH, why) from error
    if wanted is None or key is None or key.fingerprint == wanted:
        return judge_service("ssh", banner, criteria, check)
    # The server showed the key that we like best; the one that is meant may be of another kind.
    shown = [f"{key.kind} {key.fingerprint}"]
    for kinds in KINDS:
        if key.kind in kinds or ("rsa-sha2-512" in kinds and key.kind == "ssh-rsa"):
            continue
        try:
            _, other = await _visit(target, kinds, check)
        except NoSuchKeyError:
            continue
        if other is not None and other.fingerprint == wanted:
            return judge_service("ssh", banner, criteria, check)
        shown += [f"{other.kind} {other.fingerprint}"] if other else []
    message = f"the host keys are {', '.join(shown)}, and none is {wanted}"
    return [
        Finding(Reason.HOST_KEY_MISMATCH, message),
        *judge_service("ssh", banner, criteria, check),
    ]


async def _visit(
    target: SshTarget, kinds: Sequence[str], check: Check
) -> tuple[str, HostKey | None]:
    to = Destination(host=parse_host(target.host), port=target.port, ip_family=IpFamily.AUTO)
    wire = await dial(to, check)
    try:
        check.trace.enter(Phase.FIRST_BYTE, "waiting for the server's banner")
        reader = Reader(wire)
        banner = await _banners(wire, reader, check)
        check.trace.enter(Phase.TRANSFER, "exchanging keys")
        if not kinds:
            return banner.decode("utf-8", "replace"), None
        key = await exchange_keys(wire, reader, BANNER, banner, kinds)
        check.trace.say("the host key is %s %s", key.kind, key.fingerprint)
        return banner.decode("utf-8", "replace"), key
    finally:
        wire.close()


async def _banners(wire: Wire, reader: Reader, check: Check) -> bytes:
    await wire.send(BANNER + b"\r\n")
    for _ in range(MOST_LINES):
        line = await reader.line()
        check.trace.say("< %s", line.decode("utf-8", "replace"))
        if line.startswith((b"SSH-2.0-", b"SSH-1.99-")):
            return line
        if line.startswith(b"SSH-"):
            break
    raise CheckFailed(Reason.PROTOCOL_ERROR, "the target does not speak SSH 2")
