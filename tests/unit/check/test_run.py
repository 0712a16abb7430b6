from typing import Any

import attrs
import pytest
import trio
import trio.testing
from fakes.targets import (
    Step,
    answer,
    check_context,
    endless,
    monitor_of,
    reset,
    secret_ref,
    stall,
    start_target,
)

from kubekuma.check.run import run_check
from kubekuma.model.criteria import HttpCriteria, KeywordCriteria, SuccessCriteria
from kubekuma.model.meta import SecretKeyRef
from kubekuma.model.monitor import Monitor, MonitorType, Schedule
from kubekuma.model.result import CheckResult, Outcome, Reason
from kubekuma.model.target import Header, HttpTarget, TcpTarget

OK = answer("200 OK", body=b"hello")


@pytest.fixture
def clock() -> trio.testing.MockClock:
    # Not at once: the kernel hands loopback's bytes over in real time, if only just.
    return trio.testing.MockClock(autojump_threshold=0.05)


def http(url: str, **fields: Any) -> Monitor:
    return monitor_of(MonitorType.HTTP, HttpTarget(url=url, **fields))


def keyword(url: str, *words: str, **fields: Any) -> Monitor:
    criteria = SuccessCriteria(keyword=KeywordCriteria(contains=words))
    return monitor_of(MonitorType.KEYWORD, HttpTarget(url=url, **fields), criteria)


async def result_of(nursery: trio.Nursery, *steps: Step, **fields: Any) -> CheckResult:
    """What an http check says of a target that does ``steps``."""
    target = await start_target(nursery, *steps)
    return await run_check(http(target.url, **fields), check_context())


async def keyword_result(nursery: trio.Nursery, *steps: Step, **fields: Any) -> CheckResult:
    """What a keyword check for "hello" says of a target that does ``steps``."""
    target = await start_target(nursery, *steps)
    return await run_check(keyword(target.url, "hello", **fields), check_context())


async def test_a_good_answer_passes_with_its_phases_peer_and_status(nursery: trio.Nursery) -> None:
    target = await start_target(nursery, OK)
    result = await run_check(http(target.url), check_context())
    assert result.reason is Reason.PASSED
    assert result.message == ""
    assert result.status_code == 200
    assert result.peer == f"127.0.0.1:{target.port}"
    timings = result.timings
    assert timings.dns is None
    assert timings.tls is None
    spent = [timings.connect, timings.first_byte, timings.transfer]
    assert all(spent)
    assert sum(filter(None, spent)) == pytest.approx(result.latency_seconds)
    assert result.transcript == ()


# What targets do wrong ---------------------------------------------------------------------------

HEAD = b"HTTP/1.1 200 OK\r\n"
STALLS: dict[str, tuple[Step, ...]] = {
    "before its answer": (stall,),
    "within the status line": (b"HTTP/1.1 2", stall),
    "within the headers": (HEAD + b"Server: slow", stall),
    "within the body": (HEAD + b"Content-Length: 10\r\n\r\nhel", stall),
    "within a chunk": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhe", stall),
    "by interim answers": (b"HTTP/1.1 103 Early Hints\r\n\r\n", stall),
}


@pytest.mark.parametrize("steps", STALLS.values(), ids=STALLS.keys())
async def test_a_target_that_stalls_costs_exactly_the_timeout(
    nursery: trio.Nursery, clock: trio.testing.MockClock, steps: tuple[Step, ...]
) -> None:
    target = await start_target(nursery, *steps)
    result = await run_check(http(target.url), check_context())
    assert result.reason is Reason.TIMEOUT
    assert result.message.startswith("timed out after 5 s while ")
    assert clock.current_time() == pytest.approx(5)
    assert result.latency_seconds == pytest.approx(5)
    await target.wait_closed()


