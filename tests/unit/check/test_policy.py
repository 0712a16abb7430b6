import pytest

from kubekuma.check.policy import Policy, parse_policy, refusal
from kubekuma.model.settings import AddressPolicy

DEFAULTS = Policy()


@pytest.mark.parametrize(
    ("address", "what"),
    [
        ("127.0.0.1", "loopback"),
        ("127.255.0.9", "loopback"),
        ("::1", "loopback"),
        ("169.254.169.254", "metadata"),
        ("169.254.1.1", "link-local"),
        ("fe80::1", "link-local"),
        ("fd00:ec2::254", "metadata"),
        ("100.100.100.200", "metadata"),
        ("0.0.0.0", "unspecified"),  # noqa: S104 - an address to refuse
        ("::", "unspecified"),
        ("224.0.0.1", "multicast"),
        ("ff02::1", "multicast"),
        ("255.255.255.255", "broadcast"),
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:169.254.169.254", "metadata"),
        ("::127.0.0.1", "loopback"),
        ("2002:7f00:1::", "loopback"),  # 6to4
        ("2002:a9fe:a9fe::1", "metadata"),
        ("64:ff9b::7f00:1", "loopback"),  # NAT64
        ("64:ff9b:1::a9fe:a9fe", "metadata"),
        ("2001:0:c000:201::80ff:fffe", "loopback"),  # Teredo, client 127.0.0.1 inverted
        ("2001:0:7f00:1::3fff:fdfe", "loopback"),  # Teredo, server 127.0.0.1
    ],
)
def test_denied_by_default_in_every_form(address: str, what: str) -> None:
    why = refusal(address, DEFAULTS)
    assert why is not None
    assert address in why
    assert what in why


@pytest.mark.parametrize(
    "address",
    ["192.0.2.1", "10.0.0.1", "192.168.1.1", "2001:db8::1", "fd00::1", "64:ff9b::c000:201"],
)
def test_public_and_private_addresses_are_allowed(address: str) -> None:
    assert refusal(address, DEFAULTS) is None


def test_what_is_denied_by_default_can_be_allowed() -> None:
    policy = parse_policy(AddressPolicy(allow_cidrs=("127.0.0.0/8",)))
    assert refusal("127.0.0.1", policy) is None
    assert refusal("::ffff:127.0.0.1", policy) is None
    assert refusal("::1", policy) is not None


def test_what_the_settings_deny_is_denied_although_allowed_too() -> None:
    policy = parse_policy(
        AddressPolicy(allow_cidrs=("127.0.0.0/8",), deny_cidrs=("127.0.0.1/32", "10.0.0.1/8"))
    )
    assert refusal("127.0.0.1", policy) == "127.0.0.1 is denied by the settings"
    assert refusal("127.0.0.2", policy) is None
    assert refusal("10.200.0.1", policy) == "10.200.0.1 is denied by the settings"


def test_a_denied_range_holds_for_addresses_that_carry_one_of_it() -> None:
    policy = parse_policy(AddressPolicy(deny_cidrs=("192.0.2.0/24",)))
    for form in ("::ffff:192.0.2.1", "2002:c000:201::", "64:ff9b::c000:201"):
        assert refusal(form, policy) is not None


def test_allowing_the_form_does_not_allow_what_it_carries() -> None:
    policy = parse_policy(AddressPolicy(allow_cidrs=("64:ff9b::/96",)))
    assert refusal("64:ff9b::a9fe:a9fe", policy) is not None
