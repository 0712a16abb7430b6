import pytest

from kubekuma.check.redact import clean, forms, quote, redact


@pytest.mark.parametrize(
    "echo",
    ["Bearer abcdef", "you sent abcdef", '{"auth": "Bearer abcdef"}'],
)
def test_a_credential_is_hidden_with_and_without_its_scheme(echo: str) -> None:
    assert "abcdef" not in redact(echo, forms("Bearer abcdef"))


def test_a_credential_is_hidden_as_json_writes_it() -> None:
    assert "b" not in redact(r"a\"b\"c\"d", forms('a"b"c"d'))


def test_what_is_too_short_to_be_a_secret_hides_nothing() -> None:
    assert redact("a to z", forms("to")) == "a to z"


def test_a_quote_is_redacted_before_it_is_cut() -> None:
    assert quote("x" * 8 + "canary", ["canary"], 10) == '"xxxxxxxx*…"'


def test_a_quote_is_one_line_of_json() -> None:
    assert quote('a\n"b"\0', (), 100) == r'"a\n\"b\"\u0000"'
    assert quote({"a": [1, None]}, (), 100) == '{"a": [1, null]}'


def test_what_is_published_is_one_line_without_control_characters_or_surrogates() -> None:
    shown = clean("a\nb\x1b[0m\ud800\x85", 100)
    assert shown.replace("\N{REPLACEMENT CHARACTER}", "#") == "a#b#[0m?#"
    assert clean("abcdef", 4) == "abc…"


def test_many_secrets_and_long_ones_are_looked_for_at_once() -> None:
    many = [f"secret-{number}" for number in range(2000)]
    long = "ü" * 8000
    known = [*many, *forms(long), "secret"]
    for _ in range(50):
        assert redact(f"SECRET-1999 secret-7 {long} secret!", known) == "*** *** *** ***!"


def test_a_long_text_hides_no_everyday_words() -> None:
    page = " ".join(f"word-{number}" for number in range(100))
    assert redact(f"word-7 of {page}", forms(page)) == "word-7 of ***"
