"""PostgreSQL checker: the server lets us in and answers a query (frontend/backend protocol 3.0).

By hand, not by libpq: that reads the environment, keeps an answer of any size in memory, and
hides the certificate.
"""

import struct
from collections.abc import Iterator, Sequence
from typing import Final

import attrs

from kubekuma.check.context import Check
from kubekuma.check.dial import dial
from kubekuma.check.finding import CheckFailed, Finding
from kubekuma.check.judge_service import judge_service
from kubekuma.check.login import destination, login_of
from kubekuma.check.postgresql_login import log_in
from kubekuma.check.postgresql_wire import PostgresWire, message, no_postgres, text
from kubekuma.check.rows import MOST_ROWS, Rows
from kubekuma.check.trace import Phase
from kubekuma.model.criteria import SuccessCriteria
from kubekuma.model.result import Reason
from kubekuma.model.target import DatabaseTarget, StartTls

PORT: Final = 5432
# The user of a server that knows no other: there is no login without a name.
USER: Final = "postgres"
QUERY: Final = "SELECT 1"


async def check_postgresql(
    target: DatabaseTarget, criteria: SuccessCriteria, check: Check
) -> Sequence[Finding]:
    """Log in and run the query in a transaction that may only read, and that is never committed."""
    login = await login_of(target.credentials, check)
    login = attrs.evolve(login, user=login.user or USER)
    to = attrs.evolve(destination(target, PORT), start_tls=StartTls.POSTGRES)
    wire = await dial(to, check)
    try:
        check.trace.enter(Phase.FIRST_BYTE, "waiting for the server to let us in")
        server = PostgresWire(wire)
        await log_in(server, login, target.database, check)
        check.trace.enter(Phase.TRANSFER, "waiting for the answer to the query")
        output = await _ask(server, target.query or QUERY, check)
        await server.send(message(b"X"))
    finally:
        wire.close()
    return judge_service("postgresql", output, criteria, check)


async def _ask(server: PostgresWire, query: str, check: Check) -> str:
    check.trace.say("> %s", query)
    rows = Rows()
    await server.send(
        message(b"Q", text("BEGIN TRANSACTION READ ONLY")),
        # As a prepared statement: that is one statement, so that none can end the transaction.
        message(b"P", text(""), text(query), bytes(2)),
        message(b"B", text(""), text(""), bytes(6)),
        message(b"E", text(""), struct.pack(">i", MOST_ROWS)),
        message(b"S"),
    )
    while (await server.receive())[0] != b"Z":
        pass
    while not rows.full:
        kind, body = await server.receive()
        match kind:
            case b"D":
                rows.add(_values(body))
            case b"C" | b"I" | b"s":
                break
            case b"1" | b"2":
                pass
            case b"G" | b"H" | b"W":
                raise CheckFailed(Reason.COMMAND_FAILED, "COPY is not a query")
            case _:
                raise no_postgres()
    check.trace.say("< %s", rows.text)
    return rows.text


def _values(body: bytes) -> Iterator[str]:
    try:
        (count,) = struct.unpack_from(">H", body)
        at = 2
        for _ in range(count):
            (size,) = struct.unpack_from(">i", body, at)
            at += 4
            # Less than nothing is NULL.
            yield body[at : at + max(size, 0)].decode("utf-8", "replace")
            at += max(size, 0)
    except struct.error as error:
        raise no_postgres() from error
