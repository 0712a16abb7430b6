"""The mssql checker against a peer of ours: there is no SQL Server that could be started here."""

import ssl
from pathlib import Path
from typing import Any, Final

import attrs
import pytest
import trio
import trio.testing
from fakes.sql_server import (
    NOT_SUPPORTED,
    OFF,
    Answer,
    SqlServer,
    done,
    elsewhere,
    error,
    let_in,
)
from fakes.targets import check_context, monitor_of, secret_ref
from hypothesis import given, settings
from hypothesis import strategies as st
from support.certificates import certificates, write_pem

from kubekuma.check.context import CheckContext
from kubekuma.check.run import run_check
from kubekuma.model.criteria import ServiceCriteria, SuccessCriteria
from kubekuma.model.monitor import MonitorType
from kubekuma.model.result import CheckResult, Outcome, Reason
from kubekuma.model.target import Credentials, DatabaseTarget, OptionalTls

SELECT = "SELECT x"
WHO = Credentials(username_secret_ref=secret_ref("user"), password_secret_ref=secret_ref("known"))
TRUSTED = OptionalTls(enabled=True, ca_bundle_secret_ref=secret_ref("bundle"))
SECRETS = {"user": b"alice", "known": b"s3cret\n", "wrong": b"wr0ng"}


@pytest.fixture
def tls(tmp_path: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(write_pem(certificates().valid, tmp_path / "valid.pem"))
    return context


async def start(nursery: trio.Nursery, answer: Answer = ((1,),), **more: Any) -> SqlServer:
    return await SqlServer(answers={SELECT: answer, "SELECT 1": ((1,),)}, **more).start(nursery)


def context() -> CheckContext:
    return check_context(secrets={**SECRETS, "bundle": certificates().bundle})


async def check(
    server: SqlServer,
    criteria: Any = None,
    within: CheckContext | None = None,
    seconds: int = 5,
    **fields: Any,
) -> CheckResult:
    target = DatabaseTarget(
        **{"host": "localhost", "port": server.port, "credentials": WHO, **fields}
    )
    monitor = monitor_of(MonitorType.MSSQL, target, criteria, timeout_seconds=seconds)
    return await run_check(monitor, within or context(), transcript=True)


async def test_a_server_that_lets_us_in_and_answers(nursery: trio.Nursery) -> None:
    server = await start(nursery)
    result = await check(server, database="shop")
    assert result.reason is Reason.PASSED, result.message
    assert result.transcript[-2:] == ("> SELECT 1", "< 1")
    assert result.timings.first_byte
    assert result.timings.transfer
    assert "s3cret" not in repr(result)
    (who,) = server.logins
    assert who == {
        "user": "alice",
        "password": "s3cret",
        "database": "shop",
        "application": "kubekuma",
        "server": "localhost",
    }


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        (TRUSTED, Reason.PASSED),
        (OptionalTls(enabled=True, verify=False), Reason.PASSED),
        (OptionalTls(enabled=True), Reason.TLS_UNTRUSTED),
        (attrs.evolve(TRUSTED, sni="elsewhere.example"), Reason.TLS_HOSTNAME),
        (OptionalTls(), Reason.PASSED),
    ],
    ids=["trusted", "not verified", "untrusted", "another name", "in the clear"],
)
async def test_tls(
    nursery: trio.Nursery, tls: ssl.SSLContext, wanted: OptionalTls, reason: Reason
) -> None:
    server = await start(nursery, [["x" * 3000]] * 20, tls=tls)
    result = await check(server, tls=wanted, query=SELECT)
    assert result.reason is reason, result.message
    assert (result.certificate is not None) is wanted.enabled
    assert bool(server.logins) is (reason is Reason.PASSED)


@pytest.mark.parametrize(
    ("server", "wanted", "reason", "said"),
    [
        ({"demands_tls": True}, OptionalTls(), Reason.TLS_FAILED, "lets nobody in without TLS"),
        ({"encryption": NOT_SUPPORTED}, TRUSTED, Reason.TLS_FAILED, "does not offer TLS"),
        ({"encryption": OFF}, TRUSTED, Reason.PROTOCOL_ERROR, "not TDS"),
    ],
)
async def test_servers_that_see_tls_otherwise(
    nursery: trio.Nursery,
    tls: ssl.SSLContext,
    server: Any,
    wanted: OptionalTls,
    reason: Reason,
    said: str,
) -> None:
    result = await check(await start(nursery, tls=tls, **server), tls=wanted)
    assert (result.reason, said in result.message) == (reason, True), result.message


NOTHING: Final = error((208, "Invalid object name 'nothing'."))
DENIED: Final = error((229, "The SELECT permission was denied on the object 'closed'."))
UNKNOWN_TOKEN: Final = b"\x01\x02\x03"


