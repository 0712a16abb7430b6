import pytest

from kubekuma.kit.pattern import occurs, pattern


def test_patterns_match_anywhere() -> None:
    assert occurs(r"v\d+\.\d+", "version v1.22 ready")
    assert not occurs(r"^ready", "not ready")
    assert occurs("Gr.ße", "schöne Grüße")


def test_hostile_patterns_take_no_time() -> None:
    assert not occurs("(a+)+$", "a" * 100_000 + "b")


@pytest.mark.parametrize("text", ["(", r"(?=ahead)", r"(a)\1", "a{1000000}", "\ud800"])
def test_what_is_no_pattern(text: str) -> None:
    with pytest.raises(ValueError, match="must be an RE2 pattern"):
        pattern(text)


def test_lone_surrogates_do_no_harm() -> None:
    assert occurs("a", "\ud800a")


def test_what_is_wrong_is_told_in_words() -> None:
    with pytest.raises(ValueError, match=r"^must be an RE2 pattern \(missing \): a\(b\)$"):
        pattern("a(b")
