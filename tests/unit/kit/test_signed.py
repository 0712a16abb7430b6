"""Texts that show who wrote them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubekuma.kit.signed import signed, verified


@given(st.text(st.characters(exclude_characters="."), min_size=1), st.text(min_size=1))
def test_what_was_signed_is_known_again_and_by_its_key_alone(text: str, key: str) -> None:
    token = signed(text, key)
    assert verified(token, key) == text
    assert verified(token, key + "x") is None


@pytest.mark.parametrize("change", [lambda it: it[:-1], lambda it: f"x{it}", lambda it: f"{it}0"])
def test_nothing_else_is(change: object) -> None:
    token = signed("outage", "key")
    assert callable(change)
    assert verified(change(token), "key") is None


@pytest.mark.parametrize("token", ["", ".", "outage", "outage.", ".0123", "outage.ö\ud800"])
def test_what_is_no_token_is_none(token: str) -> None:
    assert verified(token, "key") is None
