"""The rabbitmq checker against Debian's RabbitMQ."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from fakes.targets import check_context, monitor_of, secret_ref, stall, start_target
from support.daemons import free_ports, installed, running
from support.daemons_tls import server_files
from support.program import until

from kubekuma.check import amqp
from kubekuma.check.run import run_check
from kubekuma.model.criteria import Expectation, Op, ServiceCriteria, SuccessCriteria
from kubekuma.model.monitor import MonitorType
from kubekuma.model.result import CheckResult, Reason
from kubekuma.model.target import Credentials, OptionalTls, RabbitmqTarget

pytestmark = pytest.mark.servers

DEFINITIONS = {
    "vhosts": [{"name": "/"}, {"name": "shop"}],
    "users": [
        {"name": "probe", "password": "s3cret", "tags": ""},
        {"name": "guest", "password": "guest", "tags": ""},
        {"name": "stranger", "password": "s3cret", "tags": ""},
        # By the name of this one, the log tells its connections from those of other tests.
        {"name": "polite", "password": "s3cret", "tags": ""},
    ],
    "permissions": [
        {"user": user, "vhost": host, "configure": "", "write": "", "read": "orders|jobs"}
        for user in ("probe", "polite")
        for host in ("/", "shop")
    ]
    + [{"user": "guest", "vhost": "/", "configure": "", "write": "", "read": ""}],
    "queues": [
        {"name": name, "vhost": "shop", "durable": True, "auto_delete": False, "arguments": {}}
        for name in ("orders", "private")
    ],
}


@attrs.frozen
class Rabbit:
    port: int
    tls_port: int
    authority: bytes
    log: Path


@pytest.fixture(scope="module")
def rabbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rabbit]:
    # Not the one in /usr/sbin, which becomes another user.
    program = installed("/usr/lib/rabbitmq/bin/rabbitmq-server", "rabbitmq-server")
    registry = installed("epmd", "erlang-base")
    folder = tmp_path_factory.mktemp("rabbit")
    files = server_files(folder)
    port, tls_port, nodes_port, epmd_port = free_ports(4)
    (folder / "definitions.json").write_text(json.dumps(DEFINITIONS))
    (folder / "plugins").write_text("[].")
    (folder / "rabbitmq.conf").write_text(f"""
        listeners.tcp.1 = 127.0.0.1:{port}
        listeners.ssl.1 = 127.0.0.1:{tls_port}
        ssl_options.certfile = {files.cert}
        ssl_options.keyfile = {files.key}
        ssl_options.verify = verify_none
        load_definitions = {folder}/definitions.json
        distribution.listener.interface = 127.0.0.1
    """)
    names = {
        "HOME": str(folder),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(epmd_port),
        "RABBITMQ_NODENAME": f"kubekuma-{port}@localhost",
        "RABBITMQ_DIST_PORT": str(nodes_port),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder / "logs"),
        "RABBITMQ_LOGS": "-",
    }
    with ExitStack() as both:
        # The registry of Erlang's nodes would otherwise be started, and left behind.
        both.enter_context(running([registry], folder, ports=(epmd_port,), env=names))
        both.enter_context(
            running([program], folder, ports=(port, tls_port), says="completed with", env=names)
        )
        yield Rabbit(port, tls_port, files.authority.read_bytes(), folder / "log")


def user(name: str, key: str = "password") -> Credentials:
    return Credentials(username_secret_ref=secret_ref(name), password_secret_ref=secret_ref(key))


async def check(rabbit: Rabbit, criteria: Any = None, **fields: Any) -> CheckResult:
    default = {
        "host": "localhost",
        "port": rabbit.port,
        "credentials": user("probe"),
        "virtual_host": "shop",
    }
    known = {"password": b"s3cret\n", "wrong": b"wr0ng", "bundle": rabbit.authority}
    people = {name: name.encode() for name in ("probe", "stranger", "polite")}
    target = RabbitmqTarget(**{**default, **fields})
    return await run_check(
        monitor_of(MonitorType.RABBITMQ, target, criteria, timeout_seconds=30),
        check_context(secrets={**known, **people}),
        transcript=True,
    )


async def test_a_virtual_host_that_opens(rabbit: Rabbit) -> None:
    result = await check(rabbit)
    assert result.reason is Reason.PASSED, result.message
    assert result.timings.first_byte
    assert "s3cret" not in repr(result)


async def test_without_credentials_we_are_the_guest(rabbit: Rabbit) -> None:
    result = await check(rabbit, credentials=None, virtual_host="/")
    assert result.reason is Reason.PASSED, result.message


async def test_tls_with_an_authority_of_ours_and_without(rabbit: Rabbit) -> None:
    tls = OptionalTls(enabled=True, ca_bundle_secret_ref=secret_ref("bundle"))
    result = await check(rabbit, port=rabbit.tls_port, tls=tls)
    assert result.reason is Reason.PASSED, result.message
    assert result.certificate
    assert result.certificate.valid
    result = await check(rabbit, port=rabbit.tls_port, tls=OptionalTls(enabled=True))
    assert result.reason is Reason.TLS_UNTRUSTED


@pytest.mark.parametrize(
    ("fields", "reason", "said"),
    [
        ({"credentials": user("probe", "wrong")}, Reason.AUTH_FAILED, "403 ACCESS_REFUSED"),
        ({"credentials": user("stranger")}, Reason.AUTH_FAILED, "530 NOT_ALLOWED"),
        ({"virtual_host": "none"}, Reason.AUTH_FAILED, "vhost none not found"),
        ({"queue": "ü" * 200}, Reason.COMMAND_FAILED, "more than 255 bytes"),
        ({"queue": "none"}, Reason.COMMAND_FAILED, "404 NOT_FOUND - no queue 'none'"),
    ],
)
async def test_refusals_say_what_the_broker_said(
    rabbit: Rabbit, fields: Any, reason: Reason, said: str
) -> None:
    result = await check(rabbit, **fields)
    assert (result.reason, said in result.message) == (reason, True), result.message
    assert "wr0ng" not in repr(result)


def expects(value: str, op: Op, to: int) -> SuccessCriteria:
    return SuccessCriteria(expect=(Expectation(value=value, op=op, to=to),))


@pytest.mark.parametrize(
    ("criteria", "reason"),
    [
        (SuccessCriteria(service=ServiceCriteria(max_value=0)), Reason.PASSED),
        (SuccessCriteria(service=ServiceCriteria(min_value=1)), Reason.VALUE_MISMATCH),
        (expects("output", Op.EQUALS, 0), Reason.PASSED),
        (expects("json($.messages)", Op.EQUALS, 0), Reason.PASSED),
        (expects("json($.consumers)", Op.GTE, 1), Reason.EXPECTATION_FAILED),
    ],
)
async def test_messages_and_consumers_are_judged(
    rabbit: Rabbit, criteria: SuccessCriteria, reason: Reason
) -> None:
    result = await check(rabbit, criteria, queue="orders")
    assert result.reason is reason, result.message
    assert "< 0 messages, 0 consumers" in result.transcript


async def test_the_broker_logs_no_connection_that_was_lost(rabbit: Rabbit) -> None:
    for queue in ("orders", "none", "orders"):
        await check(rabbit, queue=queue, credentials=user("polite"))

    async def closings() -> list[str]:
        await trio.lowlevel.checkpoint()
        said = rabbit.log.read_text().split("closing AMQP connection ")[1:]
        return [each for each in said if "user: 'polite'" in each.split("\n")[0]]

    # The broker logs when it has time for it.
    found = await until(closings, lambda each: len(each) == 3)
    assert not any("unexpectedly" in each.split("\n")[1] for each in found[:2])
    assert "connection_closed_abruptly" not in "".join(found[:2])


# What Debian's does not say ----------------------------------------------------------------------


async def said(nursery: trio.Nursery, *answers: bytes) -> CheckResult:
    target = await start_target(nursery, *answers, stall, read=False)
    fields = RabbitmqTarget(host="127.0.0.1", port=target.port)
    return await run_check(monitor_of(MonitorType.RABBITMQ, fields), check_context())


def start(ways: bytes) -> bytes:
    arguments = (b"\0\x09", amqp.table({"a": {"b": True}}), amqp.long_text(ways))
    return amqp.frame(0, amqp.START, *arguments, amqp.long_text(b"en_US"))


async def test_a_broker_that_takes_no_messages_is_told(nursery: trio.Nursery) -> None:
    heartbeat = b"\x08" + bytes(6) + b"\xce"
    result = await said(
        nursery,
        start(b"AMQPLAIN PLAIN"),
        heartbeat,
        amqp.frame(0, amqp.TUNE, b"\x07\xff\0\x02\0\0\0\x3c"),
        amqp.frame(0, amqp.OPEN_OK, b"\0"),
        amqp.frame(0, amqp.BLOCKED, amqp.short_text("low on memory")),
        amqp.frame(0, amqp.CLOSE_OK),
    )
    assert result.reason is Reason.COMMAND_FAILED
    assert result.message == "the broker takes no messages: low on memory"


async def test_a_broker_without_passwords_is_told(nursery: trio.Nursery) -> None:
    result = await said(nursery, start(b"EXTERNAL"))
    assert result.reason is Reason.AUTH_FAILED
    assert "by EXTERNAL, not by PLAIN" in result.message


async def test_a_broker_of_another_version_is_told(nursery: trio.Nursery) -> None:
    result = await said(nursery, b"AMQP\x00\x01\x00\x00")
    assert result.reason is Reason.PROTOCOL_ERROR
    assert "speaks AMQP 1.0.0" in result.message
