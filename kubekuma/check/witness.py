"""Asks a witness whether it is there: a TCP handshake, of which nothing more is made."""

from typing import Final

import trio

from kubekuma.check.context import Check
from kubekuma.check.dial import Destination, dial
from kubekuma.check.finding import CheckFailed
from kubekuma.check.name_servers import version_of
from kubekuma.check.scopes import scope_of_peer
from kubekuma.check.sight import Heard
from kubekuma.kit.url import parse_host
from kubekuma.model.result import Reason
from kubekuma.model.target import IpFamily

PROBE_SECONDS: Final = 2.0

_SILENT: Final = Heard(answered=False)
# Says nothing of anybody but ourselves.
_NOT_ASKED: Final = Heard(answered=True)
_LACKS: Final = frozenset({Reason.NO_DESCRIPTORS, Reason.NO_MEMORY})
# No is an answer, too.
_ANSWERS: Final = frozenset({Reason.CONNECTION_REFUSED, Reason.CONNECTION_RESET})


async def ask_witness(address: str, check: Check) -> Heard:
    """Connect to ``address``, a ``host:port``, whatever rules there are for targets."""
    with trio.move_on_after(PROBE_SECONDS):
        return await _ask(address, check)
    return _SILENT


async def _ask(address: str, check: Check) -> Heard:
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    name = parse_host(host) if version_of(host) is None else host
    to = Destination(host=name, port=int(port), ip_family=IpFamily.AUTO, trusted=True)
    try:
        wire = await dial(to, check)
    except CheckFailed as failed:
        reason = failed.finding.reason
        if reason in _LACKS:
            return _NOT_ASKED
        if reason not in _ANSWERS:
            return _SILENT
    else:
        wire.close()
    return Heard(answered=True, scope=scope_of_peer(check.trace.peer))
