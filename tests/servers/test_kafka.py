"""The kafka checker against kfake, the broker that franz-go is tested with."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import attrs
import pytest
from fakes.targets import check_context, monitor_of, secret_ref
from support.daemons import free_ports, running
from support.daemons_tls import server_files

from kubekuma.check.run import run_check
from kubekuma.model.criteria import Expectation, Op, ServiceCriteria, SuccessCriteria
from kubekuma.model.monitor import MonitorType
from kubekuma.model.result import CheckResult, Reason
from kubekuma.model.target import Credentials, KafkaTarget, OptionalTls, SaslMechanism

pytestmark = pytest.mark.servers

SECRETS: Final = {
    "plain": b"plain",
    "scram": b"scram",
    "mallory": b"mallory",
    "of plain": b"s3cret-plain\n",
    "of 256": b"s3cret-256",
    "of 512": b"s3cret-512",
    "wrong": b"wr0ng",
}


@attrs.frozen(kw_only=True)
class Kafka:
    """Ports: without logins, with all of them, the same by TLS, and with PLAIN alone."""

    open: int
    sasl: int
    tls: int
    plain: int
    authority: bytes


@pytest.fixture(scope="module")
def kafka(kafka_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    folder = tmp_path_factory.mktemp("kafka")
    files = server_files(folder)
    ports = free_ports(4)
    command: list[str | Path] = [kafka_program, *map(str, ports), files.cert, files.key]
    with running(command, folder, ports=ports, says="ready"):
        at = dict(zip(("open", "sasl", "tls", "plain"), ports, strict=True))
        yield Kafka(**at, authority=files.authority.read_bytes())


def user(name: str, key: str) -> Credentials:
    return Credentials(username_secret_ref=secret_ref(name), password_secret_ref=secret_ref(key))


PLAIN: Final = user("plain", "of plain")
SCRAM_256: Final = user("scram", "of 256")
SCRAM_512: Final = user("scram", "of 512")


async def check(
    kafka: Kafka, port: int, criteria: SuccessCriteria | None = None, **fields: Any
) -> CheckResult:
    target = KafkaTarget(host="localhost", port=port, **fields)
    result = await run_check(
        monitor_of(MonitorType.KAFKA, target, criteria),
        check_context(secrets={**SECRETS, "bundle": kafka.authority}),
        transcript=True,
    )
    for secret in ("s3cret", "wr0ng"):
        assert secret not in repr(result)
    return result


async def test_a_broker_that_answers(kafka: Kafka) -> None:
    result = await check(kafka, kafka.open)
    assert result.reason is Reason.PASSED, result.message
    assert result.transcript[-1] == "< 1 brokers"
    assert result.timings.first_byte


@pytest.mark.parametrize(
    ("mechanism", "credentials"),
    [
        (SaslMechanism.PLAIN, PLAIN),
        (SaslMechanism.SCRAM_SHA_256, SCRAM_256),
        (SaslMechanism.SCRAM_SHA_512, SCRAM_512),
        (None, SCRAM_512),
    ],
)
async def test_logins(
    kafka: Kafka, mechanism: SaslMechanism | None, credentials: Credentials
) -> None:
    fields: Any = {"mechanism": mechanism, "credentials": credentials}
    result = await check(kafka, kafka.sasl, topic="orders", **fields)
    assert result.reason is Reason.PASSED, result.message
    assert f"logging in by {mechanism or 'SCRAM-SHA-512'}" in result.transcript


async def test_the_best_that_the_broker_offers_is_taken(kafka: Kafka) -> None:
    result = await check(kafka, kafka.plain, credentials=PLAIN)
    assert result.reason is Reason.PASSED, result.message
    assert "the broker offers GSSAPI, PLAIN" in result.transcript
    fields: Any = {"mechanism": SaslMechanism.SCRAM_SHA_256, "credentials": SCRAM_256}
    result = await check(kafka, kafka.plain, **fields)
    assert result.reason is Reason.AUTH_FAILED
    assert result.message == "the broker offers GSSAPI, PLAIN, not SCRAM-SHA-256"


async def test_tls_with_an_authority_of_ours_and_without(kafka: Kafka) -> None:
    tls = OptionalTls(enabled=True, ca_bundle_secret_ref=secret_ref("bundle"))
    result = await check(kafka, kafka.tls, credentials=SCRAM_512, tls=tls)
    assert result.reason is Reason.PASSED, result.message
    assert result.certificate
    assert result.certificate.valid
    result = await check(kafka, kafka.tls, tls=OptionalTls(enabled=True))
    assert result.reason is Reason.TLS_UNTRUSTED


@pytest.mark.parametrize(
    ("fields", "reason", "said"),
    [
        ({"credentials": user("plain", "wrong")}, Reason.AUTH_FAILED, "hung up when we logged"),
        ({"credentials": user("scram", "wrong")}, Reason.AUTH_FAILED, "hung up when we logged"),
        ({"credentials": user("mallory", "wrong")}, Reason.AUTH_FAILED, "Invalid username or"),
        ({}, Reason.CONNECTION_CLOSED, "it may want to know who we are"),
    ],
)
async def test_who_is_not_let_in_is_told(
    kafka: Kafka, fields: Any, reason: Reason, said: str
) -> None:
    for mechanism in (None, SaslMechanism.PLAIN):
        result = await check(kafka, kafka.sasl, mechanism=mechanism, **fields)
        assert (result.reason, said in result.message) == (reason, True), result.message


@pytest.mark.parametrize(
    ("topic", "reason", "said"),
    [
        ("orders", Reason.PASSED, ""),
        ("none", Reason.COMMAND_FAILED, "there is no topic none"),
        ("private", Reason.AUTH_FAILED, "TOPIC_AUTHORIZATION_FAILED of topic private"),
        ("electing", Reason.NOT_SERVING, "LEADER_NOT_AVAILABLE of topic electing"),
        ("headless", Reason.NOT_SERVING, "2 of 3 partitions of headless have no leader: 1, 2"),
    ],
)
async def test_topics_are_judged(kafka: Kafka, topic: str, reason: Reason, said: str) -> None:
    # Twice: to ask for a topic does not make it.
    for _ in range(2):
        result = await check(kafka, kafka.open, topic=topic)
        assert (result.reason, said in result.message) == (reason, True), result.message


@pytest.mark.parametrize(
    ("topic", "value", "to", "holds"),
    [
        ("orders", "output", 3, True),
        ("orders", "json($.brokers)", 1, True),
        ("orders", "json($.underReplicated)", 0, True),
        ("headless", "json($.leaderless)", 2, True),
        ("headless", "json($.offlineReplicas)", 3, True),
        ("headless", "json($.underReplicated)", 0, False),
    ],
)
async def test_what_is_known_of_a_topic_is_judged(
    kafka: Kafka, topic: str, value: str, to: int, *, holds: bool
) -> None:
    criteria = SuccessCriteria(expect=(Expectation(value=value, op=Op.EQUALS, to=to),))
    result = await check(kafka, kafka.open, criteria, topic=topic)
    assert ("should" not in result.message) is holds, result.message


async def test_partitions_are_the_answer(kafka: Kafka) -> None:
    criteria = SuccessCriteria(service=ServiceCriteria(min_value=4))
    result = await check(kafka, kafka.open, criteria, topic="orders")
    assert result.reason is Reason.VALUE_MISMATCH
