"""The postgresql checker against Debian's PostgreSQL."""

import shutil
from collections.abc import Iterator
from typing import Any

import attrs
import pytest
from fakes.targets import check_context, monitor_of, secret_ref
from support.daemons_tls import server_files
from support.postgresql import USER, Postgres, running_postgres

from kubekuma.check.run import run_check
from kubekuma.model.criteria import ServiceCriteria, SuccessCriteria
from kubekuma.model.monitor import MonitorType
from kubekuma.model.result import CheckResult, Reason
from kubekuma.model.target import Credentials, DatabaseTarget, OptionalTls

pytestmark = pytest.mark.servers

ROLES = """
    CREATE ROLE alice LOGIN PASSWORD 's3cret';
    CREATE ROLE plain LOGIN PASSWORD 's3cret';
    CREATE ROLE blocked LOGIN PASSWORD 's3cret';
    CREATE ROLE foreign_ LOGIN PASSWORD 'pa\u00df \u2168';
    SET password_encryption = md5;
    CREATE ROLE old LOGIN PASSWORD 's3cret';
"""
TABLES = """
    CREATE TABLE orders (id int, state text);
    INSERT INTO orders VALUES (1, 'stuck'), (2, NULL);
    GRANT ALL ON orders TO alice;
    CREATE TABLE closed (id int);
"""
# The user of the tests' own connections needs no password.
RULES = """
    host all blocked 127.0.0.1/32 reject
    host all postgres 127.0.0.1/32 trust
    host all plain 127.0.0.1/32 password
    host all old 127.0.0.1/32 md5
    hostssl secure alice 127.0.0.1/32 scram-sha-256
    host shop all 127.0.0.1/32 scram-sha-256
    host none all 127.0.0.1/32 scram-sha-256
"""


@attrs.frozen
class Server:
    postgres: Postgres
    authority: bytes


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with running_postgres() as postgres:
        for database in ("shop", "secure"):
            postgres.run(f"CREATE DATABASE {database}")
        for statement in ROLES.strip().split(";\n"):
            postgres.run(statement)
        yield Server(postgres, turned_to_tls(postgres))


def turned_to_tls(postgres: Postgres) -> bytes:
    for statement in TABLES.strip().split(";\n"):
        postgres.run(statement, "shop")
    files = server_files(postgres.folder)
    for each in files:
        shutil.chown(each, USER)
    data = postgres.folder / "data"
    data.joinpath("pg_hba.conf").write_text(RULES)
    settings = {"ssl": "on", "ssl_cert_file": files.cert, "ssl_key_file": files.key}
    with data.joinpath("postgresql.conf").open("a") as file:
        file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
    postgres.control("restart")
    return files.authority.read_bytes()


def user(name: str, key: str = "known") -> Credentials:
    return Credentials(username_secret_ref=secret_ref(name), password_secret_ref=secret_ref(key))


SECRETS = {
    **{name: name.encode() for name in ("alice", "plain", "blocked", "foreign_", "old", "nobody")},
    "known": b"s3cret\n",
    "other": "pa\u00df IX".encode(),
    "wrong": b"wr0ng",
    "split": b"a\0b",
}
TRUSTED = OptionalTls(enabled=True, ca_bundle_secret_ref=secret_ref("bundle"))


async def check(server: Server, criteria: Any = None, **fields: Any) -> CheckResult:
    target = DatabaseTarget(
        **{
            "host": "localhost",
            "port": server.postgres.port,
            "credentials": user("alice"),
            "database": "shop",
            **fields,
        }
    )
    context = check_context(secrets={**SECRETS, "bundle": server.authority})
    monitor = monitor_of(MonitorType.POSTGRESQL, target, criteria)
    return await run_check(monitor, context, transcript=True)


async def test_a_server_that_lets_us_in_and_answers(server: Server) -> None:
    result = await check(server)
    assert result.reason is Reason.PASSED, result.message
    assert result.transcript[-2:] == ("> SELECT 1", "< 1")
    assert result.timings.first_byte
    assert result.timings.transfer
    assert "s3cret" not in repr(result)


@pytest.mark.parametrize(
    "credentials",
    [None, user("plain"), user("old"), user("foreign_", "other")],
    ids=["nobody", "in the clear", "md5", "in another script"],
)
async def test_every_way_to_log_in(server: Server, credentials: Credentials | None) -> None:
    result = await check(server, credentials=credentials)
    assert result.reason is Reason.PASSED, result.message


