"""The protobuf of typed clients: read where it is known, refused where it is not."""

import pytest

from kubekuma.standalone.errors import ApiError
from kubekuma.standalone.protobuf import decoded_protobuf


def field(number: int, content: bytes | str | int) -> bytes:
    if isinstance(content, int):
        return bytes([number << 3, content])
    data = content.encode() if isinstance(content, str) else content
    assert len(data) < 128
    return bytes([number << 3 | 2, len(data)]) + data


def envelope(api_version: str, kind: str, raw: bytes) -> bytes:
    return b"k8s\x00" + field(1, field(1, api_version) + field(2, kind)) + field(2, raw)


def test_a_secret_is_read() -> None:
    metadata = field(1, "login") + field(11, field(1, "a") + field(2, "b")) + field(14, "hold")
    raw = field(1, metadata) + field(2, field(1, "k") + field(2, b"\xff")) + field(3, "Opaque")
    assert decoded_protobuf(envelope("v1", "Secret", raw + field(5, 1))) == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "login", "labels": {"a": "b"}, "finalizers": ["hold"]},
        "data": {"k": "/w=="},
        "type": "Opaque",
        "immutable": True,
    }


def test_what_is_empty_is_passed_over_also_where_it_is_unknown() -> None:
    raw = field(1, field(1, "x") + field(2, "") + field(8, b"")) + field(3, field(9, b""))
    found = decoded_protobuf(envelope("v1", "Namespace", raw))
    assert found["metadata"] == {"name": "x"}


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        (("v1", "Service"), b""),
        (("v1", "Namespace"), field(1, field(13, field(1, "an owner")))),
        (("v1", "Namespace"), b"\x25\1\2\3\4"),
    ],
)
def test_what_would_be_forgotten_is_refused(kind: tuple[str, str], raw: bytes) -> None:
    with pytest.raises(ApiError) as refused:
        decoded_protobuf(envelope(*kind, raw))
    assert refused.value.code == 415


def test_messages_may_come_more_than_once() -> None:
    rules = field(2, field(1, "get") + field(2, "")) + field(2, field(1, "list") + field(1, "*"))
    found = decoded_protobuf(envelope("rbac.authorization.k8s.io/v1", "Role", rules))
    assert found["rules"] == [{"verbs": ["get"], "apiGroups": [""]}, {"verbs": ["list", "*"]}]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"k8s\x00\x0a\x7f",
        b"k8s\x00\xff",
        b"k8s\x00" + b"\xff" * 20,
        b"k8s\x00\x0b",
        envelope("v1", "Secret", field(3, b"\xff\xfe")),
        envelope("v1", "Secret", b"\x1a\x05a"),
    ],
)
def test_rubbish_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(ApiError) as refused:
        decoded_protobuf(body)
    assert refused.value.code == 400


def test_a_body_that_is_cut_short_is_never_worse_than_a_bad_request() -> None:
    whole = envelope("v1", "ConfigMap", field(1, field(1, "c")) + field(2, field(1, "a")))
    assert {code(whole[:length]) for length in range(len(whole))} == {200, 400, 415}


def code(body: bytes) -> int:
    try:
        decoded_protobuf(body)
    except ApiError as error:
        return error.code
    return 200
