"""Logs are one JSON object a line, the standard library's included."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from kubekuma.kit.log import _QUIET, configure_logging


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.NOTSET)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_each_line_is_an_object_with_time_level_and_fields() -> None:
    stream = io.StringIO()
    configure_logging("info", stream)
    structlog.get_logger().info("it went\nup", name="web", key=object)
    (line,) = lines(stream)
    assert (line["event"], line["level"], line["name"]) == ("it went\nup", "info", "web")
    assert line["timestamp"].endswith("Z")


def test_a_record_is_one_write_so_that_threads_do_not_mix_their_lines() -> None:
    class Writes(io.StringIO):
        def write(self, text: str) -> int:
            written.append(text)
            return len(text)

    written: list[str] = []
    configure_logging("info", Writes())
    structlog.get_logger().info("ours")
    logging.getLogger("psycopg").warning("theirs")
    assert [json.loads(text)["event"] for text in written] == ["ours", "theirs"]
    assert all(text.endswith("}\n") for text in written)


def test_what_is_below_the_level_is_not_said() -> None:
    stream = io.StringIO()
    configure_logging("warning", stream)
    structlog.get_logger().info("quiet")
    logging.getLogger("some.library").info("quiet")
    structlog.get_logger().warning("loud")
    assert [line["event"] for line in lines(stream)] == ["loud"]


def test_libraries_log_in_the_same_form_and_less() -> None:
    stream = io.StringIO()
    configure_logging("debug", stream)
    logging.getLogger("httpx").info("HTTP Request: GET https://secret.example/")
    logging.getLogger("hypercorn.error").warning("that is odd: %s", "x")
    (line,) = lines(stream)
    assert (line["event"], line["level"]) == ("that is odd: x", "warning")


def test_exceptions_stay_within_their_line() -> None:
    stream = io.StringIO()
    configure_logging("info", stream)
    try:
        int("what happened")
    except ValueError:
        structlog.get_logger().exception("it failed")
        logging.getLogger("some.library").exception("it failed too")
    ours, theirs = lines(stream)
    assert "ValueError: invalid literal" in ours["exception"]
    assert "ValueError: invalid literal" in theirs["exception"]


def test_what_failed_is_shown_on_a_terminal_without_the_values_of_variables() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    configure_logging("info", stream)
    token = "c4nary"
    try:
        int("no")
    except ValueError:
        structlog.get_logger().exception("it failed", length=len(token))
    assert "ValueError: invalid literal" in stream.getvalue()
    assert token not in stream.getvalue().replace('token = "c4nary"', "")
