"""The command itself: what it says to those who call it wrongly."""

import os
import subprocess
import sys

import pytest

from kubekuma import __version__
from kubekuma.cli.main import COMMANDS, MISUSED, main


@pytest.mark.parametrize("arguments", [[], ["frobnicate"], ["validate"], ["check", "a", "--no"]])
def test_a_wrong_call_is_told_what_would_be_right(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == MISUSED
    assert "usage: kubekuma" in capsys.readouterr().err


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"kubekuma {__version__}\n"


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    said = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert {line[0] for line in said if line} >= COMMANDS.keys()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"usage: kubekuma {command}" in capsys.readouterr().out


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    # To a pipe whose other end is closed already.
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as closed:
        done = subprocess.run(
            [sys.executable, "-m", "kubekuma", "schema", "--crds"],
            stdout=closed,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, b"")
