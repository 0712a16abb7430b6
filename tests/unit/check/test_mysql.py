"""What a server could do that no server of tests/servers does."""

from typing import Any

import pytest
import trio
from fakes.targets import Step, check_context, monitor_of, secret_ref, start_target

from kubekuma.check.run import run_check
from kubekuma.model.monitor import MonitorType
from kubekuma.model.result import CheckResult, Reason
from kubekuma.model.target import Credentials, DatabaseTarget, OptionalTls

SSL = 0x800
OK = b"\0" * 7
WHO = Credentials(username_secret_ref=secret_ref("user"), password_secret_ref=secret_ref("pass"))


def packet(number: int, body: bytes) -> bytes:
    return len(body).to_bytes(3, "little") + bytes([number]) + body


def greeting(plugin: bytes = b"mysql_native_password", capabilities: int = 0xFFFF) -> bytes:
    low, high = capabilities.to_bytes(2, "little"), b"\xff\xff"
    head = b"\x0a8.0\0" + bytes(4) + b"12345678" + b"\0" + low + b"\x2d\0\0" + high
    return packet(0, head + b"\x15" + bytes(10) + b"901234567890\0" + plugin + b"\0")


async def hear(stream: trio.abc.Stream) -> None:
    await stream.receive_some()


async def ask(nursery: trio.Nursery, *said: bytes, **fields: Any) -> CheckResult:
    """The result where the server says these parts, one before each thing it hears."""
    steps: list[Step] = []
    for part in said:
        steps += [part, hear]
    target = await start_target(nursery, *steps, read=False)
    where = DatabaseTarget(
        **{"host": "127.0.0.1", "port": target.port, "credentials": WHO, **fields}
    )
    context = check_context(secrets={"user": b"alice", "pass": b"s3cret"})
    return await run_check(monitor_of(MonitorType.MYSQL, where), context)


@pytest.mark.parametrize(
    ("said", "reason", "message"),
    [
        (
            [b"\xfemysql_clear_password\0"],
            Reason.AUTH_FAILED,
            "the server asks for a login by mysql_clear_password, only in TLS",
        ),
        ([b"\xfe"], Reason.PROTOCOL_ERROR, "the answer is not MySQL's"),
        ([b"\x01\x04"], Reason.PROTOCOL_ERROR, "the answer is not MySQL's"),
        (
            [b"\xfecaching_sha2_password\x001234\0", b"\x01\x04", b"\x01no key"],
            Reason.PROTOCOL_ERROR,
            "the answer is not MySQL's",
        ),
        ([OK, OK, b"\xfb/etc/passwd"], Reason.COMMAND_FAILED, "the server asks for a file of ours"),
        ([OK, OK, b"\xfe" + b"\xff" * 8], Reason.PROTOCOL_ERROR, "the answer is not MySQL's"),
        ([OK, OK, b"\xff\x28\x04#HY000no"], Reason.COMMAND_FAILED, "the server says no (1064)"),
        ([b"\xff\x10\x04Too many"], Reason.COMMAND_FAILED, "the server says Too many (1040)"),
    ],
)
async def test_what_a_server_may_not_do(
    nursery: trio.Nursery, said: list[bytes], reason: Reason, message: str
) -> None:
    # Of the login each packet answers one of ours; of a command it is always the first answer.
    login = [each for each in said if each is not OK] if OK not in said else [OK]
    numbers = [2 + 2 * at for at in range(len(login))] + [1] * (len(said) - len(login))
    packets = [packet(number, body) for number, body in zip(numbers, said, strict=True)]
    result = await ask(nursery, greeting(), *packets)
    assert (result.reason, result.message) == (reason, message)


@pytest.mark.parametrize(
    ("said", "reason", "message"),
    [
        (greeting(capabilities=0xFFFF & ~SSL), Reason.TLS_FAILED, "does not offer TLS"),
        (greeting() + packet(1, OK), Reason.PROTOCOL_ERROR, "in the clear before TLS"),
        (packet(0, b"\xff\x6a\x04Host is not allowed"), Reason.AUTH_FAILED, "not allowed"),
    ],
)
async def test_tls_that_cannot_be_had(
    nursery: trio.Nursery, said: bytes, reason: Reason, message: str
) -> None:
    result = await ask(nursery, said, tls=OptionalTls(enabled=True))
    assert (result.reason, message in result.message) == (reason, True), result.message
