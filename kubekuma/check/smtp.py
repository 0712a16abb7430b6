"""SMTP checker: the server greets us, says what it can do, and lets us in if asked (RFC 5321)."""

from base64 import b64encode
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

PORT: Final = 25
TLS_PORT: Final = 465
MOST_LINES: Final = 256


async def check_smtp(
    target: ServiceTarget, criteria: SuccessCriteria, check: Check
) -> Sequence[Finding]:
    """Greet the server; its answer to EHLO, without codes, is what is judged."""
    login = await login_of(target.credentials, check)
    wire = await dial(destination(target, PORT, TLS_PORT), check)
    try:
        check.trace.enter(Phase.FIRST_BYTE, "waiting for the server's greeting")
        output = await _talk(wire, login, check, greeted=target.tls.start_tls is StartTls.SMTP)
    finally:
        wire.close()
    return judge_service("smtp", output, criteria, check)


async def _talk(wire: Wire, login: Login, check: Check, *, greeted: bool) -> str:
    server = _Server(wire, check)
    if not greeted:
        await server.hear("220")
        check.trace.enter(Phase.TRANSFER, "waiting for an answer to EHLO")
    offered = await server.ask("EHLO kubekuma.invalid", "250")
    check.trace.enter(Phase.TRANSFER, "waiting for the login")
    if login:
        await _log_in(server, login, offered)
    # Whoever hangs up without a word stands in the server's log for each check.
    await wire.send(b"QUIT\r\n")
    return "\n".join(offered)


async def _log_in(server: "_Server", login: Login, offered: Sequence[str]) -> None:
    ways = {
        way
        for line in offered
        for way in line.upper().replace("=", " ").split()
        if line[:4].upper() == "AUTH"
    }
    if "PLAIN" in ways:
        said = b64encode(f"\0{login.user}\0{login.password}".encode()).decode()
        await server.ask(f"AUTH PLAIN {said}", "235", shown="AUTH PLAIN …")
    elif "LOGIN" in ways:
        await server.ask("AUTH LOGIN", "334")
        await server.ask(b64encode(login.user.encode()).decode(), "334", shown="…")
        await server.ask(b64encode(login.password.encode()).decode(), "235", shown="…")
    else:
        why = "the server offers neither AUTH PLAIN nor AUTH LOGIN (perhaps only after STARTTLS)"
        raise CheckFailed(Reason.AUTH_FAILED, why)


class _Server:
    def __init__(self, wire: Wire, check: Check) -> None:
        self._wire = wire
        self._reader = Reader(wire)
        self._trace = check.trace

    async def ask(self, command: str, code: str, *, shown: str = "") -> Sequence[str]:
        self._trace.say("> %s", shown or command)
        await self._wire.send(command.encode("utf-8", "replace") + b"\r\n")
        return await self.hear(code, authenticating=bool(shown) or command == "AUTH LOGIN")

    async def hear(self, code: str, *, authenticating: bool = False) -> Sequence[str]:
        lines: list[str] = []
        while True:
            line = (await self._reader.line()).decode("utf-8", "replace")
            self._trace.say("< %s", line)
            if not line[:3].isdigit() or line[3:4] not in {"", " ", "-"} or len(lines) > MOST_LINES:
                raise CheckFailed(Reason.PROTOCOL_ERROR, f"the answer is not SMTP: {line[:120]!r}")
            if line[:3] != code:
                reason = Reason.AUTH_FAILED if authenticating else Reason.COMMAND_FAILED
                raise CheckFailed(reason, f"the server says {line[:200]}")
            lines.append(line[4:])
            if line[3:4] != "-":
                return lines
