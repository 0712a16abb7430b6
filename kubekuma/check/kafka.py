"""Kafka checker: the broker lets us in, and if asked has a topic whose partitions have leaders."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from kubekuma.check import kafka_wire as kafka
from kubekuma.check.context import Check
from kubekuma.check.dial import dial
from kubekuma.check.finding import CheckFailed, Finding
from kubekuma.check.judge_service import judge_service
from kubekuma.check.kafka_talk import Broker
from kubekuma.check.login import Login, destination, login_of
from kubekuma.check.trace import Phase
from kubekuma.check.wire import Wire
from kubekuma.model.criteria import SuccessCriteria
from kubekuma.model.result import Reason
from kubekuma.model.target import KafkaTarget, SaslMechanism

PORT: Final = 9092
SHOWN_PARTITIONS: Final = 8
_BEST_FIRST: Final = (
    SaslMechanism.SCRAM_SHA_512,
    SaslMechanism.SCRAM_SHA_256,
    SaslMechanism.PLAIN,
)
_NO: Final = b"\0"


async def check_kafka(
    target: KafkaTarget, criteria: SuccessCriteria, check: Check
) -> Sequence[Finding]:
    """Ask for the cluster's metadata, as every client does before it produces or consumes.

    The answer is the topic's number of partitions. For ``json()`` there are ``brokers``, and of
    a topic ``partitions``, ``leaderless``, ``underReplicated`` and ``offlineReplicas``.
    """
    login = await login_of(target.credentials, check)
    wire, broker = await _enter(target, login, check)
    try:
        brokers, topic = await _metadata(broker, target.topic, login, check)
    finally:
        wire.close()
    counts = {"brokers": brokers, **(_counts(topic) if topic else {})}
    check.trace.say("< %s", ", ".join(f"{count} {of}" for of, count in counts.items()))
    output = str(counts["partitions"]) if topic else None
    return [
        *(judge_topic(topic) if topic else ()),
        *judge_service("kafka", output, criteria, check, document=counts),
    ]


def judge_topic(topic: kafka.Topic) -> Iterator[Finding]:
    """Yield what is wrong with ``topic``: what cannot be written to or read from."""
    alone = sorted(each.number for each in topic.partitions if each.leader == kafka.NO_LEADER)
    if alone:
        shown = ", ".join(map(str, alone[:SHOWN_PARTITIONS]))
        more = ", …" if len(alone) > SHOWN_PARTITIONS else ""
        of = f"{len(alone)} of {len(topic.partitions)} partitions of {topic.name}"
        yield Finding(Reason.NOT_SERVING, f"{of} have no leader: {shown}{more}")


async def _enter(target: KafkaTarget, login: Login, check: Check) -> tuple[Wire, Broker]:
    """Connect and log in. Once more if the broker does not take what we propose first."""
    proposed = target.mechanism or _BEST_FIRST[0]
    entered, offered = await _attempt(target, login, proposed, check)
    if entered is not None:
        return entered
    usable = [each for each in _BEST_FIRST if each in offered and target.mechanism is None]
    if usable:
        check.trace.say("the broker offers %s", ", ".join(offered))
        entered, _ = await _attempt(target, login, usable[0], check)
    if entered is None:
        named = ", ".join(offered)[:200] or "nothing"
        wanted = target.mechanism or "anything that we know"
        raise CheckFailed(Reason.AUTH_FAILED, f"the broker offers {named}, not {wanted}")
    return entered


async def _attempt(
    target: KafkaTarget, login: Login, mechanism: SaslMechanism, check: Check
) -> tuple[tuple[Wire, Broker] | None, Sequence[str]]:
    wire = await dial(destination(target, PORT), check)
    broker = Broker(wire, check)
    try:
        check.trace.enter(Phase.FIRST_BYTE, "waiting for the broker to answer")
        await broker.know(kafka.METADATA, *((kafka.HANDSHAKE, kafka.AUTHENTICATE) if login else ()))
        check.trace.enter(Phase.TRANSFER, "talking to the broker")
        if login:
            check.trace.say("logging in by %s", mechanism)
            offered = await broker.propose(mechanism)
            if offered is not None:
                wire.close()
                return None, offered
            await broker.log_in(mechanism, login)
    except BaseException:
        wire.close()
        raise
    return (wire, broker), ()


async def _metadata(
    broker: Broker, name: str | None, login: Login, check: Check
) -> tuple[int, kafka.Topic | None]:
    wanted = kafka.array(*([kafka.text(name)] if name is not None else []))
    check.trace.say("asking for %s", f"topic {name}" if name is not None else "the brokers")
    try:
        answer = await broker.ask(kafka.METADATA, wanted, _NO)  # do not make the topic
    except CheckFailed as failed:
        if failed.finding.reason is Reason.CONNECTION_CLOSED and not login:
            message = f"{failed.finding.message}: it may want to know who we are"
            raise CheckFailed(Reason.CONNECTION_CLOSED, message) from failed
        raise
    brokers, topics = kafka.parse_metadata(answer)
    if name is None:
        return brokers, None
    topic = next((each for each in topics if each.name == name), None)
    if topic is None:
        raise kafka.not_kafka()
    # The partitions tell more of a leader that is missing.
    if topic.error and not (topic.error == kafka.LEADER_NOT_AVAILABLE and topic.partitions):
        raise _refusal(topic)
    return brokers, topic


def _refusal(topic: kafka.Topic) -> CheckFailed:
    said = f"the broker says {kafka.named(topic.error)} of topic {topic.name}"
    match topic.error:
        case kafka.UNKNOWN_TOPIC:
            return CheckFailed(Reason.COMMAND_FAILED, f"there is no topic {topic.name}")
        case kafka.TOPIC_AUTHORIZATION_FAILED:
            return CheckFailed(Reason.AUTH_FAILED, said)
        case kafka.LEADER_NOT_AVAILABLE:
            return CheckFailed(Reason.NOT_SERVING, said)
        case _:
            return CheckFailed(Reason.COMMAND_FAILED, said)


def _counts(topic: kafka.Topic) -> Mapping[str, int]:
    found = topic.partitions
    return {
        "partitions": len(found),
        "leaderless": sum(each.leader == kafka.NO_LEADER for each in found),
        "underReplicated": sum(len(each.in_sync) < len(each.replicas) for each in found),
        "offlineReplicas": sum(len(each.offline) for each in found),
    }
