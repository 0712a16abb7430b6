from decimal import Decimal

import pytest

from kubekuma.check.compare import holds, same
from kubekuma.kit.json_path import MISSING
from kubekuma.model.criteria import Op


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (1, 1.0),
        (0.1, Decimal("0.1")),
        (None, None),
        ([1, {"a": 2}], (1.0, {"a": 2})),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        (2**60, Decimal(2**60)),
    ],
)
def test_the_same(left: object, right: object) -> None:
    assert same(left, right)
    assert same(right, left)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (1, True),
        (0, False),
        (1, "1"),
        (None, False),
        ("", None),
        (2**60, float(2**60) + 512),
        (9007199254740993, 9007199254740992.0),
        ([1], [1, 2]),
        ({"a": 1}, {"a": 2}),
        ({"a": 1}, ["a"]),
        ("ab", ["a", "b"]),
    ],
)
def test_not_the_same(left: object, right: object) -> None:
    assert not same(left, right)
    assert not same(right, left)


@pytest.mark.parametrize(
    ("actual", "op", "wanted"),
    [
        ("ok", Op.EQUALS, "ok"),
        ("ok", Op.NOT_EQUALS, "bad"),
        (3, Op.LT, 4),
        (0.1, Op.LTE, "0.1"),
        (5, Op.GT, "4.99"),
        (5, Op.GTE, 5.0),
        ("hello", Op.CONTAINS, "ell"),
        ([1, 2], Op.CONTAINS, 2.0),
        ({"a": 1}, Op.CONTAINS, "a"),
        ("hello", Op.NOT_CONTAINS, "x"),
        ("v1.2", Op.MATCHES, r"^v\d"),
        (12, Op.MATCHES, "^1.$"),
        (True, Op.MATCHES, "^true$"),
        (2, Op.IN, [1, 2]),
        (None, Op.EXISTS, None),
        (None, Op.EXISTS, True),
        (MISSING, Op.EXISTS, False),
    ],
)
def test_what_holds(actual: object, op: Op, wanted: object) -> None:
    assert holds(actual, op, wanted)


@pytest.mark.parametrize(
    ("actual", "op", "wanted"),
    [
        (4, Op.LT, 4),
        ("3", Op.LT, 4),  # a text is no number
        (True, Op.LT, 4),
        (4, Op.GT, "four"),
        (5, Op.CONTAINS, 5),
        ({"a": 1}, Op.CONTAINS, ["a"]),
        (2, Op.IN, "12"),
        (1, Op.EXISTS, False),
        (MISSING, Op.EXISTS, True),
        *((MISSING, op, "x") for op in Op if op is not Op.EXISTS),
    ],
)
def test_what_does_not_hold(actual: object, op: Op, wanted: object) -> None:
    assert not holds(actual, op, wanted)


@pytest.mark.parametrize(
    ("actual", "op", "wanted"),
    [
        ("5", Op.EQUALS, 5),
        (200, Op.EQUALS, "200"),
        ("5", Op.LT, 10),
        (" 5.0 ", Op.GTE, "5"),
        ("5", Op.IN, [4, 5]),
        ("007", Op.NOT_EQUALS, "7"),
        ("5x", Op.NOT_EQUALS, 5),
    ],
)
def test_loosely_a_text_may_stand_for_its_number(actual: object, op: Op, wanted: object) -> None:
    assert holds(actual, op, wanted, loose=True)
