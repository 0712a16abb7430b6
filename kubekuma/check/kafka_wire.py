"""Kafka's protocol, as far as a check needs it: requests, and the types in answers. Pure.

Versions are those that every broker since 1.0 knows, before headers and fields became flexible.
"""

import struct
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import attrs

from kubekuma.check.finding import CheckFailed
from kubekuma.model.result import Reason

METADATA, HANDSHAKE, API_VERSIONS, AUTHENTICATE = 3, 17, 18, 36
VERSIONS: Final = {METADATA: 5, HANDSHAKE: 1, API_VERSIONS: 0, AUTHENTICATE: 0}
NAMES: Final = {METADATA: "Metadata", HANDSHAKE: "SaslHandshake", AUTHENTICATE: "SaslAuthenticate"}
NO_LEADER: Final = -1
_CLIENT: Final = "kubekuma"

T = TypeVar("T")


@attrs.frozen
class Partition:
    """One partition, as the broker sees it."""

    number: int
    leader: int
    replicas: Sequence[int]
    in_sync: Sequence[int]
    offline: Sequence[int]


@attrs.frozen
class Topic:
    """One topic: the code of an error, or its partitions."""

    error: int
    name: str
    partitions: Sequence[Partition]


def request(kind: int, number: int, *fields: bytes) -> bytes:
    """Encode a request, with its length before it."""
    head = struct.pack(">hhi", kind, VERSIONS[kind], number) + text(_CLIENT)
    body = head + b"".join(fields)
    return struct.pack(">i", len(body)) + body


def text(value: str) -> bytes:
    """A text of at most 32767 bytes."""
    encoded = value.encode("utf-8", "replace")[:32767]
    return struct.pack(">h", len(encoded)) + encoded


def data(value: bytes) -> bytes:
    """Bytes, with their length."""
    return struct.pack(">i", len(value)) + value


def array(*items: bytes) -> bytes:
    """Values, with their number."""
    return struct.pack(">i", len(items)) + b"".join(items)


class Fields:
    """The fields of an answer, read one after the other. Raises CheckFailed at their end."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0

    def int16(self) -> int:
        """A whole number of two bytes."""
        return int.from_bytes(self._take(2), "big", signed=True)

    def int32(self) -> int:
        """A whole number of four bytes."""
        return int.from_bytes(self._take(4), "big", signed=True)

    def truth(self) -> bool:
        """Yes or no."""
        return self._take(1) != b"\0"

    def text(self) -> str:
        """A text; absence is an empty one."""
        return self._take(max(0, self.int16())).decode("utf-8", "replace")

    def data(self) -> bytes:
        """Bytes; absence is none of them."""
        return self._take(max(0, self.int32()))

    def array(self, item: Callable[[], T]) -> Sequence[T]:
        """Values, each of them read by ``item``, which takes a byte at least."""
        return [item() for _ in range(self.int32())]

    def _take(self, size: int) -> bytes:
        taken = self._body[self._at : self._at + size]
        if len(taken) < size:
            raise not_kafka()
        self._at += size
        return taken


def parse_api_versions(fields: Fields) -> dict[int, tuple[int, int]]:
    """Read which kinds of request the broker takes, and in which versions."""
    if error := fields.int16():
        raise CheckFailed(Reason.COMMAND_FAILED, f"the broker says {named(error)}")
    ranges = fields.array(lambda: (fields.int16(), fields.int16(), fields.int16()))
    return {kind: (low, high) for kind, low, high in ranges}


def parse_metadata(fields: Fields) -> tuple[int, Sequence[Topic]]:
    """Read how many brokers there are, and the topics."""
    fields.int32()  # how long the broker has made us wait
    brokers = fields.array(lambda: (fields.int32(), fields.text(), fields.int32(), fields.text()))
    fields.text()  # the cluster
    fields.int32()  # its controller
    return len(brokers), fields.array(lambda: _topic(fields))


def named(error: int) -> str:
    """The name of an error, or its number."""
    return _ERRORS.get(error, f"error {error}")


def not_kafka() -> CheckFailed:
    """Say that it is another protocol."""
    return CheckFailed(Reason.PROTOCOL_ERROR, "the answer is not Kafka's")


def _topic(fields: Fields) -> Topic:
    error, name = fields.int16(), fields.text()
    fields.truth()  # whether it is internal
    return Topic(error, name, fields.array(lambda: _partition(fields)))


def _partition(fields: Fields) -> Partition:
    fields.int16()  # its error, which the leader says too
    return Partition(
        fields.int32(),
        fields.int32(),
        fields.array(fields.int32),
        fields.array(fields.int32),
        fields.array(fields.int32),
    )


UNKNOWN_TOPIC, LEADER_NOT_AVAILABLE = 3, 5
TOPIC_AUTHORIZATION_FAILED, UNSUPPORTED_MECHANISM, ILLEGAL_SASL_STATE = 29, 33, 34
_ERRORS: Final = {
    -1: "UNKNOWN_SERVER_ERROR",
    UNKNOWN_TOPIC: "UNKNOWN_TOPIC_OR_PARTITION",
    LEADER_NOT_AVAILABLE: "LEADER_NOT_AVAILABLE",
    17: "INVALID_TOPIC_EXCEPTION",
    TOPIC_AUTHORIZATION_FAILED: "TOPIC_AUTHORIZATION_FAILED",
    31: "CLUSTER_AUTHORIZATION_FAILED",
    UNSUPPORTED_MECHANISM: "UNSUPPORTED_SASL_MECHANISM",
    ILLEGAL_SASL_STATE: "ILLEGAL_SASL_STATE",
    35: "UNSUPPORTED_VERSION",
    58: "SASL_AUTHENTICATION_FAILED",
}
