"""Values against structural schemas: what is wrong, what is missing, what is too much."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubekuma.kit.structural import Problem, problems, pruned, with_defaults

PORT = {"type": "integer", "minimum": 1, "maximum": 65535, "format": "int32"}
NAME = {"type": "string", "minLength": 1, "maxLength": 5, "pattern": "^[a-z]+$"}
HEADERS = {
    "type": "array",
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["name"],
    "maxItems": 3,
    "items": {
        "type": "object",
        "required": ["name"],
        "properties": {"name": {"type": "string"}, "value": {"type": "string", "default": ""}},
    },
}
TAGS = {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}}


@pytest.mark.parametrize(
    ("schema", "value", "message", "reason"),
    [
        (
            PORT,
            "http",
            'Invalid value: "string": at in body must be of type integer: "string"',
            "FieldValueTypeInvalid",
        ),
        (
            PORT,
            True,
            'Invalid value: "boolean": at in body must be of type integer: "boolean"',
            "FieldValueTypeInvalid",
        ),
        (
            PORT,
            None,
            'Invalid value: "null": at in body must be of type integer: "null"',
            "FieldValueTypeInvalid",
        ),
        (
            PORT,
            0,
            "Invalid value: 0: at in body should be greater than or equal to 1",
            "FieldValueInvalid",
        ),
        (
            PORT,
            70000,
            "Invalid value: 70000: at in body should be less than or equal to 65535",
            "FieldValueInvalid",
        ),
        (
            {"type": "integer", "format": "int32"},
            2**31,
            "Invalid value: 2147483648: at in body must be of type integer with format int32",
            "FieldValueInvalid",
        ),
        (
            {"type": "number", "minimum": 0, "exclusiveMinimum": True},
            0,
            "Invalid value: 0: at in body should be greater than 0",
            "FieldValueInvalid",
        ),
        (
            NAME,
            "abcdef",
            "Too long: may not be more than 5 bytes",
            "FieldValueTooLong",
        ),
        (
            {"type": "string", "minLength": 1},
            "",
            'Invalid value: "": at in body should be at least 1 chars long',
            "FieldValueInvalid",
        ),
        (
            NAME,
            "A",
            "Invalid value: \"A\": at in body should match '^[a-z]+$'",
            "FieldValueInvalid",
        ),
        (
            {"type": "string", "enum": ["a", "b"]},
            "x",
            'Unsupported value: "x": supported values: "a", "b"',
            "FieldValueNotSupported",
        ),
        (
            {"type": "string", "format": "date-time"},
            "yesterday",
            'Invalid value: "yesterday": at in body must be of type date-time: "yesterday"',
            "FieldValueInvalid",
        ),
        (
            {"x-kubernetes-int-or-string": True},
            [],
            'Invalid value: "array": at in body must be of type integer,string: "array"',
            "FieldValueTypeInvalid",
        ),
        (
            {"type": "object", "maxProperties": 1},
            {"a": 1, "b": 2},
            "Too many: 2: must have at most 1 items",
            "FieldValueTooMany",
        ),
        (
            {"type": "array", "maxItems": 1},
            [1, 2],
            "Too many: 2: must have at most 1 items",
            "FieldValueTooMany",
        ),
        (
            {"type": "array", "minItems": 1},
            [],
            "Invalid value: 0: at in body should have at least 1 items",
            "FieldValueInvalid",
        ),
        (
            {"not": {"type": "string"}},
            "x",
            'Invalid value: "x": at in body must not validate the schema (not)',
            "FieldValueInvalid",
        ),
        (
            {"oneOf": [{"required": ["a"]}, {"required": ["b"]}]},
            {"a": 1, "b": 1},
            'Invalid value: "object": at in body must validate one and only one schema (oneOf)',
            "FieldValueInvalid",
        ),
        (
            {"anyOf": [{"required": ["a"]}, {"required": ["b"]}]},
            {},
            'Invalid value: "object": at in body must validate at least one schema (anyOf)',
            "FieldValueInvalid",
        ),
    ],
)
def test_a_mistake_is_told_as_kube_apiserver_tells_it(
    schema: dict[str, Any], value: Any, message: str, reason: str
) -> None:
    assert list(problems(schema, value, "at")) == [Problem("at", message, reason)]


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (PORT, 1),
        (PORT, 65535.0),
        (NAME, "abc"),
        ({"type": "string", "nullable": True}, None),
        ({"type": "string", "format": "date-time"}, "2026-01-01T00:00:00Z"),
        ({"type": "string", "format": "date-time"}, "2026-01-01T00:00:00.123456+02:00"),
        ({"x-kubernetes-int-or-string": True}, "50%"),
        ({"x-kubernetes-int-or-string": True}, 50),
        ({"type": "object", "x-kubernetes-preserve-unknown-fields": True}, {"any": ["thing"]}),
        ({}, object),
    ],
)
def test_what_fits_has_no_problems(schema: dict[str, Any], value: Any) -> None:
    assert not list(problems(schema, value))


def test_every_mistake_is_found_with_its_path() -> None:
    schema = {
        "type": "object",
        "required": ["port"],
        "properties": {"port": PORT, "headers": HEADERS, "tags": TAGS},
    }
    value = {
        "headers": [{"name": "a"}, {"value": 1}, {"name": "a"}],
        "tags": ["x", "x"],
    }
    assert [(problem.path, problem.reason) for problem in problems(schema, value)] == [
        ("port", "FieldValueRequired"),
        ("headers[1].name", "FieldValueRequired"),
        ("headers[1].value", "FieldValueTypeInvalid"),
        ("headers[2]", "FieldValueDuplicate"),
        ("tags[1]", "FieldValueDuplicate"),
    ]


def test_map_values_are_examined_under_their_key() -> None:
    schema = {"type": "object", "additionalProperties": {"type": "string"}}
    assert [problem.path for problem in problems(schema, {"a": "b", "c": 1}, "labels")] == [
        "labels.c"
    ]


def test_a_pattern_that_is_no_expression_matches_nothing() -> None:
    assert list(problems({"type": "string", "pattern": "("}, "x"))


def test_defaults_fill_what_is_absent_at_every_depth() -> None:
    schema = {
        "type": "object",
        "properties": {
            "interval": {"type": "string", "default": "60s"},
            "headers": HEADERS,
            "retry": {
                "type": "object",
                "default": {},
                "properties": {"times": {"type": "integer", "default": 2}},
            },
            "tls": {
                "type": "object",
                "properties": {"verify": {"type": "boolean", "default": True}},
            },
            "by": {
                "type": "object",
                "additionalProperties": {
                    "type": "object",
                    "properties": {"n": {"type": "integer", "default": 1}},
                },
            },
        },
    }
    value = {"headers": [{"name": "a"}], "by": {"x": {}}}
    assert with_defaults(schema, value) == {
        "interval": "60s",
        "headers": [{"name": "a", "value": ""}],
        "retry": {"times": 2},
        "by": {"x": {"n": 1}},
    }
    assert value == {"headers": [{"name": "a"}], "by": {"x": {}}}


def test_null_counts_as_absent_unless_it_is_allowed() -> None:
    schema = {
        "type": "object",
        "properties": {
            "defaulted": {"type": "string", "default": "x"},
            "dropped": {"type": "string"},
            "kept": {"type": "string", "nullable": True, "default": "x"},
        },
    }
    value = {"defaulted": None, "dropped": None, "kept": None}
    assert with_defaults(schema, value) == {"defaulted": "x", "kept": None}


def test_unknown_fields_are_cut_and_named() -> None:
    schema = {
        "type": "object",
        "properties": {
            "spec": {"type": "object", "properties": {"headers": HEADERS}},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        },
    }
    value = {
        "apiVersion": "v1",
        "kind": "X",
        "metadata": {"name": "x"},
        "spec": {"headers": [{"name": "a", "colour": "red"}], "typo": 1},
        "free": {"any": 1},
        "other": {},
    }
    result, unknown = pruned(schema, value)
    assert unknown == ("spec.headers[0].colour", "spec.typo", "other")
    assert result == {
        "apiVersion": "v1",
        "kind": "X",
        "metadata": {"name": "x"},
        "spec": {"headers": [{"name": "a"}]},
        "free": {"any": 1},
    }


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["spec", "name", "value", "port"]), inner, max_size=3)
    ),
    max_leaves=8,
)
SCHEMA = {
    "type": "object",
    "properties": {
        "spec": HEADERS,
        "name": {"type": "object", "default": {}, "additionalProperties": PORT},
        "value": {"type": "object", "properties": {"port": {**PORT, "default": 80}}},
    },
}


@given(json_values)
def test_examining_any_value_never_raises(value: Any) -> None:
    list(problems(SCHEMA, value))


@given(json_values)
def test_defaulting_and_pruning_twice_is_doing_it_once(value: Any) -> None:
    defaulted = with_defaults(SCHEMA, value)
    assert with_defaults(SCHEMA, defaulted) is defaulted
    kept, _ = pruned(SCHEMA, defaulted)
    assert pruned(SCHEMA, kept) == (kept, ())
    assert pruned(SCHEMA, kept)[0] is kept


def test_lone_surrogates_do_no_harm() -> None:
    (problem,) = problems({"type": "string", "pattern": "^a$"}, "\ud800")
    assert "should match" in problem.message