async def test_a_target_that_accepts_and_never_shakes_hands_times_out_in_tls(
    nursery: trio.Nursery, clock: trio.testing.MockClock
) -> None:
    target = await start_target(nursery, stall, read=False)
    url = target.url.replace("http:", "https:")
    result = await run_check(http(url), check_context())
    assert result.reason is Reason.TIMEOUT
    assert "shaking hands" in result.message
    assert result.timings.tls == pytest.approx(5)
    assert clock.current_time() == pytest.approx(5)


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        ((), Reason.CONNECTION_CLOSED),
        ((HEAD,), Reason.CONNECTION_CLOSED),
        ((HEAD + b"Content-Length: 10\r\n\r\nhello",), Reason.CONNECTION_CLOSED),
        ((HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel",), Reason.CONNECTION_CLOSED),
        ((reset,), Reason.CONNECTION_RESET),
        ((HEAD + b"Content-Length: 10\r\n\r\nhe", reset), Reason.CONNECTION_RESET),
        ((b"220 mail.example.org ESMTP\r\n\r\n",), Reason.PROTOCOL_ERROR),
        ((b"\x15\x03\x01\x00\x02\x02\x16\r\n\r\n",), Reason.PROTOCOL_ERROR),
        ((HEAD + b"Content-Length: ten\r\n\r\n",), Reason.PROTOCOL_ERROR),
        ((HEAD + b"no colon\r\n\r\n",), Reason.PROTOCOL_ERROR),
        ((HEAD + b"Transfer-Encoding: chunked\r\n\r\nfive\r\n",), Reason.PROTOCOL_ERROR),
        ((endless(b"HTTP/1.1 100 Continue\r\n\r\n"),), Reason.PROTOCOL_ERROR),
        ((HEAD, endless(b"X-Header: 1\r\n")), Reason.HEADERS_TOO_LARGE),
        ((HEAD + b"X: 1\r\n" * 300 + b"\r\n",), Reason.HEADERS_TOO_LARGE),
        ((HEAD + b"X-Long: ", endless(b"x" * 1000)), Reason.HEADERS_TOO_LARGE),
    ],
)
async def test_what_is_not_an_answer_is_told_apart(
    nursery: trio.Nursery, steps: tuple[Step, ...], reason: Reason
) -> None:
    result = await result_of(nursery, *steps)
    assert result.reason is reason, result.message
    assert result.message


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param(
            (HEAD + b"Content-Length: 5\r\n\r\nhello and more",), id="more than announced"
        ),
        pytest.param((HEAD + b"\r\nhello",), id="length by hanging up"),
        pytest.param((b"HTTP/1.0 200 OK\r\n\r\nhello",), id="version 1.0"),
        pytest.param((b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK,), id="early hints"),
        pytest.param(
            (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nT: 1\r\n\r\n",),
            id="chunks with extension and trailer",
        ),
        pytest.param(tuple(bytes([each]) for each in OK), id="byte by byte"),
    ],
)
async def test_unusual_answers_pass(nursery: trio.Nursery, steps: tuple[Step, ...]) -> None:
    result = await keyword_result(nursery, *steps)
    assert result.reason is Reason.PASSED, result.message


@pytest.mark.parametrize(("method", "status"), [("HEAD", "200 OK"), ("GET", "204 No Content")])
async def test_answers_without_a_body_are_not_waited_on(
    nursery: trio.Nursery, clock: trio.testing.MockClock, method: str, status: str
) -> None:
    head = f"HTTP/1.1 {status}\r\nX: 1\r\n\r\n".encode()
    result = await result_of(nursery, head, stall, method=method)
    assert result.reason is Reason.PASSED
    assert clock.current_time() < 1


# Limits ------------------------------------------------------------------------------------------


async def test_an_endless_body_that_is_wanted_is_too_large(nursery: trio.Nursery) -> None:
    steps = (HEAD + b"\r\n", endless(b"x" * 1000))
    result = await keyword_result(nursery, *steps, max_body_bytes=5000)
    assert result.reason is Reason.BODY_TOO_LARGE


async def test_an_endless_body_that_nobody_wants_is_left_at_the_limit(
    nursery: trio.Nursery,
) -> None:
    steps = (HEAD + b"\r\n", endless(b"x" * 1000))
    result = await result_of(nursery, *steps, max_body_bytes=5000)
    assert result.reason is Reason.PASSED


async def test_a_body_of_exactly_the_limit_is_read(nursery: trio.Nursery) -> None:
    result = await keyword_result(nursery, OK, max_body_bytes=5)
    assert result.reason is Reason.PASSED


async def test_a_body_in_the_smallest_chunks_does_not_keep_others_waiting(
    nursery: trio.Nursery,
) -> None:
    chunks = b"1\r\nx\r\n" * 10_000 + b"0\r\n\r\n"
    target = await start_target(nursery, HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks)
    turns = 0

    async def another() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    nursery.start_soon(another)
    result = await run_check(http(target.url), check_context())
    nursery.cancel_scope.cancel()
    assert result.reason is Reason.PASSED
    assert turns > 100


# Ours --------------------------------------------------------------------------------------------


async def test_a_missing_secret_is_ours(nursery: trio.Nursery) -> None:
    target = await start_target(nursery, OK)
    headers = (Header(name="Authorization", value_from_secret_ref=secret_ref("gone")),)
    result = await run_check(http(target.url, headers=headers), check_context())
    assert result.reason is Reason.SECRET_MISSING
    assert target.connections == 0


async def test_a_secret_that_is_no_header_is_ours(nursery: trio.Nursery) -> None:
    target = await start_target(nursery, OK)
    headers = (Header(name="Authorization", value_from_secret_ref=secret_ref("pem")),)
    context = check_context(secrets={"pem": b"two\nlines\n"})
    result = await run_check(http(target.url, headers=headers), context)
    assert result.reason is Reason.SECRET_MISSING
    assert "two" not in result.message


