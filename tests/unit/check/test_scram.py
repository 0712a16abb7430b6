"""SCRAM against the examples of its RFCs, and against servers that cheat."""

from typing import Any

import pytest
import trio
from fakes.targets import check_context

from kubekuma.check.context import Check
from kubekuma.check.finding import CheckFailed
from kubekuma.check.login import Login
from kubekuma.check.scram import Hash, prepared, prove
from kubekuma.check.trace import Trace
from kubekuma.model.meta import Key, ObjectMeta
from kubekuma.model.result import Reason

# RFC 5802, section 5, and RFC 7677, section 3.
EXAMPLES: dict[Hash, dict[str, str]] = {
    "sha1": {
        "nonce": "fyko+d2lbbFgONRv9qkxdawL",
        "challenge": "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
        "proof": "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,"
        "p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
        "final": "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
    },
    "sha256": {
        "nonce": "rOprNGfwEbeRWgbNEkqO",
        "challenge": "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
        "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        "proof": "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
        "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        "final": "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
    },
}


@pytest.fixture(params=EXAMPLES)
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    nonce = EXAMPLES[request.param]["nonce"]
    monkeypatch.setattr("secrets.token_urlsafe", lambda _: nonce)
    return request.param


async def exchange(kind: Hash, *answers: str | bytes) -> list[str]:
    """What we say to a server that gives these answers."""
    said: list[str] = []
    left = [each.encode() if isinstance(each, str) else each for each in answers]

    async def say(message: bytes) -> bytes:
        await trio.lowlevel.checkpoint()
        said.append(message.decode())
        return left.pop(0)

    check = Check(meta=ObjectMeta(key=Key("ns", "m")), context=check_context(), trace=Trace())
    await prove(kind, Login("user", "pencil"), say, check)
    return said


async def test_the_examples_of_the_rfcs(kind: Hash) -> None:
    example = EXAMPLES[kind]
    said = await exchange(kind, example["challenge"], example["final"])
    assert said == [f"n,,n=user,r={example['nonce']}", example["proof"]]


async def test_a_name_cannot_end_its_field(kind: Hash) -> None:
    async def say(message: bytes) -> bytes:
        await trio.lowlevel.checkpoint()
        assert message == f"n,,n=o=2Cl=3Dd,r={EXAMPLES[kind]['nonce']}".encode()
        return b""

    check = Check(meta=ObjectMeta(key=Key("ns", "m")), context=check_context(), trace=Trace())
    with pytest.raises(CheckFailed):
        await prove(kind, Login("o,l=d", "pencil"), say, check)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("r=", "r=x"), Reason.PROTOCOL_ERROR),
        (("i=4096", "i=0"), Reason.PROTOCOL_ERROR),
        (("i=4096", "i=2000000000"), Reason.PROTOCOL_ERROR),
        (("i=4096", "i=many"), Reason.PROTOCOL_ERROR),
        (("s=", "t="), Reason.PROTOCOL_ERROR),
        (("s=", "s=."), Reason.PROTOCOL_ERROR),
    ],
)
async def test_a_challenge_that_makes_no_sense(
    kind: Hash, change: tuple[str, str], reason: Reason
) -> None:
    with pytest.raises(CheckFailed) as failed:
        await exchange(kind, EXAMPLES[kind]["challenge"].replace(*change))
    assert failed.value.finding.reason is reason


@pytest.mark.parametrize(
    ("final", "reason", "said"),
    [
        ("v=AAAA", Reason.AUTH_FAILED, "does not know the password"),
        ("", Reason.AUTH_FAILED, "does not know the password"),
        ("v=\u00fc", Reason.AUTH_FAILED, "does not know the password"),
        ("e=invalid-proof", Reason.AUTH_FAILED, "invalid-proof"),
        (b"\xff", Reason.PROTOCOL_ERROR, "not SCRAM"),
    ],
)
async def test_a_server_that_does_not_prove_itself(
    kind: Hash, final: str | bytes, reason: Reason, said: str
) -> None:
    with pytest.raises(CheckFailed) as failed:
        await exchange(kind, EXAMPLES[kind]["challenge"], final)
    finding = failed.value.finding
    assert (finding.reason, said in finding.message) == (reason, True), finding


@pytest.mark.parametrize(
    ("given", "hashed"),
    # RFC 4013, section 3.
    [("user", "user"), ("I\u00adX", "IX"), ("\u00aa", "a"), ("\u2168", "IX"), ("a\u00a0b", "a b")],
)
def test_passwords_are_prepared(given: str, hashed: str) -> None:
    assert prepared(given) == hashed
