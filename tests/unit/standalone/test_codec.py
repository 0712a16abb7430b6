"""Bodies to values: duplicates are noticed, odd values refused, text stays text."""

import pytest

from kubekuma.standalone.codec import decoded_json, decoded_yaml, encoded
from kubekuma.standalone.errors import ApiError


def test_fields_given_twice_are_named() -> None:
    assert decoded_json(b'{"a":1,"b":{"c":1,"c":2},"a":3}') == (
        {"a": 3, "b": {"c": 2}},
        ("c", "a"),
    )
    value, twice = decoded_yaml(b"a: 1\nb: {c: 1, c: 2}\na: 3\n")
    assert value == {"a": 3, "b": {"c": 2}}
    assert set(twice) == {"a", "c"}


@pytest.mark.parametrize("body", [b"", b"{", b"NaN", b"[Infinity]", b"\xff", b"[" * 10**5])
def test_what_is_no_json_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(ApiError) as refused:
        decoded_json(body)
    assert refused.value.code == 400


@pytest.mark.parametrize(
    "body", [b"", b"a: [", b"a: 1\n---\nb: 2", b"a: !!python/none x", b"? {a: b}\n: c", b"&a [*a]"]
)
def test_what_is_no_single_yaml_document_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(ApiError) as refused:
        encoded_or_refused(body)
    assert refused.value.code == 400


def encoded_or_refused(body: bytes) -> bytes:
    return encoded(decoded_yaml(body)[0])


def test_yaml_means_what_it_means_to_kubernetes() -> None:
    value, _ = decoded_yaml(b"at: 2026-01-02T03:04:05Z\nday: 2026-01-02\n1: one\ntrue: yes\n")
    assert value == {"at": "2026-01-02T03:04:05Z", "day": "2026-01-02", "1": "one", "true": True}


def test_every_text_can_be_encoded() -> None:
    assert encoded({"a": "é\x85\u2028"}) == '{"a":"é\x85\u2028"}'.encode()
    assert encoded(decoded_json(b'"\\ud800"')[0]) == b'"?"'
