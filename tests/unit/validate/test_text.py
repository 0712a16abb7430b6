"""Texts with a grammar: what is accepted, beside what tests/golden/invalid refuses."""

from collections.abc import Callable, Iterable

import pytest

from kubekuma.validate import text
from kubekuma.validate.rule import FieldError, Rule, at, each, every, if_present, joined, must

Grammar = Callable[[str], Iterable[FieldError]]


@pytest.mark.parametrize(
    ("grammar", "good", "bad"),
    [
        (text.host, ["a", "A.b.", "a_b.svc", "192.0.2.1", "2001:db8::1", "münchen.example"],
         ["", "a b", "a:1", "http://a", "[::1]", "fe80::1%eth0", "-a", "a" * 64, "a/b", "a\n"]),
        (text.address, ["192.0.2.1", "::1"], ["", "a", "192.0.2.256", "::1/64", "192.0.2.01"]),
        (text.host_and_port, ["a:1", "[::1]:65535", "192.0.2.1:53"],
         ["a", "a:", ":1", "a:0", "a:65536", "a:²", "::1:53", "[a]:1", "[::1]", "a:1:2"]),
        (text.cidr, ["192.0.2.0/24", "::/0", "192.0.2.1/32"], ["192.0.2.1/24", "a/8", "::/129"]),
        (text.url, ["http://a", "https://a:8443/b?c#d"],
         ["", "ws://a", "http://", "http://a@b/", "http://a:b@c/", "http://a b/", "//a"]),
        (text.websocket_url, ["ws://a", "wss://a/b"], ["http://a", "wss://", "wss://a@b/"]),
        (text.pattern, ["", "a", "(?i)ä"], ["(", "(?=a)", r"(a)\1", "a{9999}", "\ud800"]),
        (text.json_path, ["$", "$.a[0]", "$..a..b", "$[?@.a > 1]"],
         ["", "a", "$.", "$..a..b..c", "$[?@..a]", "$[" + "0," * 40 + "0]"]),
        (text.object_name, ["a", "a-b.c0", "a" * 253],
         ["", "A", "-a", "a-", "a..b", "a" * 254, "a\n"]),
        (text.namespace_name, ["a", "a-b0", "a" * 63], ["", "a.b", "A", "-a", "a" * 64, "a\n"]),
        (text.header_name, ["Host", "X-Expect"], ["Expect", "CONNECTION", "te", "Content-Length"]),
        (text.header_value, ["", "a\tb", "é"], ["a\nb", "\r", "\x00", "a\x0bb", "\x7f"]),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)  # fmt: skip
def test_grammars(grammar: Grammar, good: list[str], bad: list[str]) -> None:
    for each_good in good:
        assert list(grammar(each_good)) == [], each_good
    for each_bad in bad:
        (error,) = grammar(each_bad)
        assert error.message.startswith("must "), each_bad
        assert error.path == ""


def test_rules_are_combined_and_keep_their_paths() -> None:
    short: Rule[str] = must(lambda value: len(value) < 3, "must be short")
    lower: Rule[str] = must(str.islower, "must be lower case")
    words: Rule[list[str]] = every(
        at("all", lambda it: it, each(every(short, lower))),
        at("first", min, if_present(lower)),
    )
    assert [str(error) for error in words(["a", "LONG"])] == [
        "all[1]: must be short",
        "all[1]: must be lower case",
        "first: must be lower case",
    ]
    assert list(if_present(short)(None)) == []


@pytest.mark.parametrize(
    ("path", "below", "whole"),
    [("a", "b", "a.b"), ("a", "[0]", "a[0]"), ("", "b", "b"), ("a", "", "a"), ("", "", "")],
)
def test_paths_are_joined(path: str, below: str, whole: str) -> None:
    assert joined(path, below) == whole
