"""The snmp checker against Net-SNMP, radius against FreeRADIUS, sip against Kamailio."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes.targets import check_context, monitor_of, secret_ref
from support.daemons import free_ports, installed, running

from kubekuma.check.run import run_check
from kubekuma.model.criteria import ServiceCriteria, SuccessCriteria
from kubekuma.model.monitor import MonitorType
from kubekuma.model.result import CheckResult, Reason
from kubekuma.model.target import (
    AnyTarget,
    Credentials,
    RadiusTarget,
    SipTarget,
    SnmpTarget,
    SnmpVersion,
)

pytestmark = pytest.mark.servers

SECRETS = {
    "community": b"c0mmunity\n",
    "shared": b"sh4red",
    "wrong": b"wr0ng",
    "user": b"alice",
    "password": b"s3cret and long enough for two blocks",
}


async def check(kind: MonitorType, target: AnyTarget, **wanted: Any) -> CheckResult:
    criteria = SuccessCriteria(service=ServiceCriteria(**wanted)) if wanted else None
    monitor = monitor_of(kind, target, criteria, timeout_seconds=2)
    result = await run_check(monitor, check_context(secrets=SECRETS), transcript=True)
    assert not any(each in repr(result) for each in ("c0mmunity", "sh4red", "s3cret"))
    return result


@pytest.fixture(scope="session")
def snmpd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    program = installed("snmpd", "snmpd")
    folder = tmp_path_factory.mktemp("snmpd")
    (port,) = free_ports(1)
    configuration = folder / "snmpd.conf"
    configuration.write_text("rocommunity c0mmunity 127.0.0.1\nsysName nameOfThis\n")
    environment = {"SNMP_PERSISTENT_DIR": str(folder), "SNMPCONFPATH": str(folder)}
    where = f"udp:127.0.0.1:{port}"
    command: list[str | Path] = [
        program,
        "-f",
        "-Lo",
        "-C",
        "-c",
        configuration,
        "-I",
        "-smux",
        where,
    ]
    with running(command, folder, says="NET-SNMP version", env=environment):
        yield port


def snmp(port: int, oid: str, **fields: Any) -> SnmpTarget:
    known = {"community_secret_ref": secret_ref("community"), **fields}
    return SnmpTarget(host="127.0.0.1", port=port, oid=oid, **known)


@pytest.mark.parametrize("version", [SnmpVersion.V1, SnmpVersion.V2C])
async def test_snmp_values(snmpd: int, version: SnmpVersion) -> None:
    name = snmp(snmpd, "1.3.6.1.2.1.1.5.0", version=version)
    result = await check(MonitorType.SNMP, name, value="nameOfThis")
    assert result.reason is Reason.PASSED, result.message
    uptime = snmp(snmpd, ".1.3.6.1.2.1.1.3.0", version=version)
    assert (await check(MonitorType.SNMP, uptime, min_value=0)).reason is Reason.PASSED
    kind = snmp(snmpd, "1.3.6.1.2.1.1.2.0", version=version)
    result = await check(MonitorType.SNMP, kind, pattern=r"^1\.3\.6\.1\.4\.1\.8072\.")
    assert result.reason is Reason.PASSED, result.message


async def test_snmp_failures(snmpd: int) -> None:
    nothing = "1.3.6.1.2.1.1.99.0"
    result = await check(MonitorType.SNMP, snmp(snmpd, nothing))
    assert result.reason is Reason.VALUE_MISMATCH
    assert "noSuch" in result.message
    result = await check(MonitorType.SNMP, snmp(snmpd, nothing, version=SnmpVersion.V1))
    assert result.reason is Reason.COMMAND_FAILED
    assert "noSuchName" in result.message
    stranger = snmp(snmpd, "1.3.6.1.2.1.1.5.0", community_secret_ref=secret_ref("wrong"))
    assert (await check(MonitorType.SNMP, stranger)).reason is Reason.TIMEOUT


@pytest.fixture(scope="session")
def freeradius(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    program = installed("freeradius", "freeradius")
    folder = tmp_path_factory.mktemp("freeradius")
    (port,) = free_ports(1)
    (folder / "users").write_text(
        'alice Cleartext-Password := "s3cret and long enough for two blocks"\n'
        '  Reply-Message := "hello alice"\n'
    )
    (folder / "radiusd.conf").write_text(f"""
