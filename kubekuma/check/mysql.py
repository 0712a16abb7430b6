"""MySQL checker: a MySQL or MariaDB server lets us in and answers a query.

By hand, not by PyMySQL: that needs a thread, keeps an answer of any size in memory, and makes its
own TLS.
"""

from collections.abc import Sequence
from typing import Final

import attrs

from kubekuma.check.context import Check
from kubekuma.check.dial import dial
from kubekuma.check.finding import CheckFailed, Finding
from kubekuma.check.judge_service import judge_service
from kubekuma.check.login import destination, login_of
from kubekuma.check.mysql_login import Opening, greeting, log_in
from kubekuma.check.mysql_wire import NULL, OK, SWITCH, Fields, MysqlWire, no_mysql
from kubekuma.check.rows import Rows
from kubekuma.check.trace import Phase
from kubekuma.model.criteria import SuccessCriteria
from kubekuma.model.result import Reason
from kubekuma.model.target import DatabaseTarget

PORT: Final = 3306
QUERY: Final = "SELECT 1"
MOST_COLUMNS: Final = 4096

_QUIT, _QUERY = 1, 3
# An answer's end is as short; a value as long as this would take more than we read.
_END_BYTES: Final = 9


async def check_mysql(
    target: DatabaseTarget, criteria: SuccessCriteria, check: Check
) -> Sequence[Finding]:
    """Log in and run the query in a session that may only read."""
    login = await login_of(target.credentials, check)
    opening = Opening()
    to = attrs.evolve(destination(target, PORT), start_tls=None, prelude=opening.ask_for_tls)
    wire = await dial(to, check)
    try:
        check.trace.enter(Phase.FIRST_BYTE, "waiting for the server to let us in")
        said = opening.greeting
        # After it came the greeting and our wish for TLS.
        server = MysqlWire(wire, number=0 if said is None else 2)
        if said is None:
            said = await greeting(server)
        await log_in(server, said, login, target.database, secure=to.tls is not None)
        check.trace.enter(Phase.TRANSFER, "waiting for the answer to the query")
        await server.command(_QUERY, "SET SESSION TRANSACTION READ ONLY")
        if (await server.receive())[0] != OK:
            raise no_mysql()
        output = await _ask(server, target.query or QUERY, check)
        await server.command(_QUIT, "")
    finally:
        wire.close()
    return judge_service("mysql", output, criteria, check)


async def _ask(server: MysqlWire, query: str, check: Check) -> str:
    check.trace.say("> %s", query)
    await server.command(_QUERY, query)
    rows = Rows()
    try:
        columns = _columns(await server.receive())
        if columns:
            for _ in range(columns):
                await server.receive()  # what the column is called
            if not _is_end(await server.receive()):
                raise no_mysql()
        while columns and not rows.full:
            body = await server.receive()
            if _is_end(body):
                break
            fields = Fields(body)
            rows.add([fields.value() for _ in range(columns)])
    except ValueError as error:
        raise no_mysql() from error
    check.trace.say("< %s", rows.text)
    return rows.text


def _columns(body: bytes) -> int:
    if body[0] == NULL:
        raise CheckFailed(Reason.COMMAND_FAILED, "the server asks for a file of ours")
    columns = Fields(body).length() if body[0] != OK else 0
    if columns is None or columns > MOST_COLUMNS:
        raise no_mysql()
    return columns


def _is_end(body: bytes) -> bool:
    return body[0] == SWITCH and len(body) < _END_BYTES
