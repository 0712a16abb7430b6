"""The mysql checker against Debian's MariaDB, and against MySQL's own logins."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import attrs
import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from fakes.targets import check_context, monitor_of, secret_ref
from support.daemons import free_ports, installed, running
from support.daemons_tls import server_files

from kubekuma.check.run import run_check
from kubekuma.model.criteria import ServiceCriteria, SuccessCriteria
from kubekuma.model.monitor import MonitorType
from kubekuma.model.result import CheckResult, Reason
from kubekuma.model.target import Credentials, DatabaseTarget, OptionalTls

pytestmark = pytest.mark.servers

FURNITURE: Final = """
CREATE DATABASE shop;
CREATE TABLE shop.orders (id int, state varchar(20)) DEFAULT CHARSET utf8mb4;
INSERT INTO shop.orders VALUES (1, 'stuck'), (2, NULL);
CREATE TABLE shop.closed (id int);
CREATE USER alice@localhost IDENTIFIED BY 's3cret';
GRANT SELECT, DELETE ON shop.orders TO alice@localhost;
CREATE USER secure@localhost IDENTIFIED BY 's3cret' REQUIRE SSL;
CREATE USER locked@localhost IDENTIFIED BY 's3cret' ACCOUNT LOCK;
CREATE USER admin@localhost IDENTIFIED BY 's3cret';
GRANT ALL ON *.* TO admin@localhost;
CREATE USER other@localhost IDENTIFIED VIA unix_socket;
DROP USER IF EXISTS ''@localhost;
"""

THOUSAND_ROWS: Final = """
    WITH RECURSIVE numbers(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < 1000)
    SELECT i FROM numbers
