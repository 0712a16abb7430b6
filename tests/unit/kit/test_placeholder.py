from kubekuma.kit.placeholder import compact, fill, names_in


def test_names_stand_in_double_braces_with_or_without_blanks() -> None:
    assert names_in("{{a}}/{{ b_1 }}?c={{  a}}") == ["a", "b_1", "a"]


def test_braces_around_anything_else_are_only_braces() -> None:
    text = "{ a } {{ }} {{a.b}} {{1}} {{a} }"
    assert names_in(text) == []
    assert fill(text, str.upper) == text


def test_what_a_value_contains_is_not_looked_at_again() -> None:
    assert fill("<{{ a }}>", {"a": "{{ a }}"}.__getitem__) == "<{{ a }}>"


def test_a_value_may_contain_what_patterns_give_a_meaning() -> None:
    assert fill("{{ a }}", lambda _: r"\1\g<0>") == r"\1\g<0>"


def test_blanks_are_taken_out_of_braces_alone() -> None:
    assert compact("a b {{ c }} { d }") == "a b {{c}} { d }"
