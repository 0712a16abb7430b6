from decimal import Decimal
from typing import Any

import pytest

from kubekuma.kit.json_path import MISSING, compile_path, find, parse_json


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"0.1", 0.1),
        (b"1e2", 100.0),
        (b"123456789012345678901234567890", 123456789012345678901234567890),
        (b"0.12345678901234567890123", Decimal("0.12345678901234567890123")),
        (b"1e400", Decimal("1e400")),
        (b'"\\ud83d\\ude00"', "\U0001f600"),
        (b"\xef\xbb\xbf[]", []),
    ],
)
def test_numbers_are_exact(text: bytes, value: object) -> None:
    assert parse_json(text) == value


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"NaN", b"[Infinity]", b"'a'", b"\xff", b"1 2", b"9" * 2000, nested(100_000)],
    ids=range(9),
)
def test_what_is_not_json(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_json(text)


DOCUMENT: dict[str, Any] = {
    "status": "ok",
    "none": None,
    "items": [{"name": "a", "price": 0.1}, {"name": "b", "price": 20}],
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$.status", "ok"),
        ("$.none", None),
        ("$.nothing", MISSING),
        ("$.items[-1].name", "b"),
        ("$.items[?@.price < 1].name", "a"),
        ("$.items[?@.price == 0.1].name", "a"),
        ("$..name", "a"),
        ("$.items[?search(@.name, '^b$')].price", 20),
        ("$.items[?match(@.name, '[b-z]')].price", 20),
        ("$.items[?match(@.price, 'a')].price", MISSING),
        ("$.items[?search(@.name, '(')].price", MISSING),
        ("$", DOCUMENT),
    ],
)
def test_the_first_value_that_a_path_finds(path: str, value: object) -> None:
    assert find(path, DOCUMENT) == value


def test_hostile_patterns_in_a_path_take_no_time() -> None:
    assert find("$[?search(@, '(a+)+$')]", ["a" * 10_000 + "b"]) is MISSING


@pytest.mark.parametrize(
    "path",
    [
        "",
        "status",
        "$.",
        "$[?@.a =~ /x/]",
        "$..a..b..c",
        "$..a[?@.b]..c",
        "$..[?@..x]",
        "$..[?count(@..*) > 1]",
        "$" + "[0,0]" * 6,
        "$[?@" + "[0,0]" * 6 + "]",
    ],
)
def test_paths_that_are_none_or_would_take_for_ever(path: str) -> None:
    with pytest.raises(ValueError, match="must"):
        compile_path(path)


def test_a_document_too_deep_to_descend_into_is_told() -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        find("$..x", parse_json(nested(300)))
