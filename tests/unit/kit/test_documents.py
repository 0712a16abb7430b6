"""YAML as Kubernetes reads it."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kubekuma.kit.documents import Document, json_document, json_value, yaml_documents


def one(text: str) -> Document:
    (document,) = yaml_documents(text)
    return document


def test_times_stay_text_and_keys_are_text() -> None:
    value = one("at: 2026-01-01T00:00:00Z\non: 1\n2: two\ntrue: yes\n").value
    assert value == {"at": "2026-01-01T00:00:00Z", "true": True, "2": "two"}


def test_every_document_that_is_not_empty_has_its_line() -> None:
    found = list(yaml_documents("---\n# nothing\n---\na: 1\n---\n\n---\nb: 2\n"))
    assert [(each.line, each.value) for each in found] == [(4, {"a": 1}), (8, {"b": 2})]


def test_a_field_given_twice_is_noticed_at_any_depth_of_its_own_document() -> None:
    first, second = yaml_documents("a: {b: 1, b: 2}\nc: 1\nc: 2\n---\nd: 1\n")
    assert set(first.twice) == {"b", "c"}
    assert second.twice == ()


def test_a_line_is_of_the_field_or_of_its_nearest_parent() -> None:
    document = one("spec:\n  parts:\n  - name: a\n  - name: b\n    size: 3\n")
    assert document.line_of("spec.parts[1].size") == 5
    assert document.line_of("spec.parts[1].color") == 4
    assert document.line_of("spec.parts[7].color") == 2
    assert document.line_of("nothing.of.it") == 1
    assert document.line_of("") == 1


def test_text_that_is_no_yaml_says_so() -> None:
    with pytest.raises(yaml.YAMLError):
        list(yaml_documents("a: [1"))
    with pytest.raises(yaml.YAMLError):
        list(yaml_documents("a: !!python/object/apply:os.system [id]"))


def test_a_document_that_multiplies_by_aliases_is_refused() -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    for name, before in zip("bcdefghi", "abcdefgh", strict=True):
        lines.append(f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]")
    with pytest.raises(ValueError, match="too many values"):
        list(yaml_documents("\n".join(lines)))


def test_a_document_that_contains_itself_is_refused() -> None:
    with pytest.raises(ValueError, match="too deeply"):
        list(yaml_documents("a: &a [*a]"))


@pytest.mark.parametrize("text", ["[" * 100_000, "- " * 100_000, "{a: " * 100_000])
def test_a_document_that_is_too_deep_is_refused_and_not_a_crash(text: str) -> None:
    with pytest.raises((yaml.YAMLError, ValueError)):
        list(yaml_documents(text))


plain = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=20)
values = st.recursive(
    plain,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=8), values, min_size=1, max_size=4))
def test_what_is_written_as_yaml_is_read_again(value: dict[str, object]) -> None:
    text = yaml.safe_dump(value)
    assert one(text).value == value


def test_keys_are_texts_one_by_one() -> None:
    assert one("1: one\ntrue: yes\n").value == {"1": "one", "true": True}
    with pytest.raises(yaml.MarkedYAMLError):
        one("? {a: b}\n: c\n")


def test_merged_fields_are_not_given_twice() -> None:
    document = one("a: &a {b: 1}\nc: &c {d: 1}\ne:\n  <<: *a\n  b: 2\nf: {<<: [*a, *c]}\n")
    assert document.twice == ()
    assert (document.value["e"], document.value["f"]) == ({"b": 2}, {"b": 1, "d": 1})


def test_the_items_of_a_list_are_objects_with_lines_of_their_own() -> None:
    document = one("kind: FooList\nitems:\n- b: 1\n- b: 2\n  b: 3\n  c: 4\n")
    assert [(each.line, each.value) for each in document.objects] == [
        (3, {"b": 1}),
        (4, {"b": 3, "c": 4}),
    ]
    assert document.objects[1].line_of("c") == 6
    assert one("a: 1\n").objects == (one("a: 1\n"),)
    assert len(one("kind: FooList\nitems: 7\n").objects) == 1
    assert len(one("kind: Foo\nitems: [1, 2]\n").objects) == 1


def test_json_has_lines_too_as_far_as_yaml_can_read_it() -> None:
    document = json_document(b'{\n"a": {\n\t"b": 1,\n"b": 2}}')
    assert (document.value, document.twice) == ({"a": {"b": 2}}, ("b",))
    assert document.line_of("a") == 2
    escaped = json_document(rb"""{
"a": "\ud83d\ude00"}""")
    assert (escaped.value, escaped.line_of("a")) == ({"a": "\U0001f600"}, 1)


@pytest.mark.parametrize("text", [b"", b"{", b"NaN", b"[1e999]", b"[" * 100_000, b"\xff", b"1 2"])
def test_text_that_is_no_json_says_so(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        json_value(text)


@pytest.mark.parametrize("text", ["a: .inf", "a: [-.inf]", "a: .NaN"])
def test_numbers_that_json_cannot_say_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be finite"):
        one(text)


def test_depth_is_bounded() -> None:
    assert len(list(yaml_documents("[" * 100 + "]" * 100))) == 1
    with pytest.raises(ValueError, match="nested too deeply"):
        list(yaml_documents("[" * 300 + "]" * 300))
    with pytest.raises(ValueError, match="nested too deeply"):
        json_document(b"[" * 300 + b"]" * 300)
