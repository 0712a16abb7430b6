"""Digest authentication, by the examples of RFC 7616, section 3.9."""

import pytest

from kubekuma.check.digest import authorization, parse_challenge

NONCE = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
OPAQUE = "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"
CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_examples_of_its_specification(algorithm: str, response: str) -> None:
    challenge = parse_challenge(
        f'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={algorithm}, '
        f'nonce="{NONCE}", opaque="{OPAQUE}"'
    )
    assert challenge
    value = authorization(challenge, "Mufasa", "Circle of Life", "GET", "/dir/index.html", CNONCE)
    assert f'response="{response}"' in value
    assert f'opaque="{OPAQUE}"' in value
    assert 'username="Mufasa"' in value
    assert "qop=auth, nc=00000001" in value


@pytest.mark.parametrize(
    "header",
    [
        "",
        'Basic realm="x"',
        'Digest realm="x"',
        'Digest realm="x", nonce="n", qop="auth-int"',
        'Digest realm="x", nonce="n", algorithm=SHA-1',
    ],
)
def test_challenges_that_cannot_be_met(header: str) -> None:
    assert parse_challenge(header) is None


def test_quotes_in_names_are_escaped() -> None:
    challenge = parse_challenge('Digest realm="a \\"b\\"", nonce="n"')
    assert challenge
    assert 'username="\\"x\\""' in authorization(challenge, '"x"', "p", "GET", "/", "c")
