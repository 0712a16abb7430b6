"""Who asks: tokens, the file of tokens, and what becomes of them when it changes."""

from pathlib import Path

import pytest

from kubekuma.standalone.errors import ApiError
from kubekuma.standalone.users import ANONYMOUS, OWNER, Users


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    path = tmp_path / "tokens.csv"
    path.write_text('t1,ann,1\nt2,bob,2,"makers,others"\n\n')
    return path


def test_everybody_is_known_by_a_token(tokens: Path) -> None:
    users = Users("secret", tokens)
    assert users.authenticate("Bearer secret") == OWNER
    assert users.authenticate("bearer  t1 ").name == "ann"
    assert users.authenticate("Bearer t1").groups == ("system:authenticated",)
    assert users.authenticate("Bearer t2").groups == ("makers", "others", "system:authenticated")


@pytest.mark.parametrize("header", ["", "Basic eDp5", "Bearer", "Bearer ", "secret"])
def test_who_shows_no_token_is_nobody(tokens: Path, header: str) -> None:
    assert Users("secret", tokens).authenticate(header) == ANONYMOUS


@pytest.mark.parametrize(
    "header", ["Bearer wrong", "Bearer secret2", "Bearer secre", "Bearer \xff"]
)
def test_a_wrong_token_is_refused(tokens: Path, header: str) -> None:
    with pytest.raises(ApiError) as refused:
        Users("secret", tokens).authenticate(header)
    assert refused.value.code == 401


def test_the_file_counts_as_it_is_now(tokens: Path) -> None:
    users = Users("secret", tokens)
    assert users.authenticate("Bearer t1").name == "ann"
    tokens.write_text("t3,eve,3\n")
    assert users.authenticate("Bearer t3").name == "eve"
    with pytest.raises(ApiError):
        users.authenticate("Bearer t1")


@pytest.mark.parametrize("content", [b"t1\n", b",ann,1\n", b"t1,,1\n", b"\xff\xfe,a,b\n"])
def test_a_file_that_cannot_be_read_changes_nothing(tokens: Path, content: bytes) -> None:
    users = Users("secret", tokens)
    assert users.authenticate("Bearer t1").name == "ann"
    tokens.write_bytes(content)
    assert users.authenticate("Bearer t1").name == "ann"
    assert users.authenticate("Bearer secret") == OWNER
    tokens.unlink()
    assert users.authenticate("Bearer t2").name == "bob"


def test_nobody_takes_the_place_of_the_owner(tokens: Path) -> None:
    tokens.write_text("secret,mallory,1\n")
    assert Users("secret", tokens).authenticate("Bearer secret") == OWNER