@pytest.mark.parametrize(
    ("fields", "answer", "reason", "said"),
    [
        (
            {"credentials": attrs.evolve(WHO, password_secret_ref=secret_ref("wrong"))},
            None,
            Reason.AUTH_FAILED,
            "the server says Login failed for user 'alice'. (18456)",
        ),
        ({"credentials": None}, None, Reason.AUTH_FAILED, "Login failed"),
        ({"database": "none"}, None, Reason.COMMAND_FAILED, "there is no such database: Cannot"),
        ({}, NOTHING, Reason.COMMAND_FAILED, "the server says Invalid object name"),
        ({}, DENIED, Reason.AUTH_FAILED, "permission was denied"),
        ({}, UNKNOWN_TOKEN, Reason.PROTOCOL_ERROR, "makes no sense"),
        ({}, [["x" * 3999]] * 2000, Reason.PASSED, ""),
        ({}, b"\x81" + b"\x01\x00" + bytes(6) + b"\xf0", Reason.PROTOCOL_ERROR, ""),
    ],
)
async def test_refusals_say_what_the_server_said(
    nursery: trio.Nursery, fields: Any, answer: Answer, reason: Reason, said: str
) -> None:
    server = await start(nursery, answer)
    result = await check(server, **{"query": SELECT, **fields})
    assert (result.reason, said in result.message) == (reason, True), result.message


@pytest.mark.parametrize(
    ("answer", "criteria", "reason"),
    [
        ([[42]], ServiceCriteria(max_value=42), Reason.PASSED),
        ([[42]], ServiceCriteria(max_value=41), Reason.VALUE_MISMATCH),
        ([[1, "stuck"], [2, None]], ServiceCriteria(value="1\tstuck\n2\t"), Reason.PASSED),
        ([["gr\u00fcn"]], ServiceCriteria(pattern="^gr.n$"), Reason.PASSED),
        ([[True, b"\x01\xff"]], ServiceCriteria(value="1\t01ff"), Reason.PASSED),
        ([[each] for each in range(1, 201)], ServiceCriteria(pattern="\n100$"), Reason.PASSED),
        ([], ServiceCriteria(value=""), Reason.PASSED),
        (done(), ServiceCriteria(value=""), Reason.PASSED),
    ],
)
async def test_the_answer_is_judged(
    nursery: trio.Nursery, answer: Answer, criteria: ServiceCriteria, reason: Reason
) -> None:
    server = await start(nursery, answer)
    result = await check(server, SuccessCriteria(service=criteria), query=SELECT)
    assert result.reason is reason, result.message


async def test_it_goes_nowhere_else(nursery: trio.Nursery) -> None:
    other = await start(nursery)
    server = await start(nursery, login=elsewhere("127.0.0.1", other.port))
    result = await check(server)
    assert result.reason is Reason.PROTOCOL_ERROR
    assert result.message == "the answer makes no sense, or leads to another server"
    assert other.logins == []


@pytest.mark.parametrize("wanted", [OptionalTls(), TRUSTED], ids=["clear", "tls"])
async def test_a_server_that_falls_silent_keeps_no_thread(
    nursery: trio.Nursery, tls: ssl.SSLContext, wanted: OptionalTls
) -> None:
    server = await start(nursery, None, tls=tls)
    shared = context()
    with trio.fail_after(5):
        async with trio.open_nursery() as checks:
            checks.start_soon(run_silent, server, shared, wanted)
            while SELECT not in server.heard:
                await trio.testing.wait_all_tasks_blocked(0.01)
            assert (shared.threads.running, shared.threads.abandoned) == (1, 0)
            checks.cancel_scope.cancel()
        await server.closed.wait()
        while shared.threads.running:
            await trio.testing.wait_all_tasks_blocked(0.01)
    assert shared.threads.abandoned == 0


async def run_silent(server: SqlServer, shared: CheckContext, wanted: OptionalTls) -> None:
    await check(server, within=shared, tls=wanted, query=SELECT)


WORDS = [done(), NOTHING, let_in("x"), b"\x81\x01\x00", b"\xd1", b"\xe3\xff\xff", b"\xa9\x02\x00"]
CHUNKS = st.lists(st.binary(max_size=40) | st.sampled_from(WORDS), min_size=1, max_size=4)


@settings(max_examples=25)
@given(login=st.none() | CHUNKS, answer=CHUNKS)
def test_whatever_the_library_is_told_is_no_bug_of_ours(
    login: list[bytes] | None, answer: list[bytes]
) -> None:
    async def told() -> CheckResult:
        async with trio.open_nursery() as nursery:
            first = None if login is None else b"".join(login)
            server = await start(nursery, b"".join(answer), login=first)
            result = await check(server, query=SELECT, seconds=1)
            nursery.cancel_scope.cancel()
        return result

    result = trio.run(told)
    assert result.outcome in {Outcome.FAILED, Outcome.PASSED}, result
