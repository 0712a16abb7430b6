"""The mqtt checker against mosquitto."""

import subprocess
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
from kubekuma.model.target import Credentials, MqttTarget, OptionalTls

pytestmark = pytest.mark.servers


@attrs.frozen
class Mosquitto:
    port: int
    tls_port: int
    authority: bytes


@pytest.fixture(scope="session")
def mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    program = installed("mosquitto", "mosquitto")
    publish = installed("mosquitto_pub", "mosquitto-clients")
    folder = tmp_path_factory.mktemp("mosquitto")
    files = server_files(folder)
    port, tls_port = free_ports(2)
    passwords, rights = folder / "passwords", folder / "rights"
    passwords.touch(mode=0o600)
    subprocess.run(["mosquitto_passwd", "-b", passwords, "alice", "s3cret"], check=True)
    rights.write_text("user alice\ntopic readwrite sensors/#\n")
    rights.chmod(0o600)
    configuration = folder / "mosquitto.conf"
    configuration.write_text(f"""
user root
allow_anonymous false
password_file {passwords}
acl_file {rights}
listener {port} 127.0.0.1
listener {tls_port} 127.0.0.1
certfile {files.cert}
keyfile {files.key}
""")
    with running([program, "-c", configuration], folder, ports=(port, tls_port)):
        for topic, message in (("sensors/a", "21.5"), ("sensors/b", "hello")):
            who = ("-u", "alice", "-P", "s3cret")
            where = ("-h", "127.0.0.1", "-p", str(port), "-t", topic)
            subprocess.run([publish, *who, *where, "-m", message, "-r"], check=True)
        yield Mosquitto(port, tls_port, files.authority.read_bytes())


ALICE = Credentials(
    username_secret_ref=secret_ref("user"), password_secret_ref=secret_ref("password")
)
MALLORY = attrs.evolve(ALICE, password_secret_ref=secret_ref("wrong"))


async def check(mosquitto: Mosquitto, criteria: Any = None, **fields: Any) -> CheckResult:
    target = MqttTarget(
        **{"host": "127.0.0.1", "port": mosquitto.port, "credentials": ALICE, **fields}
    )
    known = {"password": b"s3cret", "user": b"alice", "wrong": b"wr0ng"}
    context = check_context(secrets={**known, "bundle": mosquitto.authority})
    monitor = monitor_of(MonitorType.MQTT, target, criteria, timeout_seconds=1)
    return await run_check(monitor, context, transcript=True)


async def test_a_broker_that_lets_us_in(mosquitto: Mosquitto) -> None:
    result = await check(mosquitto)
    assert result.reason is Reason.PASSED, result.message


async def test_a_broker_over_tls(mosquitto: Mosquitto) -> None:
    tls = OptionalTls(enabled=True, ca_bundle_secret_ref=secret_ref("bundle"))
    result = await check(mosquitto, port=mosquitto.tls_port, tls=tls)
    assert result.reason is Reason.PASSED, result.message
    assert result.certificate


@pytest.mark.parametrize("who", [None, MALLORY])
async def test_a_broker_that_does_not(mosquitto: Mosquitto, who: Credentials | None) -> None:
    result = await check(mosquitto, credentials=who)
    assert result.reason is Reason.AUTH_FAILED, result.message


@pytest.mark.parametrize(
    ("fields", "criteria", "reason"),
    [
        ({"topic": "sensors/none"}, None, Reason.PASSED),
        ({"topic": "sensors/a", "expect": r"^2\d"}, None, Reason.PASSED),
        ({"topic": "sensors/+", "expect": "hello"}, None, Reason.PASSED),
        ({"topic": "sensors/none", "expect": "x"}, None, Reason.MESSAGE_MISSING),
        ({"topic": "sensors/a", "expect": "hello"}, None, Reason.MESSAGE_MISSING),
        ({"topic": "sensors/a"}, ServiceCriteria(max_value=30), Reason.PASSED),
        ({"topic": "sensors/a"}, ServiceCriteria(max_value=20), Reason.VALUE_MISMATCH),
    ],
)
async def test_messages_are_waited_for_where_something_is_said_of_them(
    mosquitto: Mosquitto, fields: Any, criteria: ServiceCriteria | None, reason: Reason
) -> None:
    result = await check(mosquitto, SuccessCriteria(service=criteria), **fields)
    assert result.reason is reason, result.message


async def test_a_message_that_does_not_fit_is_shown(mosquitto: Mosquitto) -> None:
    result = await check(mosquitto, topic="sensors/a", expect="hello")
    assert result.message == 'no message on sensors/a matches "hello"'
    assert "< 21.5" in result.transcript
