"""The snmp checker, by version 3, against Net-SNMP's snmpd."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, Final

import pytest
import trio
from fakes.targets import check_context, monitor_of, secret_ref
from support.daemons import free_ports, installed, running

from kubekuma.check import ber, usm
from kubekuma.check.run import run_check
from kubekuma.check.snmp_pdu import REPORT, RESPONSE
from kubekuma.model.criteria import ServiceCriteria, SuccessCriteria
from kubekuma.model.monitor import MonitorType
from kubekuma.model.result import CheckResult, Reason
from kubekuma.model.target import (
    Credentials,
    SnmpAuth,
    SnmpPrivacy,
    SnmpTarget,
    SnmpVersion,
)

pytestmark = pytest.mark.servers

NAME: Final = "1.3.6.1.2.1.1.5.0"
LEVELS: Final[Sequence[tuple[SnmpAuth | None, SnmpPrivacy | None]]] = [
    (None, None),
    *((auth, None) for auth in SnmpAuth),
    *product(SnmpAuth, SnmpPrivacy),
]
SECRETS: Final = {
    "auth": b"s3cret to sign\n",
    "priv": b"s3cret to hide",
    "wrong": b"wr0ng and long enough",
    "nobody": b"nobody",
    "empty": b"",
}


def name_of(auth: SnmpAuth | None, privacy: SnmpPrivacy | None) -> str:
    return f"user-{auth}-{privacy}"


def created(auth: SnmpAuth | None, privacy: SnmpPrivacy | None) -> str:
    """The lines of snmpd.conf for a user."""
    name = name_of(auth, privacy)
    words = ["createUser", name]
    if auth:
        words += [auth, '"s3cret to sign"']
    if privacy:
        words += [privacy, '"s3cret to hide"']
    level = "priv" if privacy else "auth" if auth else "noauth"
    return f"{' '.join(words)}\nrouser {name} {level}\n"


@pytest.fixture(scope="module")
def snmpd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    program = installed("snmpd", "snmpd")
    folder = tmp_path_factory.mktemp("snmpd-3")
    (port,) = free_ports(1)
    configuration = folder / "agent.conf"  # snmpd.conf it writes itself
    users = "".join(created(*level) for level in LEVELS)
    configuration.write_text(f"sysName nameOfThis\n{users}")
    environment = {"SNMP_PERSISTENT_DIR": str(folder), "SNMPCONFPATH": str(folder)}
    options = ("-f", "-Lo", "-C", "-c", str(configuration), "-I", "-smux")
    command: list[str | Path] = [program, *options, f"udp:127.0.0.1:{port}"]
    with running(command, folder, says="NET-SNMP version", env=environment):
        yield port


async def check(
    port: int,
    auth: SnmpAuth | None,
    privacy: SnmpPrivacy | None,
    *,
    user: str | None = None,
    key: str = "auth",
    **fields: Any,
) -> CheckResult:
    who = Credentials(username_secret_ref=secret_ref("user"), password_secret_ref=secret_ref(key))
    default = {"oid": NAME, "priv_password_secret_ref": secret_ref("priv"), "credentials": who}
    target = SnmpTarget(
        host="127.0.0.1",
        port=port,
        version=SnmpVersion.V3,
        auth_protocol=auth,
        priv_protocol=privacy,
        **{**default, **fields},
    )
    name = user or name_of(auth, privacy)
    criteria = SuccessCriteria(service=ServiceCriteria(value="nameOfThis"))
    result = await run_check(
        monitor_of(MonitorType.SNMP, target, criteria, timeout_seconds=2),
        check_context(secrets={**SECRETS, "user": name.encode()}),
        transcript=True,
    )
    for secret in ("s3cret", "wr0ng"):
        assert secret not in repr(result)
    return result


@pytest.mark.parametrize(("auth", "privacy"), LEVELS)
async def test_every_level_with_every_protocol(
    snmpd: int, auth: SnmpAuth | None, privacy: SnmpPrivacy | None
) -> None:
    result = await check(snmpd, auth, privacy)
    assert result.reason is Reason.PASSED, result.message
    assert result.transcript[-1] == f"< {NAME} = nameOfThis"


SHA, AES = SnmpAuth.SHA_256, SnmpPrivacy.AES_128


@pytest.mark.parametrize(
    ("level", "fields", "reason", "said"),
    [
        ((SHA, AES), {"user": "stranger"}, Reason.AUTH_FAILED, "does not know the user"),
        ((None, None), {"user": "stranger"}, Reason.AUTH_FAILED, "does not know the user"),
        ((SHA, None), {"key": "wrong"}, Reason.AUTH_FAILED, "passphrase or authProtocol"),
        ((SHA, AES), {"key": "wrong"}, Reason.AUTH_FAILED, "passphrase or authProtocol"),
        ((SHA, None), {"key": "empty"}, Reason.SECRET_MISSING, "is empty"),
        (
            (SnmpAuth.SHA_512, None),
            {"user": name_of(SHA, None)},
            Reason.AUTH_FAILED,
            "passphrase or authProtocol",
        ),
        (
            (SHA, AES),
            {"user": name_of(SHA, None)},
            Reason.AUTH_FAILED,
            "no such security level",
        ),
        ((SHA, None), {"user": name_of(None, None)}, Reason.AUTH_FAILED, "no such security level"),
        ((SHA, None), {"user": name_of(SHA, AES)}, Reason.AUTH_FAILED, "authorizationError"),
        (
            (SHA, AES),
            {"priv_password_secret_ref": secret_ref("wrong")},
            Reason.AUTH_FAILED,
            "wrong may be the passphrase for privacy",
        ),
        (
            (SnmpAuth.SHA, SnmpPrivacy.AES_256_C),
            {"user": name_of(SnmpAuth.SHA, SnmpPrivacy.AES_256)},
            Reason.AUTH_FAILED,
            "or privProtocol",
        ),
        ((SHA, None), {"context_name": "none"}, Reason.AUTH_FAILED, "wrong may be contextName"),
        ((SHA, AES), {"oid": "1.3.6.1.2.1.1.99.0"}, Reason.VALUE_MISMATCH, "noSuch"),
    ],
)
async def test_who_is_not_let_in_is_told_why(
    snmpd: int, level: Any, fields: Any, reason: Reason, said: str
) -> None:
    result = await check(snmpd, *level, **fields)
    assert (result.reason, said in result.message) == (reason, True), result.message


async def test_a_port_without_an_agent_is_told() -> None:
    (closed,) = free_ports(1)
    assert (await check(closed, SHA, AES)).reason is Reason.CONNECTION_REFUSED


# What Net-SNMP does not do -----------------------------------------------------------------------

ENGINE: Final = usm.Engine(identity=b"engine of ours", boots=5, seconds=1000)


def report(number: int, oid: str, engine: usm.Engine, user: usm.User) -> bytes:
    variable = ber.encode(ber.SEQUENCE, ber.object_id(oid), ber.integer(1, 0x41))
    return sealed(number, REPORT, variable, engine, user)


def sealed(number: int, kind: int, variable: bytes, engine: usm.Engine, user: usm.User) -> bytes:
    variables = ber.encode(ber.SEQUENCE, variable)
    pdu = ber.encode(kind, ber.integer(number), ber.integer(0), ber.integer(0), variables)
    name = ber.encode(ber.OCTETS, b"")
    scoped = ber.encode(ber.SEQUENCE, ber.encode(ber.OCTETS, engine.identity), name, pdu)
    return usm.seal(number, scoped, engine, user, b"saltsalt")


async def agent(sock: trio.socket.SocketType, user: usm.User, *, signs: bool) -> None:
    """Keep to itself what time it is until somebody has shown who they are (RFC 3414, 4)."""
    answers_as = user if signs else usm.User(name=user.name)
    while True:
        data, client = await sock.recvfrom(65536)
        message = usm.unseal(data, user)
        assert message is not None
        if message.engine.identity != ENGINE.identity:
            unknown = usm.Engine(identity=ENGINE.identity)
            said = report(message.number, "1.3.6.1.6.3.15.1.1.4.0", unknown, usm.User())
        elif message.engine.boots != ENGINE.boots:
            said = report(message.number, "1.3.6.1.6.3.15.1.1.2.0", ENGINE, user)
        else:
            value = ber.encode(ber.OCTETS, b"nameOfThis")
            variable = ber.encode(ber.SEQUENCE, ber.object_id(NAME), value)
            said = sealed(message.number, RESPONSE, variable, ENGINE, answers_as)
        await sock.sendto(said, client)


async def agent_is_asked(*, signs: bool) -> CheckResult:
    key = usm.auth_key(SHA, b"s3cret to sign", ENGINE.identity)
    user = usm.User(name=name_of(SHA, None).encode(), auth=SHA, auth_key=key)
    with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(("127.0.0.1", 0))
        async with trio.open_nursery() as within:
            within.start_soon(partial(agent, sock, user, signs=signs))
            result = await check(sock.getsockname()[1], SHA, None)
            within.cancel_scope.cancel()
    return result


async def test_an_agent_that_tells_the_time_only_to_its_users() -> None:
    result = await agent_is_asked(signs=True)
    assert result.reason is Reason.PASSED, result.message


async def test_an_answer_that_is_not_signed_is_none() -> None:
    result = await agent_is_asked(signs=False)
    assert result.reason is Reason.TIMEOUT
