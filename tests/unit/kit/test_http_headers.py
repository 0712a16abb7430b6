import pytest

from kubekuma.kit.http_headers import OF_THE_CLIENT, is_header_value


@pytest.mark.parametrize("value", [b"", b"a b", b"a\tb", "ä".encode(), b"\xff"])
def test_values_of_headers(value: bytes) -> None:
    assert is_header_value(value)


@pytest.mark.parametrize("code", [*range(9), *range(10, 32), 127])
def test_control_characters_are_none(code: int) -> None:
    assert not is_header_value(b"a" + bytes([code]) + b"b")


def test_every_header_of_the_client_is_in_lower_case_and_has_its_reason() -> None:
    assert all(name == name.lower() and why for name, why in OF_THE_CLIENT.items())
    assert "host" not in OF_THE_CLIENT