async def test_a_bug_is_ours_and_is_logged_without_what_it_says(
    nursery: trio.Nursery, capsys: pytest.CaptureFixture[str]
) -> None:
    target = await start_target(nursery, OK)

    async def secret(namespace: str, ref: SecretKeyRef) -> bytes | None:
        await trio.lowlevel.checkpoint()
        raise KeyError(namespace + ref.key)

    broken = attrs.evolve(check_context(), secret=secret)
    headers = (Header(name="X", value_from_secret_ref=secret_ref("canary")),)
    result = await run_check(http(target.url, headers=headers), broken)
    assert result.reason is Reason.INTERNAL_ERROR
    assert result.message == "the check crashed (KeyError)"
    logged = capsys.readouterr().out
    assert "check crashed" in logged
    assert "canary" not in logged


async def test_a_monitor_without_its_target_is_a_bug_of_ours() -> None:
    tcp = TcpTarget(host="127.0.0.1", port=1)
    result = await run_check(monitor_of(MonitorType.HTTP, tcp), check_context())
    assert result.reason is Reason.INTERNAL_ERROR


async def test_nobody_listens() -> None:
    with trio.socket.socket() as free:
        await free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        result = await run_check(http(f"http://127.0.0.1:{port}/"), check_context())
    assert result.reason is Reason.CONNECTION_REFUSED
    assert f"127.0.0.1:{port}" in result.message


# Several complaints ------------------------------------------------------------------------------


async def test_all_complaints_are_named_and_the_first_gives_the_reason(
    nursery: trio.Nursery,
) -> None:
    target = await start_target(nursery, answer("503 Service Unavailable", body=b"busy"))
    criteria = SuccessCriteria(
        http=HttpCriteria(content_type="text/html"),
        keyword=KeywordCriteria(contains=("welcome",), not_contains=("busy",)),
    )
    monitor = monitor_of(MonitorType.KEYWORD, HttpTarget(url=target.url), criteria)
    result = await run_check(monitor, check_context())
    assert result.reason is Reason.STATUS_MISMATCH
    assert result.message == (
        "the status is 503 Service Unavailable and should be 200-299;"
        " the content type is missing and should be text/html;"
        ' the body does not contain "welcome"; the body contains "busy"'
    )


async def test_a_message_is_never_longer_than_its_column(nursery: trio.Nursery) -> None:
    target = await start_target(nursery, answer("200 OK", body=b"x"))
    words = tuple(f"{number:03}" * 100 for number in range(32))
    result = await run_check(keyword(target.url, *words), check_context())
    assert result.reason is Reason.KEYWORD_MISSING
    assert len(result.message) == 1024
    assert result.message.endswith("…")


# Deadlines ---------------------------------------------------------------------------------------


async def test_without_a_timeout_of_its_own_the_default_holds(
    nursery: trio.Nursery, clock: trio.testing.MockClock
) -> None:
    target = await start_target(nursery, stall)
    monitor = http(target.url)
    monitor = attrs.evolve(monitor, spec=attrs.evolve(monitor.spec, schedule=Schedule()))
    result = await run_check(monitor, check_context())
    assert result.message.startswith("timed out after 10 s")
    assert clock.current_time() == pytest.approx(10)


async def test_a_secret_that_cannot_be_read_in_time_is_ours(
    clock: trio.testing.MockClock,
) -> None:
    async def secret(namespace: str, ref: SecretKeyRef) -> bytes | None:
        del namespace, ref
        await trio.sleep_forever()

    context = attrs.evolve(check_context(), secret=secret)
    headers = (Header(name="X", value_from_secret_ref=secret_ref("x")),)
    result = await run_check(http("http://127.0.0.1:1/", headers=headers), context)
    assert result.reason is Reason.SECRET_MISSING
    assert clock.current_time() == pytest.approx(5)


async def test_cancellation_from_outside_is_not_a_result(
    nursery: trio.Nursery, clock: trio.testing.MockClock
) -> None:
    target = await start_target(nursery, stall)
    results: list[CheckResult] = []
    with trio.move_on_after(1) as scope:
        results.append(await run_check(http(target.url), check_context()))
    assert scope.cancelled_caught
    assert not results
    assert clock.current_time() == pytest.approx(1)


@pytest.mark.parametrize("kind", [each for each in MonitorType if each.target_field != "http"])
async def test_every_type_ends_in_a_result(kind: MonitorType) -> None:
    # HttpTarget is no target of theirs, so each must end as a fault of ours and not crash.
    result = await run_check(monitor_of(kind, HttpTarget(url="http://127.0.0.1/")), check_context())
    assert result.outcome is Outcome.UNKNOWN
    # Only the program knows the answer of these, which is asked before the target.
    inside = kind in {MonitorType.GROUP, MonitorType.PUSH}
    assert result.reason is (Reason.NOT_CHECKED if inside else Reason.INTERNAL_ERROR)


async def test_what_was_said_is_told_of_what_fails_and_of_what_passes_if_asked(
    nursery: trio.Nursery,
) -> None:
    target = await start_target(nursery, OK)
    assert (await run_check(http(target.url), check_context())).transcript == ()
    assert (await run_check(http(target.url), check_context(), transcript=True)).transcript
    broken = await start_target(nursery, answer("500 Oops", "X-Why: disk full"))
    failed = await run_check(http(broken.url), check_context())
    assert "< x-why: disk full" in [line.lower() for line in failed.transcript]
