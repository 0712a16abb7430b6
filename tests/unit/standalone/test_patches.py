"""Patches: RFC 7396, RFC 6902 and strategic merge."""

from typing import Any

import pytest

from kubekuma.standalone.errors import ApiError
from kubekuma.standalone.patches import json_patch, merge_patch, strategic_merge_patch


@pytest.mark.parametrize(
    ("value", "patch", "result"),
    [  # the examples of RFC 7396, appendix A
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patch_is_that_of_the_rfc(value: Any, patch: Any, result: Any) -> None:
    assert merge_patch(value, patch) == result


def test_a_json_patch_counts_whole_or_not_at_all() -> None:
    value = {"a": [1], "b": 2}
    operations = [{"op": "add", "path": "/a/-", "value": 3}, {"op": "remove", "path": "/b"}]
    assert json_patch(value, operations) == {"a": [1, 3]}
    assert value == {"a": [1], "b": 2}
    for wrong, code in (
        ({"op": "remove"}, 400),
        ([{"op": "dance", "path": "/a"}], 422),
        ([{"path": "/a"}], 422),
        ([1], 400),
        ([{"op": "remove", "path": "/c"}], 422),
        ([*operations, {"op": "test", "path": "/a", "value": 9}], 422),
    ):
        with pytest.raises(ApiError) as refused:
            json_patch(value, wrong)
        assert refused.value.code == code, wrong
        assert value == {"a": [1], "b": 2}


SCHEMA = {
    "properties": {
        "set": {"x-kubernetes-list-type": "set"},
        "ports": {
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["port"],
            "items": {"properties": {"set": {"x-kubernetes-list-type": "set"}}},
        },
        "inner": {"additionalProperties": {"type": "object"}},
    }
}


@pytest.mark.parametrize(
    ("value", "patch", "result"),
    [
        ({"set": ["a"]}, {"set": ["b", "a"]}, {"set": ["a", "b"]}),
        ({"set": ["a", "b"]}, {"$deleteFromPrimitiveList/set": ["a"]}, {"set": ["b"]}),
        ({"plain": ["a"]}, {"plain": ["b"]}, {"plain": ["b"]}),
        (
            {"ports": [{"port": 1, "x": 1}, {"port": 2}]},
            {"ports": [{"port": 1, "y": 2}, {"port": 3}], "$setElementOrder/ports": []},
            {"ports": [{"port": 1, "x": 1, "y": 2}, {"port": 2}, {"port": 3}]},
        ),
        (
            {"ports": [{"port": 1}, {"port": 2}]},
            {"ports": [{"port": 1, "$patch": "delete"}]},
            {"ports": [{"port": 2}]},
        ),
        ({"inner": {"a": {"b": 1}}}, {"inner": {"$patch": "replace", "c": 1}}, {"inner": {"c": 1}}),
        ({"inner": {"a": 1}, "b": 2}, {"inner": {"$patch": "delete"}}, {"b": 2}),
        ({"a": 1}, {"a": None}, {}),
    ],
)
def test_strategic_merge_follows_the_schema(value: Any, patch: Any, result: Any) -> None:
    assert strategic_merge_patch(SCHEMA, value, patch) == result
