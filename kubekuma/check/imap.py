"""IMAP checker: the server greets us, says what it can do, and lets us in if asked (RFC 9051)."""

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
from kubekuma.model.criteria import SuccessCriteria
from kubekuma.model.result import Reason
from kubekuma.model.target import ServiceTarget, StartTls

PORT: Final = 143
TLS_PORT: Final = 993
MOST_LINES: Final = 256


async def check_imap(
    target: ServiceTarget, criteria: SuccessCriteria, check: Check
) -> Sequence[Finding]:
    """Greet the server; the capabilities that it names are what is judged."""
    login = await login_of(target.credentials, check)
    wire = await dial(destination(target, PORT, TLS_PORT), check)
    try:
        check.trace.enter(Phase.FIRST_BYTE, "waiting for the server's greeting")
        output = await _talk(wire, login, check, greeted=target.tls.start_tls is StartTls.IMAP)
    finally:
        wire.close()
    return judge_service("imap", output, criteria, check)


async def _talk(wire: Wire, login: Login, check: Check, *, greeted: bool) -> str:
    server = _Server(wire, check)
    if not greeted:
        await server.greeting()
        check.trace.enter(Phase.TRANSFER, "waiting for the server's capabilities")
    said = await server.ask("CAPABILITY", "CAPABILITY", Reason.COMMAND_FAILED)
    found = [line for line in said if line.upper().startswith("* CAPABILITY ")]
    if login:
        check.trace.enter(Phase.TRANSFER, "waiting for the login")
        words = f"LOGIN {_quoted(login.user)} {_quoted(login.password)}"
        await server.ask(words, "LOGIN …", Reason.AUTH_FAILED)
    await wire.send(b"z LOGOUT\r\n")
    return found[0].removeprefix("* CAPABILITY ") if found else ""


def _quoted(text: str) -> str:
    if any(each in text for each in "\r\n\0"):
        why = "a user name or password with line ends in it cannot be sent"
        raise CheckFailed(Reason.AUTH_FAILED, why)
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


class _Server:
    def __init__(self, wire: Wire, check: Check) -> None:
        self._wire = wire
        self._reader = Reader(wire)
        self._trace = check.trace
        self._asked = 0

    async def greeting(self) -> None:
        line = await self._line()
        if line.upper().startswith("* BYE"):
            raise CheckFailed(Reason.COMMAND_FAILED, f"the server says {line[:200]}")
        if not line.upper().startswith(("* OK", "* PREAUTH")):
            raise CheckFailed(Reason.PROTOCOL_ERROR, f"the greeting is not IMAP: {line[:120]!r}")

    async def ask(self, command: str, shown: str, refused: Reason) -> Sequence[str]:
        self._asked += 1
        tag = f"k{self._asked}"
        self._trace.say("> %s %s", tag, shown)
        await self._wire.send(f"{tag} {command}\r\n".encode("utf-8", "replace"))
        lines: list[str] = []
        while len(lines) < MOST_LINES:
            line = await self._line()
            if line.startswith(f"{tag} "):
                if line[len(tag) + 1 :].upper().startswith("OK"):
                    return lines
                raise CheckFailed(refused, f"the server says {line[:200]}")
            lines.append(line)
        raise CheckFailed(Reason.PROTOCOL_ERROR, f"there is no end to the answer to {shown}")

    async def _line(self) -> str:
        line = (await self._reader.line()).decode("utf-8", "replace")
        self._trace.say("< %s", line)
        return line
