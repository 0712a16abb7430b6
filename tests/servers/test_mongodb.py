"""The mongodb checker against FerretDB, which speaks MongoDB's protocol, over SQLite."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from fakes.targets import check_context, monitor_of, secret_ref
from pymongo import MongoClient
from support.daemons import free_ports, running
from support.daemons_tls import server_files

from kubekuma.check.run import run_check
from kubekuma.model.criteria import ServiceCriteria, SuccessCriteria
from kubekuma.model.monitor import MonitorType
from kubekuma.model.result import CheckResult, Reason
from kubekuma.model.target import Credentials, MongodbTarget, OptionalTls

pytestmark = pytest.mark.servers


@attrs.frozen
class Server:
    port: int
    tls_port: int
    authority: bytes


@pytest.fixture(scope="session")
def ferretdb(ferretdb_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("ferretdb")
    (folder / "data").mkdir()
    files = server_files(folder)
    port, tls_port = free_ports(2)
    options = {
        "handler": "sqlite",
        "sqlite-url": f"file:{folder}/data/",
        "state-dir": folder,
        "listen-addr": f"127.0.0.1:{port}",
        "listen-tls": f"127.0.0.1:{tls_port}",
        "listen-tls-cert-file": files.cert,
        "listen-tls-key-file": files.key,
        "debug-addr": "-",
        "telemetry": "disable",
        "setup-database": "admin",
        "setup-username": "alice",
        "setup-password": "s3cret",
    }
    command: list[str | Path] = [ferretdb_program, "--test-enable-new-auth"]
    command += [f"--{name}={value}" for name, value in options.items()]
    with running(command, folder, ports=(port, tls_port)):
        make_old_user(port)
        yield Server(port, tls_port, files.authority.read_bytes())


def make_old_user(port: int) -> None:
    # By a client of somebody else's, which shows that the server is one that others talk to.
    client: MongoClient[Any] = MongoClient("127.0.0.1", port, username="alice", password="s3cret")
    with client:
        ways = ["SCRAM-SHA-1"]
        client["admin"].command("createUser", "old", pwd="s3cret", roles=[], mechanisms=ways)


ALICE = Credentials(username_secret_ref=secret_ref("user"), password_secret_ref=secret_ref("known"))
TRUSTED = OptionalTls(enabled=True, ca_bundle_secret_ref=secret_ref("bundle"))
SECRETS = {
    "user": b"alice",
    "known": b"s3cret\n",
    "wrong": b"wr0ng",
    "nobody": b"nobody",
    "old": b"old",
}


async def check(ferretdb: Server, criteria: Any = None, **fields: Any) -> CheckResult:
    target = MongodbTarget(
        **{"host": "localhost", "port": ferretdb.port, "credentials": ALICE, **fields}
    )
    context = check_context(secrets={**SECRETS, "bundle": ferretdb.authority})
    return await run_check(
        monitor_of(MonitorType.MONGODB, target, criteria), context, transcript=True
    )


async def test_a_server_that_lets_us_in_and_answers(ferretdb: Server) -> None:
    result = await check(ferretdb)
    assert result.reason is Reason.PASSED, result.message
    assert result.transcript[-2] == "> ping in admin"
    assert json.loads(result.transcript[-1].removeprefix("< "))["ok"] == 1
    assert result.timings.first_byte
    assert result.timings.transfer
    assert "s3cret" not in repr(result)


@pytest.mark.parametrize(
    "credentials",
    [None, attrs.evolve(ALICE, username_secret_ref=secret_ref("old"))],
    ids=["nobody", "by SHA-1"],
)
async def test_other_ways_to_log_in(ferretdb: Server, credentials: Credentials | None) -> None:
    result = await check(ferretdb, credentials=credentials)
    assert result.reason is Reason.PASSED, result.message


@pytest.mark.parametrize(
    ("tls", "reason"),
    [
        (TRUSTED, Reason.PASSED),
        (OptionalTls(enabled=True, verify=False), Reason.PASSED),
        (OptionalTls(enabled=True), Reason.TLS_UNTRUSTED),
    ],
    ids=["trusted", "not verified", "untrusted"],
)
async def test_tls(ferretdb: Server, tls: OptionalTls, reason: Reason) -> None:
    result = await check(ferretdb, port=ferretdb.tls_port, tls=tls)
    assert result.reason is reason, result.message
    assert result.certificate


@pytest.mark.parametrize(
    ("fields", "reason", "said"),
    [
        (
            {"credentials": attrs.evolve(ALICE, password_secret_ref=secret_ref("wrong"))},
            Reason.AUTH_FAILED,
            "(AuthenticationFailed)",
        ),
        (
            {"credentials": attrs.evolve(ALICE, username_secret_ref=secret_ref("nobody"))},
            Reason.AUTH_FAILED,
            "(AuthenticationFailed)",
        ),
        ({"credentials": None, "command": "dbStats"}, Reason.AUTH_FAILED, "(Unauthorized)"),
        ({"command": "nonsense"}, Reason.COMMAND_FAILED, "(CommandNotFound)"),
        ({"command": "nons\0ense"}, Reason.COMMAND_FAILED, "cannot be sent"),
        ({"database": "a$b", "command": "dbStats"}, Reason.COMMAND_FAILED, "(InvalidNamespace)"),
        ({"command": "dropDatabase"}, Reason.COMMAND_FAILED, "is not run"),
    ],
)
async def test_refusals_say_what_the_server_said(
    ferretdb: Server, fields: Any, reason: Reason, said: str
) -> None:
    result = await check(ferretdb, **fields)
    assert (result.reason, said in result.message) == (reason, True), result.message


@pytest.mark.parametrize(
    ("command", "criteria", "reason"),
    [
        ("buildInfo", ServiceCriteria(pattern='"version": "7'), Reason.PASSED),
        ("buildInfo", ServiceCriteria(pattern='"version": "1'), Reason.VALUE_MISMATCH),
        ("serverStatus", ServiceCriteria(pattern='"localTime": {"\\$date"'), Reason.PASSED),
        ("dbStats", ServiceCriteria(pattern='"db": "shop"'), Reason.PASSED),
    ],
)
async def test_the_answer_is_judged(
    ferretdb: Server, command: str, criteria: ServiceCriteria, reason: Reason
) -> None:
    judged = SuccessCriteria(service=criteria)
    result = await check(ferretdb, judged, command=command, database="shop")
    assert result.reason is reason, result.message