@pytest.mark.parametrize(
    ("tls", "reason"),
    [
        (TRUSTED, Reason.PASSED),
        (OptionalTls(enabled=True, verify=False), Reason.PASSED),
        (OptionalTls(enabled=True), Reason.TLS_UNTRUSTED),
        (attrs.evolve(TRUSTED, sni="elsewhere.example"), Reason.TLS_HOSTNAME),
        (OptionalTls(), Reason.AUTH_FAILED),
    ],
    ids=["trusted", "not verified", "untrusted", "another name", "in the clear"],
)
async def test_tls(server: Server, tls: OptionalTls, reason: Reason) -> None:
    result = await check(server, tls=tls, database="secure")
    assert result.reason is reason, result.message
    assert (result.certificate is not None) is tls.enabled


@pytest.mark.parametrize(
    ("fields", "reason", "said"),
    [
        ({"credentials": user("alice", "wrong")}, Reason.AUTH_FAILED, "password authentication"),
        ({"credentials": user("nobody")}, Reason.AUTH_FAILED, "password authentication"),
        ({"credentials": user("blocked")}, Reason.AUTH_FAILED, "pg_hba.conf rejects"),
        (
            {"credentials": attrs.evolve(user("alice"), password_secret_ref=None)},
            Reason.AUTH_FAILED,
            "there is none",
        ),
        ({"credentials": user("plain", "split")}, Reason.COMMAND_FAILED, "NUL"),
        ({"database": "none"}, Reason.COMMAND_FAILED, "there is no such database"),
        ({"query": "SELECT * FROM nothing"}, Reason.COMMAND_FAILED, '"nothing" does not exist'),
        ({"query": "SELECT 1; SELECT 2"}, Reason.COMMAND_FAILED, "multiple commands"),
        ({"query": "SELECT * FROM closed"}, Reason.AUTH_FAILED, "permission denied"),
        ({"query": "DELETE FROM orders"}, Reason.COMMAND_FAILED, "read-only transaction"),
        ({"query": "COPY orders TO STDOUT"}, Reason.COMMAND_FAILED, "COPY"),
        ({"query": "SELECT 1/0"}, Reason.COMMAND_FAILED, "division by zero"),
        ({"query": "SELECT 1 / (200 - g) FROM generate_series(1, 300) g"}, Reason.PASSED, ""),
        ({"query": "SELECT repeat('x', 2000000)"}, Reason.PROTOCOL_ERROR, "more than 1048576"),
    ],
)
async def test_refusals_say_what_the_server_said(
    server: Server, fields: Any, reason: Reason, said: str
) -> None:
    result = await check(server, **fields)
    assert (result.reason, said in result.message) == (reason, True), result.message
    assert server.postgres.run("SELECT count(*) FROM orders", "shop") == [(2,)]


@pytest.mark.parametrize(
    ("query", "criteria", "reason"),
    [
        ("SELECT count(*) FROM orders", ServiceCriteria(max_value=2), Reason.PASSED),
        ("SELECT count(*) FROM orders", ServiceCriteria(max_value=1), Reason.VALUE_MISMATCH),
        ("SELECT * FROM orders ORDER BY 1;", ServiceCriteria(value="1\tstuck\n2\t"), Reason.PASSED),
        ("SELECT 'gr\u00fcn'", ServiceCriteria(pattern="^gr.n$"), Reason.PASSED),
        ("SELECT * FROM orders WHERE false", ServiceCriteria(value=""), Reason.PASSED),
        ("SELECT repeat('x', 900000)", ServiceCriteria(pattern="^x{1000}"), Reason.PASSED),
        ("SHOW transaction_read_only", ServiceCriteria(value="on"), Reason.PASSED),
        ("-- nothing", ServiceCriteria(value=""), Reason.PASSED),
    ],
)
async def test_the_answer_is_judged(
    server: Server, query: str, criteria: ServiceCriteria, reason: Reason
) -> None:
    result = await check(server, SuccessCriteria(service=criteria), query=query)
    assert result.reason is reason, result.message


async def test_only_so_many_rows_are_read(server: Server) -> None:
    criteria = SuccessCriteria(service=ServiceCriteria(pattern="\n100$"))
    result = await check(server, criteria, query="SELECT generate_series(1, 100000000)")
    assert result.reason is Reason.PASSED, result.message


async def test_the_environment_says_nothing(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"PGHOST": "192.0.2.1", "PGUSER": "mallory", "PGOPTIONS": "-c x"}.items():
        monkeypatch.setenv(name, value)
    result = await check(server, database=None, credentials=None, query="SELECT current_user")
    assert result.transcript[-1] == "< postgres", result.message
