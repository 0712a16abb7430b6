"""Receivers that misbehave in every way: what is told of it, and whether it is tried again."""

import ssl
from pathlib import Path

import httpx
import pytest
import trio
from fakes.targets import ScriptedTarget, Step, after, answer, endless, reset, stall, start_target
from support.certificates import Certificates, certificates, write_pem

from kubekuma.deliver.request import Request
from kubekuma.deliver.send import MOST_ANSWER, MOST_SAID, NotSent, Taken, new_client, send

# A request that is cut off leaves its body half read, and trio says so of what httpx forgot.
pytestmark = pytest.mark.filterwarnings("ignore:Async generator 'http:ResourceWarning")

CANARY = "c4nary-token"


async def sent(url: str, *secrets: str) -> Taken:
    headers = (("Authorization", f"Bearer {CANARY}-header"),)
    whole = f"{url}{CANARY}?x={CANARY}-query"
    request = Request(url=whole, headers=headers, body=b"{}", secrets=(whole, *secrets))
    async with new_client() as http:
        return await send(request, http)


async def refusal(url: str) -> NotSent:
    with pytest.raises(NotSent) as raised:
        await sent(url)
    assert CANARY not in str(raised.value)
    return raised.value


@pytest.mark.parametrize(
    ("status", "lasting"),
    [
        ("500 Oops", False),
        ("502 Bad Gateway", False),
        ("503 Later", False),
        ("429 Busy", False),
        ("408 Slow", False),
        ("409 Conflict", False),
        ("400 No", True),
        ("401 Who", True),
        ("404 Where", True),
        ("413 Large", True),
        ("302 Found", True),
    ],
)
async def test_what_may_be_taken_later_is_told_from_what_never_will(
    nursery: trio.Nursery, status: str, lasting: bool
) -> None:
    target = await start_target(nursery, answer(status, body=b"because"))
    error = await refusal(target.url)
    assert error.said == f"it answers {status[:3]}: because"
    assert (error.lasting, error.retry_after_seconds) == (lasting, None)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        (["Retry-After: 120"], 120.0),
        (["Retry-After: 0"], 0.0),
        (["Retry-After: 1.5"], 1.5),
        (["Retry-After: ."], None),
        (["Retry-After: 99999999999999999999"], 3600.0),
        (["Retry-After: -5"], None),
        (["Retry-After: soon"], None),
        (["Retry-After: Thu, 01 Jan 2026 00:02:00 GMT"], None),
        (
            [
                "Date: Thu, 01 Jan 2026 00:00:00 GMT",
                "Retry-After: Thu, 01 Jan 2026 00:02:00 GMT",
            ],
            120.0,
        ),
        (
            [
                "Date: Thu, 01 Jan 2026 00:02:00 GMT",
                "Retry-After: Thu, 01 Jan 2026 00:00:00 GMT",
            ],
            0.0,
        ),
    ],
)
async def test_it_says_when_to_come_again(
    nursery: trio.Nursery, headers: list[str], seconds: float | None
) -> None:
    target = await start_target(nursery, answer("429 Busy", *headers))
    assert (await refusal(target.url)).retry_after_seconds == seconds


async def test_a_redirect_is_not_followed(nursery: trio.Nursery) -> None:
    elsewhere = await start_target(nursery, answer("200 OK"))
    target = await start_target(nursery, answer("307 Moved", f"Location: {elsewhere.url}"))
    assert (await refusal(target.url)).said == "it answers 307"
    assert elsewhere.requests == []


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([], "it hung up"),
        ([reset], "it hung up"),
        ([b"HTTP/1.1 200 OK\r\nContent-"], "it hung up"),
        ([b"220 mail.example.org ESMTP\r\n"], "it hung up"),
        ([stall], "it did not answer in time"),
    ],
)
async def test_no_answer_is_tried_again(
    nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch, steps: list[Step], said: str
) -> None:
    monkeypatch.setattr("kubekuma.deliver.send.TIMEOUT", httpx.Timeout(0.2))
    target = await start_target(nursery, *steps)
    error = await refusal(target.url)
    assert (error.said, error.lasting) == (said, False)


async def test_one_that_says_a_byte_now_and_then_has_an_end(
    nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kubekuma.deliver.send.SECONDS", 0.3)
    drip: list[Step] = [step for _ in range(100) for step in (b"X", after(0.05))]
    target = await start_target(nursery, b"HTTP/1.1 200 OK\r\nX-", *drip)
    assert (await refusal(target.url)).said == "it did not answer in time"


@pytest.mark.parametrize(
    "rest", [[b"abc"], [b"abc", reset], [b"abc", stall], [endless(b"x" * 9000)]]
)
async def test_what_was_taken_is_taken_even_if_the_answer_breaks_off(
    nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch, rest: list[Step]
) -> None:
    monkeypatch.setattr("kubekuma.deliver.send.TIMEOUT", httpx.Timeout(0.2))
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n"
    target = await start_target(nursery, head, *rest)
    taken = await sent(target.url)
    assert taken.said.startswith("it answers 200")
    assert len(taken.said) <= MOST_SAID + 20
    assert len(taken.answer) <= 2 * MOST_ANSWER


async def test_what_it_repeats_of_us_is_not_told(nursery: trio.Nursery) -> None:
    body = f"Cannot POST /{CANARY}?x={CANARY}-query as {CANARY}-header with {CANARY}-body".encode()
    # Nor half of it, where the answer is cut.
    for padding in (b"", b" " * 40 + b"." * (MOST_SAID - 30)):
        target = await start_target(nursery, answer("404 No", body=padding + body))
        with pytest.raises(NotSent) as raised:
            await sent(target.url, f"{CANARY}-body")
        assert CANARY[:4] not in raised.value.said


async def test_nobody_there_is_tried_again() -> None:
    error = await refusal("http://127.0.0.1:1/")
    assert (error.said, error.lasting) == ("it could not be reached", False)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://[::1/", "the URL makes no sense"),
        ("nonsense", "the URL is none of http and https"),
        ("ftp://127.0.0.1/", "the URL is none of http and https"),
    ],
)
async def test_a_url_that_makes_no_sense(url: str, said: str) -> None:
    assert (await refusal(url)).said == said


async def secured(nursery: trio.Nursery, folder: Path, pem: bytes, *steps: Step) -> ScriptedTarget:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(write_pem(pem, folder / "server.pem"))
    return await start_target(nursery, *steps, tls=context)


@pytest.mark.parametrize(
    ("quality", "said"),
    [
        ("expired", "its certificate: certificate has expired"),
        ("wrong_name", "its certificate: it is for another name"),
        ("unknown_issuer", "its certificate: "),
    ],
)
async def test_a_wrong_certificate_is_told_and_the_message_is_kept(
    nursery: trio.Nursery, tmp_path: Path, quality: str, said: str
) -> None:
    them: Certificates = certificates()
    target = await secured(nursery, tmp_path, getattr(them, quality), answer("200 OK"))
    trusted = ssl.create_default_context(cadata=them.bundle.decode())
    async with httpx.AsyncClient(trust_env=False, verify=trusted) as http:
        url = target.url.replace("http:", "https:")
        with pytest.raises(NotSent) as raised:
            await send(Request(url=f"{url}{CANARY}"), http)
    assert raised.value.said.startswith(said)
    assert not raised.value.lasting
    assert "127.0.0.1" not in raised.value.said
    assert target.requests == []