"""


@attrs.frozen
class Server:
    port: int
    authority: bytes


@pytest.fixture(scope="session")
def mariadb(open_folders: Callable[[], Path]) -> Iterator[Server]:
    program = installed("mariadbd", "mariadb-server")
    install = installed("mariadb-install-db", "mariadb-server")
    folder = open_folders()
    files = server_files(folder)
    (port,) = free_ports(1)
    common = ["--no-defaults", "--user=root", f"--datadir={folder}/data"]
    # Of io_uring's memory a machine gives only so much to all its servers.
    common += ["--skip-innodb-use-native-aio"]
    subprocess.run([install, *common, "--skip-test-db"], check=True, capture_output=True)
    furniture = folder / "furniture.sql"
    furniture.write_text(FURNITURE)
    command = [program, *common, f"--port={port}", "--bind-address=127.0.0.1"]
    command += [f"--socket={folder}/socket", f"--ssl-cert={files.cert}", f"--ssl-key={files.key}"]
    command += [f"--init-file={furniture}", "--skip-name-resolve=0"]
    with running(command, folder, ports=(port,), says="ready for connections"):
        yield Server(port, files.authority.read_bytes())


def user(name: str, key: str = "known") -> Credentials:
    return Credentials(username_secret_ref=secret_ref(name), password_secret_ref=secret_ref(key))


SECRETS = {
    **{name: name.encode() for name in ("alice", "secure", "locked", "admin", "other", "nobody")},
    "known": b"s3cret\n",
    "wrong": b"wr0ng",
    "split": b"a\0b",
}
TRUSTED = OptionalTls(enabled=True, ca_bundle_secret_ref=secret_ref("bundle"))


async def check(server: Server, criteria: Any = None, **fields: Any) -> CheckResult:
    default = {"credentials": user("alice"), "database": "shop"}
    target = DatabaseTarget(**{"host": "localhost", "port": server.port, **default, **fields})
    context = check_context(secrets={**SECRETS, "bundle": server.authority})
    return await run_check(
        monitor_of(MonitorType.MYSQL, target, criteria), context, transcript=True
    )


async def test_a_server_that_lets_us_in_and_answers(mariadb: Server) -> None:
    result = await check(mariadb)
    assert result.reason is Reason.PASSED, result.message
    assert result.transcript[-2:] == ("> SELECT 1", "< 1")
    assert result.timings.first_byte
    assert result.timings.transfer
    assert "s3cret" not in repr(result)


async def test_without_a_database(mariadb: Server) -> None:
    result = await check(mariadb, database=None, query="SELECT DATABASE()")
    assert result.transcript[-1] == "< ", result.message


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
async def test_tls(mariadb: Server, tls: OptionalTls, reason: Reason) -> None:
    result = await check(mariadb, tls=tls, credentials=user("secure"), database=None)
    assert result.reason is reason, result.message
    assert (result.certificate is not None) is tls.enabled


@pytest.mark.parametrize(
    ("fields", "reason", "said"),
    [
        ({"credentials": user("alice", "wrong")}, Reason.AUTH_FAILED, "Access denied"),
        ({"credentials": user("nobody")}, Reason.AUTH_FAILED, "Access denied"),
        ({"credentials": None}, Reason.AUTH_FAILED, "Access denied"),
        ({"credentials": user("locked"), "database": None}, Reason.AUTH_FAILED, "locked"),
        ({"credentials": user("other")}, Reason.AUTH_FAILED, "Access denied"),
        ({"credentials": user("alice", "split")}, Reason.COMMAND_FAILED, "NUL"),
        (
            {"credentials": user("admin"), "database": "none"},
            Reason.COMMAND_FAILED,
            "there is no such database: Unknown database 'none'",
        ),
        ({"database": "mysql"}, Reason.AUTH_FAILED, "Access denied"),
        ({"query": "SELECT * FROM nothing"}, Reason.AUTH_FAILED, "denied"),
        ({"query": "SELECT * FROM closed"}, Reason.AUTH_FAILED, "denied"),
        ({"query": "SELECT nothing FROM orders"}, Reason.COMMAND_FAILED, "Unknown column"),
        ({"query": "SELECT 1; SELECT 2"}, Reason.COMMAND_FAILED, "syntax"),
        ({"query": "DELETE FROM orders"}, Reason.COMMAND_FAILED, "READ ONLY"),
        ({"query": "SELECT repeat('x', 2000000)"}, Reason.PROTOCOL_ERROR, "more than 1048576"),
    ],
)
async def test_refusals_say_what_the_server_said(
    mariadb: Server, fields: Any, reason: Reason, said: str
) -> None:
    result = await check(mariadb, **fields)
    assert (result.reason, said in result.message) == (reason, True), result.message


@pytest.mark.parametrize(
    ("query", "criteria", "reason"),
    [
        ("SELECT count(*) FROM orders", ServiceCriteria(max_value=2), Reason.PASSED),
        ("SELECT count(*) FROM orders", ServiceCriteria(max_value=1), Reason.VALUE_MISMATCH),
        ("SELECT * FROM orders ORDER BY 1;", ServiceCriteria(value="1\tstuck\n2\t"), Reason.PASSED),
        ("SELECT 'gr\u00fcn \U0001f600'", ServiceCriteria(pattern="^gr.n .$"), Reason.PASSED),
        ("SELECT * FROM orders WHERE id = 3", ServiceCriteria(value=""), Reason.PASSED),
        ("SELECT repeat('x', 900000)", ServiceCriteria(pattern="^x{1000}"), Reason.PASSED),
        (THOUSAND_ROWS, ServiceCriteria(pattern="\n100$"), Reason.PASSED),
        ("DO 1", ServiceCriteria(value=""), Reason.PASSED),
    ],
)
async def test_the_answer_is_judged(
    mariadb: Server, query: str, criteria: ServiceCriteria, reason: Reason
) -> None:
    result = await check(mariadb, SuccessCriteria(service=criteria), query=query)
    assert result.reason is reason, result.message


# MySQL's own ways to log in ----------------------------------------------------------------------


@pytest.fixture(scope="session")
def mysqld(
    mysqld_program: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Server]]:
    """Start a server with a cold cache that wants this way to log in."""
    authority = trustme.CA()
    leaf = authority.issue_cert("localhost", key_type=trustme.KeyType.RSA)
    key = load_pem_private_key(leaf.private_key_pem.bytes(), None)
    pkcs8 = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    with ExitStack() as stack:

        def start(method: str) -> Server:
            folder = tmp_path_factory.mktemp("mysqld")
            (folder / "key.pem").write_bytes(pkcs8)
            (folder / "cert.pem").write_bytes(leaf.cert_chain_pems[0].bytes())
            (port,) = free_ports(1)
            files = [folder / "cert.pem", folder / "key.pem"]
            command: list[str | Path] = [mysqld_program, method, str(port), *files]
            command += ["alice", "s3cret"]
            stack.enter_context(running(command, folder, ports=(port,)))
            return Server(port, authority.cert_pem.bytes())

        yield start


@pytest.mark.parametrize("tls", [OptionalTls(), TRUSTED], ids=["clear", "tls"])
@pytest.mark.parametrize("method", ["caching_sha2_password", "mysql_native_password"])
async def test_the_password_is_proved_or_shown(
    mysqld: Callable[[str], Server], method: str, tls: OptionalTls
) -> None:
    server = mysqld(method)
    # The server knows it only after the first login: then a proof is enough.
    for _ in range(2):
        result = await check(server, tls=tls, query="SELECT 'x'")
        assert result.reason is Reason.PASSED, result.message
        assert result.transcript[-1] == "< SELECT 'x'"
    result = await check(server, tls=tls, credentials=user("alice", "wrong"))
    assert result.reason is Reason.AUTH_FAILED, result.message
    assert "Access denied" in result.message


async def test_a_way_to_log_in_that_we_do_not_know(mysqld: Callable[[str], Server]) -> None:
    result = await check(mysqld("sha256_password"))
    assert result.reason is Reason.AUTH_FAILED
    assert result.message == (
        "the server asks for a login by sha256_password, which is not spoken here"
    )
