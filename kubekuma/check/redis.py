"""Redis checker: the server takes a command and gives an answer that is no error (RESP 2)."""

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
from kubekuma.model.target import RedisTarget

PORT: Final = 6379
MOST_PARTS: Final = 10_000
MOST_DEPTH: Final = 8
_NOT_LET_IN: Final = ("NOAUTH", "WRONGPASS", "NOPERM", "ERR invalid password", "ERR AUTH")


async def check_redis(
    target: RedisTarget, criteria: SuccessCriteria, check: Check
) -> Sequence[Finding]:
    """Log in if there are credentials, choose the database, and give the command.

    Arrays become lines of text; what there is not is an empty one.
    """
    login = await login_of(target.credentials, check)
    wire = await dial(destination(target, PORT), check)
    try:
        check.trace.enter(Phase.FIRST_BYTE, "waiting for an answer to the command")
        output = await _talk(wire, target, login, check)
    finally:
        wire.close()
    return judge_service("redis", output, criteria, check)


async def _talk(wire: Wire, target: RedisTarget, login: Login, check: Check) -> str:
    server = _Server(wire)
    if login:
        who = [login.user] if login.user else []
        await server.ask("AUTH", *who, login.password)
    if target.database:
        await server.ask("SELECT", str(target.database))
    check.trace.say("> %s", " ".join(target.command))
    output = await server.ask(*target.command)
    check.trace.say("< %s", output)
    return output


class _Server:
    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._reader = Reader(wire, most=1024 * 1024)
        self._parts = 0

    async def ask(self, *words: str) -> str:
        parts = [f"*{len(words)}\r\n".encode()]
        for word in words:
            encoded = word.encode("utf-8", "replace")
            parts.append(b"$%d\r\n%s\r\n" % (len(encoded), encoded))
        await self._wire.send(b"".join(parts))
        return await self._answer(0)

    async def _answer(self, depth: int) -> str:
        self._parts += 1
        line = await self._reader.line()
        kind, rest = line[:1], line[1:].decode("utf-8", "replace")
        match kind:
            case b"+" | b":":
                return rest
            case b"-":
                denied = rest.startswith(_NOT_LET_IN)
                reason = Reason.AUTH_FAILED if denied else Reason.COMMAND_FAILED
                raise CheckFailed(reason, f"the server says {rest[:200]}")
            case b"$" if (size := _number(rest)) is not None:
                if size < 0:
                    return ""
                return (await self._reader.exactly(size + 2))[:-2].decode("utf-8", "replace")
            case b"*" if (size := _number(rest)) is not None and depth < MOST_DEPTH:
                if self._parts + size > MOST_PARTS:
                    raise _no_redis(f"an array of {size} parts")
                return "\n".join([await self._answer(depth + 1) for _ in range(size)])
            case _:
                raise _no_redis(repr(line[:80].decode("utf-8", "replace")))


def _number(text: str) -> int | None:
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) < 10 else None


def _no_redis(said: str) -> CheckFailed:
    return CheckFailed(Reason.PROTOCOL_ERROR, f"the answer is not RESP: {said}")
