"""The redis checker against Debian's Redis."""

from collections.abc import Iterator
from typing import Any

import attrs
import pytest
from fakes.targets import check_context, monitor_of, secret_ref
from support.daemons import free_ports, installed, running
from support.daemons_tls import server_files

from kubekuma.check.run import run_check
from kubekuma.model.criteria import ServiceCriteria, SuccessCriteria
from kubekuma.model.monitor import MonitorType
from kubekuma.model.result import CheckResult, Reason
from kubekuma.model.target import Credentials, OptionalTls, RedisTarget

pytestmark = pytest.mark.servers


@attrs.frozen
class Redis:
    port: int
    tls_port: int
    authority: bytes


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    program = installed("redis-server", "redis-server")
    folder = tmp_path_factory.mktemp("redis")
    files = server_files(folder)
    port, tls_port = free_ports(2)
    configuration = f"""
        bind 127.0.0.1
        port {port}
        tls-port {tls_port}
        tls-cert-file {files.cert}
        tls-key-file {files.key}
        tls-auth-clients no
        save ""
        databases 4
        dir {folder}
        requirepass s3cret
        user reader on >r3ader ~* +ping +get +select +auth
    """
    with running([program, "-"], folder, ports=(port, tls_port), stdin=configuration.encode()):
        yield Redis(port, tls_port, files.authority.read_bytes())


CREDENTIALS = Credentials(password_secret_ref=secret_ref("password"))
READER = Credentials(
    username_secret_ref=secret_ref("user"), password_secret_ref=secret_ref("reader")
)


async def check(redis: Redis, criteria: Any = None, **fields: Any) -> CheckResult:
    target = RedisTarget(
        **{"host": "localhost", "port": redis.port, "credentials": CREDENTIALS, **fields}
    )
    known = {"password": b"s3cret\n", "user": b"reader", "reader": b"r3ader", "wrong": b"wr0ng"}
    context = check_context(secrets={**known, "bundle": redis.authority})
    return await run_check(
        monitor_of(MonitorType.REDIS, target, criteria), context, transcript=True
    )


async def test_a_server_that_lets_us_in_and_answers(redis: Redis) -> None:
    result = await check(redis)
    assert result.reason is Reason.PASSED, result.message
    assert result.transcript[-1] == "< PONG"
    assert result.timings.first_byte
    assert "s3cret" not in repr(result)


async def test_a_user_of_its_own_in_another_database(redis: Redis) -> None:
    result = await check(redis, credentials=READER, database=3, command=("GET", "nothing"))
    assert result.reason is Reason.PASSED, result.message


async def test_tls_with_an_authority_of_ours(redis: Redis) -> None:
    tls = OptionalTls(enabled=True, ca_bundle_secret_ref=secret_ref("bundle"))
    result = await check(redis, port=redis.tls_port, tls=tls)
    assert result.reason is Reason.PASSED, result.message
    assert result.certificate
    assert result.certificate.valid


@pytest.mark.parametrize(
    ("fields", "reason", "said"),
    [
        ({"credentials": None}, Reason.AUTH_FAILED, "NOAUTH"),
        (
            {"credentials": Credentials(password_secret_ref=secret_ref("wrong"))},
            Reason.AUTH_FAILED,
            "WRONGPASS",
        ),
        ({"credentials": READER, "command": ("SET", "a", "b")}, Reason.AUTH_FAILED, "NOPERM"),
        ({"command": ("NONSENSE",)}, Reason.COMMAND_FAILED, "unknown command"),
        ({"database": 7}, Reason.COMMAND_FAILED, "out of range"),
        (
            {"credentials": Credentials(password_secret_ref=secret_ref("none"))},
            Reason.SECRET_MISSING,
            "key none",
        ),
    ],
)
async def test_refusals_say_what_the_server_said(
    redis: Redis, fields: Any, reason: Reason, said: str
) -> None:
    result = await check(redis, **fields)
    assert (result.reason, said in result.message) == (reason, True), result.message


@pytest.mark.parametrize(
    ("criteria", "reason"),
    [
        (ServiceCriteria(value="PONG"), Reason.PASSED),
        (ServiceCriteria(pattern="^P.NG$"), Reason.PASSED),
        (ServiceCriteria(value="ping"), Reason.VALUE_MISMATCH),
        (ServiceCriteria(pattern="^x"), Reason.VALUE_MISMATCH),
        (ServiceCriteria(min_value=3), Reason.VALUE_MISMATCH),
    ],
)
async def test_the_answer_is_judged(
    redis: Redis, criteria: ServiceCriteria, reason: Reason
) -> None:
    result = await check(redis, SuccessCriteria(service=criteria))
    assert result.reason is reason, result.message


async def test_numbers_and_arrays_are_answers_too(redis: Redis) -> None:
    depth = SuccessCriteria(service=ServiceCriteria(max_value=10))
    assert (await check(redis, depth, command=("LLEN", "queue"))).reason is Reason.PASSED
    names = SuccessCriteria(service=ServiceCriteria(pattern="^databases\n4$"))
    result = await check(redis, names, command=("CONFIG", "GET", "databases"))
    assert result.reason is Reason.PASSED, result.message
