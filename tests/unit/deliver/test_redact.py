"""What services repeat of our credentials is shown to nobody."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubekuma.deliver.redact import LEAST, redacted

URL = "https://us%65r:pass-word@hooks.example.org/services/T0KEN-abc/x?sig=s3cr%2Bet"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"no such page: {URL}", "no such page: ***"),
        ("Cannot POST /services/T0KEN-abc/x?sig=s3cr%2Bet", "Cannot POST /***"),
        ("Cannot POST /services/T0KEN-abc", "Cannot POST /***/***"),
        ("the signature s3cr+et is wrong", "the signature *** is wrong"),
        ("who is user, by pass-word?", "who is user, by ***?"),
        ("unknown host hooks.example.org, x", "unknown host hooks.example.org, x"),
    ],
)
def test_no_part_of_a_url_is_shown(text: str, shown: str) -> None:
    assert redacted(text, [URL]) == shown


def test_a_token_is_not_shown_without_what_stands_before_it() -> None:
    assert redacted("bad token: s3cr3t-t0ken", ["Bearer s3cr3t-t0ken"]) == "bad token: ***"


@given(st.text(), st.text(min_size=LEAST), st.text())
def test_no_secret_is_shown(before: str, secret: str, after: str) -> None:
    assert secret not in redacted(f"{before}{secret}{after}", [secret]).replace("***", "")
