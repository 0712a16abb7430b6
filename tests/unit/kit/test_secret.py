"""A secret shows itself to who asks for it by name, and to nobody else."""

import json
import logging
import pickle

import pytest
import structlog

from kubekuma.kit.secret import Secret

CANARY = "canary-4711"


@pytest.mark.parametrize(
    "shown",
    [
        str,
        repr,
        lambda it: f"{it}",
        lambda it: f"{it!s:>30}",
        lambda it: f"{it:*^20}",
        lambda it: "%s %r" % (it, it),  # noqa: UP031 - how logging writes
        lambda it: str({"password": it}),
        lambda it: str([it]),
        lambda it: json.dumps({"password": it}, default=str),
    ],
)
def test_no_way_of_writing_shows_it(shown: object) -> None:
    assert callable(shown)
    text = shown(Secret(CANARY))
    assert CANARY not in text
    assert "***" in text


def test_logs_do_not_show_it(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("test").error("it is %s", Secret(CANARY))
    assert CANARY not in caplog.text
    with structlog.testing.capture_logs() as logs:
        structlog.get_logger().error("it is", secret=Secret(CANARY))
    line = structlog.processors.JSONRenderer()(None, "error", dict(logs[0]))
    assert CANARY not in str(line)


def test_it_is_revealed_and_compared_by_what_it_holds() -> None:
    assert Secret(CANARY).reveal() == CANARY
    assert Secret(CANARY) == Secret(CANARY)
    assert Secret(CANARY) != Secret("other")
    assert Secret(CANARY) != CANARY
    assert len({Secret(CANARY), Secret(CANARY)}) == 1


def test_it_has_no_dictionary_that_a_debugger_would_print() -> None:
    with pytest.raises(TypeError):
        vars(Secret(CANARY))
    assert pickle.loads(pickle.dumps(Secret(CANARY))).reveal() == CANARY  # noqa: S301 - our own
