"""What a server could do that Debian's does not."""

import struct
from typing import Any

import pytest
import trio
from fakes.targets import Step, check_context, endless, monitor_of, secret_ref, start_target

from kubekuma.check.run import run_check
from kubekuma.model.monitor import MonitorType
from kubekuma.model.result import CheckResult, Reason
from kubekuma.model.target import Credentials, DatabaseTarget, OptionalTls

WHO = Credentials(username_secret_ref=secret_ref("user"), password_secret_ref=secret_ref("pass"))
NOTICE = b"N\0\0\0\x05\0"


def message(kind: bytes, body: bytes = b"") -> bytes:
    return kind + struct.pack(">i", len(body) + 4) + body


def asks(method: int, rest: bytes = b"") -> bytes:
    return message(b"R", struct.pack(">i", method) + rest)


READY = message(b"Z", b"I")
LET_IN = asks(0) + message(b"S", b"server_version\x0099\0") + message(b"K", bytes(8)) + READY
BEGUN = message(b"C", b"BEGIN\0") + READY + message(b"1") + message(b"2")


async def hear(stream: trio.abc.Stream) -> None:
    await stream.receive_some()


async def ask(nursery: trio.Nursery, *said: Step, **fields: Any) -> CheckResult:
    """The result where the server says these parts, one after each thing it hears."""
    steps: list[Step] = []
    for part in said:
        steps += [hear, part]
    target = await start_target(nursery, *steps, read=False)
    where = DatabaseTarget(host="127.0.0.1", port=target.port, credentials=WHO, **fields)
    context = check_context(secrets={"user": b"alice", "pass": b"s3cret"})
    return await run_check(monitor_of(MonitorType.POSTGRESQL, where), context)


@pytest.mark.parametrize(
    ("said", "reason", "message"),
    [
        ([asks(7)], Reason.AUTH_FAILED, "login by GSSAPI, which is not spoken here"),
        ([asks(6)], Reason.AUTH_FAILED, "login by method 6, which is not spoken here"),
        ([asks(10, b"SCRAM-SHA-256-PLUS\0\0")], Reason.AUTH_FAILED, "login by method 10"),
        ([asks(3), asks(3)], Reason.PROTOCOL_ERROR, "not PostgreSQL's"),
        ([asks(10, b"SCRAM-SHA-256\0\0"), asks(0)], Reason.PROTOCOL_ERROR, "not PostgreSQL's"),
        ([message(b"R")], Reason.PROTOCOL_ERROR, "not PostgreSQL's"),
        ([message(b"E", b"\0")], Reason.COMMAND_FAILED, "the server says nothing more ()"),
        ([endless(NOTICE)], Reason.PROTOCOL_ERROR, "not PostgreSQL's"),
        ([LET_IN, BEGUN + message(b"D", b"\0\2\0\0\0\1x")], Reason.PROTOCOL_ERROR, "PostgreSQL's"),
        ([LET_IN, BEGUN + message(b"R", bytes(4))], Reason.PROTOCOL_ERROR, "PostgreSQL's"),
        ([LET_IN, BEGUN + message(b"H", bytes(3))], Reason.COMMAND_FAILED, "COPY"),
        ([LET_IN, BEGUN + message(b"C", b"SELECT 0\0")], Reason.PASSED, ""),
    ],
)
async def test_what_a_server_may_say(
    nursery: trio.Nursery, said: list[Step], reason: Reason, message: str
) -> None:
    result = await ask(nursery, *said)
    assert (result.reason, message in result.message) == (reason, True), result.message


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"N", Reason.TLS_FAILED),
        (b"E", Reason.PROTOCOL_ERROR),
        (b"S" + LET_IN, Reason.PROTOCOL_ERROR),
    ],
)
async def test_tls_that_cannot_be_had(nursery: trio.Nursery, said: bytes, reason: Reason) -> None:
    result = await ask(nursery, said, tls=OptionalTls(enabled=True))
    assert result.reason is reason, result.message
