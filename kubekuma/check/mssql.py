"""MSSQL checker: Microsoft SQL Server lets us in and answers a query, by python-tds in a thread."""

import logging
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import attrs

from kubekuma.check.blocking import BlockingWire
from kubekuma.check.context import Check
from kubekuma.check.dial import dial
from kubekuma.check.finding import CheckFailed, Finding
from kubekuma.check.judge_service import judge_service
from kubekuma.check.login import Login, destination, login_of
from kubekuma.check.mssql_wire import AfterPrelogin, ask_for_none, ask_for_tls, no_tds
from kubekuma.check.rows import Rows
from kubekuma.check.trace import Phase
from kubekuma.model.criteria import SuccessCriteria
from kubekuma.model.result import Reason
from kubekuma.model.target import DatabaseTarget

PORT: Final = 1433
QUERY: Final = "SELECT 1"

_NO_SUCH_DATABASE: Final = "Cannot open database"
_NOT_LET_IN: Final = frozenset({229, 230, 916, 18452, 18456, 18470, 18486, 18487, 18488})

# What fails is told by us: the library would say it on the side, as a warning.
logging.getLogger("pytds").setLevel(logging.CRITICAL)


async def check_mssql(
    target: DatabaseTarget, criteria: SuccessCriteria, check: Check
) -> Sequence[Finding]:
    """Log in and run the query in a transaction that is never committed."""
    login = await login_of(target.credentials, check)
    threads = check.context.threads
    # Before the first phase: this is not the target's time.
    pytds = await threads.load("pytds", check.trace)
    to = attrs.evolve(destination(target, PORT), start_tls=None, prelude=ask_for_tls)
    wire = await dial(to, check)
    try:
        check.trace.enter(Phase.FIRST_BYTE, "waiting for the server to let us in")
        if to.tls is None:
            await ask_for_none(wire)
        sock = BlockingWire(AfterPrelogin(wire))
        enter = partial(_connect, pytds, sock, to.host, login, target.database)
        connection = await threads.run(partial(_calling, pytds, sock, enter), check.trace)
        check.trace.enter(Phase.TRANSFER, "waiting for the answer to the query")
        query = target.query or QUERY
        check.trace.say("> %s", query)
        ask = partial(_ask, connection, query)
        output = await threads.run(partial(_calling, pytds, sock, ask), check.trace)
        check.trace.say("< %s", output)
    finally:
        wire.close()
    return judge_service("mssql", output, criteria, check)


def _connect(pytds: Any, sock: BlockingWire, host: str, login: Login, database: str | None) -> Any:
    # No second attempt, and no waiting for it: time and order are the check's. Not "read-only":
    # that asks to be sent to another server.
    return pytds.connect(
        host,
        database=database,
        user=login.user,
        password=login.password,
        port=PORT,  # of a connection that there is already
        sock=sock,
        appname="kubekuma",
        login_timeout=0,
        disable_connect_retry=True,
    )


def _ask(connection: Any, query: str) -> str:
    cursor = connection.cursor()
    cursor.execute(query)
    while cursor.description is None and cursor.nextset():
        pass
    rows = Rows()
    if cursor.description is not None:
        while not rows.full and (row := cursor.fetchone()) is not None:
            rows.add(map(_text, row))
    return rows.text


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(int(value))
        case bytes():
            return value.hex()
        case _:
            return str(value)


def _calling(pytds: Any, sock: BlockingWire, call: partial[Any]) -> Any:
    try:
        return sock.calling(call)
    except (CheckFailed, MemoryError):
        raise
    except Exception as error:
        raise _failure(pytds, error) from error


def _failure(pytds: Any, error: Exception) -> CheckFailed:
    # A failed attempt is one of several to the library.
    cause = error.__cause__ if isinstance(error, TimeoutError) else error
    if not isinstance(cause, pytds.DatabaseError):
        return no_tds()
    whole, number = str(cause.args[0]), cause.msg_no
    if _NO_SUCH_DATABASE in whole:
        return CheckFailed(Reason.COMMAND_FAILED, f"there is no such database: {whole[:200]}")
    reason = Reason.AUTH_FAILED if number in _NOT_LET_IN else Reason.COMMAND_FAILED
    return CheckFailed(reason, f"the server says {cause.text[:200]} ({number})")
