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


def test_unknown_fields_and_empty_texts_are_passed_over() -> None:
    raw = field(1, field(1, "x") + field(2, "") + field(8, b"")) + b"\x25\1\2\3\4\x29" + b"\0" * 8
    found = decoded_protobuf(envelope("v1", "Namespace", raw))
    assert found["metadata"] == {"name": "x"}


def test_other_kinds_are_an_unsupported_media_type() -> None:
    with pytest.raises(ApiError) as refused:
        decoded_protobuf(envelope("apps/v1", "Deployment", b""))
    assert refused.value.code == 415


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
