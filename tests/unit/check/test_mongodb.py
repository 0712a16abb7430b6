"""What a server could do that FerretDB does not."""

import struct
from typing import Any

import bson
import pytest
import trio
from fakes.targets import Step, check_context, monitor_of, secret_ref, start_target

from kubekuma.check.run import run_check
from kubekuma.model.criteria import ServiceCriteria, SuccessCriteria
from kubekuma.model.monitor import MonitorType
from kubekuma.model.result import CheckResult, Reason
from kubekuma.model.target import Credentials, MongodbTarget

WHO = Credentials(username_secret_ref=secret_ref("user"), password_secret_ref=secret_ref("pass"))
OK = {"ok": 1.0}


def message(to: int, document: Any, *, kind: int = 2013, section: int = 0, flags: int = 0) -> bytes:
    body = document if isinstance(document, bytes) else bson.encode(document)
    body = struct.pack("<IB", flags, section) + body + bytes(4 if flags else 0)
    return struct.pack("<iiii", 16 + len(body), 7, to, kind) + body


def nested(depth: int) -> bytes:
    document = b"\x05\0\0\0\0"
    for _ in range(depth):
        size = len(document) + 8
        document = struct.pack("<i", size) + b"\x03a\0" + document + b"\0"
    return document


async def hear(stream: trio.abc.Stream) -> None:
    await stream.receive_some()


async def ask(nursery: trio.Nursery, *said: bytes, wanted: str = "", **fields: Any) -> CheckResult:
    """The result where the server says these parts, one after each thing it hears."""
    steps: list[Step] = []
    for part in said:
        steps += [hear, part]
    target = await start_target(nursery, *steps, read=False)
    where = MongodbTarget(host="127.0.0.1", port=target.port, **fields)
    context = check_context(secrets={"user": b"alice", "pass": b"s3cret"})
    criteria = SuccessCriteria(service=ServiceCriteria(pattern=wanted))
    return await run_check(monitor_of(MonitorType.MONGODB, where, criteria), context)


@pytest.mark.parametrize(
    "first",
    [
        message(1, OK, kind=1),
        message(2, OK),
        message(1, OK, section=1),
        message(1, b""),
        message(1, b"\x05\0\0\0"),
        message(1, b"\x09\0\0\0\x99a\0\0\0"),
        message(1, nested(5000)),
        struct.pack("<iiii", 16, 7, 1, 2013),
        struct.pack("<iiii", -1, 7, 1, 2013),
    ],
    ids=["kind", "to", "section", "empty", "short", "type", "deep", "bodiless", "negative"],
)
async def test_answers_that_make_no_sense(nursery: trio.Nursery, first: bytes) -> None:
    result = await ask(nursery, first)
    assert (result.reason, result.message) == (
        Reason.PROTOCOL_ERROR,
        "the answer is not MongoDB's",
    )


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        (message(2, OK, flags=1), '^{"ok": 1.0}$'),
        (message(2, {"ok": True}), "true"),
        (
            message(2, b"\x1c\0\0\0\x01ok\0\0\0\0\0\0\0\xf0\x3f\x09d\0" + b"\xff" * 7 + b"\x7f\0"),
            "d",
        ),
        (
            message(2, b"\x16\0\0\0\x10ok\0\x01\0\0\0\x02s\0\x02\0\0\0\xff\0\0"),
            "\N{REPLACEMENT CHARACTER}",
        ),
    ],
    ids=["with a checksum", "a boolean", "a date beyond all", "no text"],
)
async def test_answers_that_make_some(nursery: trio.Nursery, answer: bytes, wanted: str) -> None:
    result = await ask(nursery, message(1, OK), answer, wanted=wanted)
    assert result.reason is Reason.PASSED, result.message


@pytest.mark.parametrize(
    ("started", "reason", "said"),
    [
        ({**OK, "payload": "text"}, Reason.PROTOCOL_ERROR, "not MongoDB's"),
        ({**OK, "payload": b"r=1"}, Reason.PROTOCOL_ERROR, "not SCRAM"),
        ({"ok": 0, "code": 334, "errmsg": "no"}, Reason.COMMAND_FAILED, "the server says no (334)"),
        ({"ok": 0}, Reason.COMMAND_FAILED, "the server says nothing more (no code)"),
    ],
)
async def test_logins_that_go_wrong(
    nursery: trio.Nursery, started: dict[str, Any], reason: Reason, said: str
) -> None:
    result = await ask(nursery, message(1, OK), message(2, started), credentials=WHO)
    assert (result.reason, said in result.message) == (reason, True), result.message