name = radiusd
prefix = /usr
logdir = {folder}
run_dir = {folder}
libdir = /usr/lib/freeradius
pidfile = {folder}/pid
security {{
  status_server = yes
}}
client here {{
  ipaddr = 127.0.0.1
  secret = sh4red
  require_message_authenticator = yes
}}
modules {{
  files {{
    usersfile = {folder}/users
  }}
  pap {{
  }}
}}
server default {{
  listen {{
    type = auth
    ipaddr = 127.0.0.1
    port = {port}
  }}
  authorize {{
    files
    pap
  }}
  authenticate {{
    Auth-Type PAP {{
      pap
    }}
  }}
}}
""")
    command: list[str | Path] = [program, "-f", "-l", "stdout", "-d", folder]
    with running(command, folder, says="Ready to process requests"):
        yield port


def radius(port: int, *, shared: str = "shared", password: str = "") -> RadiusTarget:
    credentials = Credentials(
        username_secret_ref=secret_ref("user"), password_secret_ref=secret_ref(password)
    )
    return RadiusTarget(
        host="127.0.0.1",
        port=port,
        shared_secret_ref=secret_ref(shared),
        credentials=credentials if password else None,
    )


async def test_radius(freeradius: int) -> None:
    result = await check(MonitorType.RADIUS, radius(freeradius, password="password"))
    assert result.reason is Reason.PASSED, result.message
    assert "< Access-Accept: hello alice" in result.transcript
    result = await check(MonitorType.RADIUS, radius(freeradius))
    assert result.reason is Reason.PASSED, result.message
    result = await check(MonitorType.RADIUS, radius(freeradius, password="wrong"))
    assert result.reason is Reason.AUTH_FAILED
    refused = radius(freeradius, password="wrong")
    result = await check(MonitorType.RADIUS, refused, pattern="^Access-Reject")
    assert result.reason is Reason.PASSED, result.message
    stranger = radius(freeradius, shared="wrong", password="password")
    assert (await check(MonitorType.RADIUS, stranger)).reason in {
        Reason.TIMEOUT,
        Reason.AUTH_FAILED,
    }


@pytest.fixture(scope="session")
def kamailio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    program = installed("kamailio", "kamailio")
    folder = tmp_path_factory.mktemp("kamailio")
    (port,) = free_ports(1)
    configuration = folder / "kamailio.cfg"
    configuration.write_text(f"""
debug=1
log_stderror=yes
fork=yes
children=1
tcp_children=1
listen=udp:127.0.0.1:{port}
listen=tcp:127.0.0.1:{port}
loadmodule "sl.so"
loadmodule "pv.so"
request_route {{
  if ($rU == "secret") {{ sl_send_reply("401", "Unauthorized"); exit; }}
  if ($rU == "nobody") {{ sl_send_reply("404", "Not Found"); exit; }}
  sl_send_reply("200", "OK");
}}
""")
    command: list[str | Path] = [program, "-DD", "-E", "-f", configuration, "-Y", folder]
    command += ["-m", "64", "-M", "8"]
    with running(command, folder, ports=(port,)):
        yield port


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_sip(kamailio: int, transport: str) -> None:
    for user, reason in ((None, Reason.PASSED), ("secret", Reason.PASSED), ("nobody", None)):
        target = SipTarget(host="127.0.0.1", port=kamailio, transport=transport, user=user)
        result = await check(MonitorType.SIP, target)
        assert result.reason is (reason or Reason.STATUS_MISMATCH), result.message
    target = SipTarget(host="127.0.0.1", port=kamailio, transport=transport)
    assert (await check(MonitorType.SIP, target, pattern="^200")).reason is Reason.PASSED
    assert (await check(MonitorType.SIP, target, pattern="^404")).reason is Reason.VALUE_MISMATCH
