"""Keys of the RFCs' own examples, and messages that somebody has changed."""

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubekuma.check import ber, usm
from kubekuma.model.target import SnmpAuth, SnmpPrivacy

ENGINE = usm.Engine(identity=bytes.fromhex("000000000000000000000002"), boots=3, seconds=70_000)
SCOPED = ber.encode(
    ber.SEQUENCE,
    ber.encode(ber.OCTETS, ENGINE.identity),
    ber.encode(ber.OCTETS, b"context"),
    ber.encode(0xA0, ber.integer(7)),
)


@pytest.mark.parametrize(
    ("auth", "key"),
    [
        (SnmpAuth.MD5, "526f5eed9fcce26f8964c2930787d82b"),
        (SnmpAuth.SHA, "6695febc9288e36282235fc7151f128497b38f3f"),
    ],
)
def test_keys_are_those_of_rfc_3414(auth: SnmpAuth, key: str) -> None:
    assert usm.auth_key(auth, b"maplesyrup", ENGINE.identity).hex() == key


def user(auth: SnmpAuth, privacy: SnmpPrivacy | None) -> usm.User:
    key = usm.auth_key(auth, b"maplesyrup", ENGINE.identity)
    hidden = usm.priv_key(auth, privacy, b"maplesyrup", ENGINE.identity) if privacy else b""
    return usm.User(name=b"alice", auth=auth, auth_key=key, priv_key=hidden)


ALICE = user(SnmpAuth.SHA, SnmpPrivacy.AES_256)
SEALED = usm.seal(9, SCOPED, ENGINE, ALICE, b"saltsalt")


@pytest.mark.parametrize("privacy", [None, *SnmpPrivacy])
@pytest.mark.parametrize("auth", SnmpAuth)
def test_what_is_sealed_can_be_read_by_whom_it_is_for(
    auth: SnmpAuth, privacy: SnmpPrivacy | None
) -> None:
    known = user(auth, privacy)
    sealed = usm.seal(9, SCOPED, ENGINE, known, b"saltsalt")
    assert (SCOPED in sealed) is (privacy is None)
    message = usm.unseal(sealed, known)
    assert message is not None
    assert (message.number, message.flags, message.engine) == (9, known.flags, ENGINE)
    assert ber.encode(message.content.tag, message.content.body) == SCOPED


@given(st.integers(0, len(SEALED) - 1), st.integers(1, 255))
def test_no_byte_of_it_can_be_changed(at: int, change: int) -> None:
    changed = bytearray(SEALED)
    changed[at] ^= change
    message = usm.unseal(bytes(changed), ALICE)
    # Without the flag of a signature it is read, as somebody's who says that it has none.
    assert message is None or message.flags & 1 == 0


def test_nobody_else_is_let_in() -> None:
    other = attrs.evolve(ALICE, auth_key=bytes(20))
    assert usm.unseal(SEALED, other) is None
    assert usm.unseal(SEALED, attrs.evolve(ALICE, name=b"bob")) is None
    assert usm.unseal(SEALED, usm.User(name=b"alice")) is None


@given(st.binary(max_size=300))
def test_rubbish_is_no_message(data: bytes) -> None:
    usm.unseal(data, ALICE)
