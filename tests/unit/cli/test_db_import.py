"""What was exported can be put back, into either database, however often."""

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import pytest
from attrs import evolve
from build import WEB, at
from support.postgresql import Postgres, postgres

from kubekuma.cli.main import main
from kubekuma.model.meta import Key
from kubekuma.model.result import Outcome, Reason, Timings
from kubekuma.model.settings import Downsample, Retention
from kubekuma.model.state import Heartbeat, Standing, Verdict
from kubekuma.record.database import Connection, Database
from kubekuma.record.heartbeats import heartbeat_row, heartbeats, insert_heartbeats
from kubekuma.record.importing import Put, put_beats
from kubekuma.record.latency import latency_series
from kubekuma.record.leadership import begin_reign
from kubekuma.record.retention import all_series, borders, prune
from kubekuma.record.sealed import hours_to_seal, seal_hours
from kubekuma.record.sqlite import SqliteDatabase
from kubekuma.record.states import load_states, save_standing, series_of
from kubekuma.record.times import Window

__all__ = ["postgres"]

T = TypeVar("T")

MAIL = Key("post", "mail")
EVER = Window(since=at(-1), until=at(10**8))
LINE = {
    "namespace": "shop",
    "name": "web",
    "at": "2026-01-01T00:00:00.000Z",
    "outcome": "passed",
    "reason": "Passed",
    "message": "",
    "latencyMs": 12.5,
    "phasesMs": {"dns": 2},
    "statusCode": None,
    "attempt": 1,
}


def beat(minute: int) -> Heartbeat:
    late = minute % 7 == 0
    return Heartbeat(
        at=at(60 * minute + 0.123),
        outcome=Outcome.FAILED if late else Outcome.PASSED,
        reason=Reason.TIMEOUT if late else Reason.PASSED,
        message='said "nö",\nand no more' if late else "",
        latency_seconds=0.012345 + minute / 1e6,
        timings=Timings(dns=0.002, transfer=None if late else 0.01),
        status_code=None if late else 200,
        attempt=1 + late,
    )


def fill(db: Connection, minutes: int) -> None:
    for key in (WEB, MAIL):
        series = series_of(db, key, "u1")
        insert_heartbeats(db, [heartbeat_row(series, beat(minute)) for minute in range(minutes)])
    while hours := hours_to_seal(db, 10**15):
        seal_hours(db, hours)


def all_of(db: Connection) -> list[Any]:
    """All that heartbeats and figures say, and how many blocks and rows they take."""
    day = Window(since=at(0), until=at(86_400))
    tables = ("heartbeats", "heartbeat_blocks", "heartbeat_details", "rollups")
    return [
        *(heartbeats(db, key, EVER, 9999) for key in (WEB, MAIL)),
        *(latency_series(db, key, day, 24) for key in (WEB, MAIL)),
        *(db.execute(f"SELECT COUNT(*) FROM {table}").fetchone() for table in tables),  # noqa: S608 - ours
    ]


def read(database: Database) -> list[Any]:
    session = database.open_writer()
    try:
        with session.reading() as db:
            return all_of(db)
    finally:
        session.close()


def put(database: Database, change: Callable[[Connection], T]) -> T:
    session = database.open_writer()
    try:
        with session.writing(durable=True) as db:
            return change(db)
    finally:
        session.close()


def where(database: Database) -> list[str]:
    if isinstance(database, SqliteDatabase):
        return ["--database-url", f"sqlite:///{database.path}"]
    return ["--database-url", database.shown]


@pytest.fixture
def history(tmp_path: Path) -> Database:
    """A history of 300 minutes, of two monitors."""
    database = SqliteDatabase(tmp_path / "from" / "history.db")
    database.path.parent.mkdir()
    put(database, lambda db: fill(db, 300))
    return database


@pytest.fixture
def lines(history: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """What was exported of it."""
    assert main(["db", "export", "--format", "jsonl", *where(history)]) == 0
    file = tmp_path / "lines"
    file.write_text(capsys.readouterr().out)
    return file


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.servers)])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """A database of each kind without anything."""
    if request.param == "sqlite":
        (tmp_path / "to").mkdir()
        return SqliteDatabase(tmp_path / "to" / "history.db")
    server: Postgres = request.getfixturevalue("postgres")
    return server.database()


def test_what_was_exported_comes_back_as_it_was_and_once(
    history: Database, lines: Path, empty: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["db", "import", str(lines), *where(empty)]) == 0
    assert capsys.readouterr().err == "600 heartbeats read, 600 of them new\n"
    assert read(empty) == read(history)
    assert main(["db", "import", str(lines), *where(empty)]) == 0
    assert capsys.readouterr().err == "600 heartbeats read, 0 of them new\n"
    assert read(empty) == read(history)
    # And out again, line by line.
    assert main(["db", "export", "--format", "jsonl", *where(empty)]) == 0
    assert capsys.readouterr().out == lines.read_text()


def test_what_is_there_stays_as_it_is_and_gaps_are_filled(
    history: Database, lines: Path, empty: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also in hours that are sealed already, and around what verdicts rest on."""

    def every_other(db: Connection) -> None:
        series = series_of(db, WEB, "u7")
        save_standing(db, series, Standing(verdict=Verdict.UP))
        some = [evolve(beat(minute), message="was here") for minute in range(0, 200, 2)]
        insert_heartbeats(db, [heartbeat_row(series, each) for each in some])
        while hours := hours_to_seal(db, 10**15):
            seal_hours(db, hours)

    put(empty, every_other)
    assert main(["db", "import", str(lines), *where(empty)]) == 0
    assert capsys.readouterr().err == "600 heartbeats read, 500 of them new\n"
    of_web, of_mail, *rest = read(empty)
    as_was_of_web, as_was_of_mail, *as_was = read(history)
    assert of_mail == as_was_of_mail
    assert [each.at for each in of_web] == [each.at for each in as_was_of_web]
    assert sum(each.message == "was here" for each in of_web) == 100
    assert rest == as_was
    states, uids = put(empty, load_states)
    assert (uids[WEB], uids[MAIL]) == ("u7", "")
    assert states[WEB].standing == Standing(verdict=Verdict.UP)


def test_in_any_order_it_comes_to_the_same(
    history: Database, lines: Path, empty: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kubekuma.cli.db_import.PORTION", 37)
    mixed = lines.read_text().splitlines(keepends=True)
    Random(1).shuffle(mixed)  # noqa: S311 - the same each time
    for start in range(0, len(mixed), 150):
        lines.write_text("".join(mixed[start : start + 150]))
        assert main(["db", "import", str(lines), *where(empty)]) == 0
    of_each, as_was = read(empty), read(history)
    assert of_each == as_was


def test_what_retention_has_dropped_stays_dropped(
    history: Database, lines: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its figures have counted it: they would count it twice."""
    retention = Retention(downsample=Downsample(older_than_days=1))

    def thin(db: Connection) -> None:
        left = all_series(db)
        while left:
            left = prune(db, left, borders(retention, at(86_400 + 3 * 3600)))

    put(history, thin)
    before = read(history)
    capsys.readouterr()
    assert main(["db", "import", str(lines), *where(history)]) == 0
    error = capsys.readouterr().err
    assert "0 of them new" in error
    assert "360 are of hours that retention has dropped" in error
    assert read(history) == before


WRONG: list[tuple[object, str]] = [
    ("{", "must be JSON: Expecting property name enclosed in double quotes"),
    ('{"at": NaN}', "must be JSON: NaN is no number"),
    ("[" * 100_000, "must be JSON: "),
    ("[]", "must be an object"),
    ({**LINE, "namespace": "Shop"}, "namespace: must be at most 63 lower case letters"),
    ({**LINE, "name": 7}, "name: must be a text"),
    ({**LINE, "at": "2026-01-01T00:00:00"}, "at: must be a time in the past, such as"),
    ({**LINE, "at": "2999-01-01T00:00:00Z"}, "at: must be a time in the past, such as"),
    ({**LINE, "at": 1}, "at: must be a time in the past, such as"),
    ({**LINE, "outcome": "up"}, "outcome: must be one of passed, degraded, failed, unknown"),
    ({**LINE, "outcome": []}, "outcome: must be one of passed, degraded, failed, unknown"),
    ({**LINE, "reason": "Luck"}, "reason: must be one of "),
    ({**LINE, "message": "a\0"}, "message: must be Unicode text without NUL"),
    ({**LINE, "message": "\ud800"}, "message: must be Unicode text without NUL"),
    ({**LINE, "latencyMs": -1}, "latencyMs: must be a number from 0 to 1000000000"),
    ({**LINE, "latencyMs": True}, "latencyMs: must be a number from 0 to 1000000000"),
    ({**LINE, "latencyMs": 10**400}, "latencyMs: must be a number from 0 to 1000000000"),
    ({**LINE, "phasesMs": []}, "phasesMs: must be an object"),
    ({**LINE, "phasesMs": {"dns": "1"}}, "phasesMs.dns: must be a number from 0"),
    ({**LINE, "phasesMs": {"ssl": 1}}, "phasesMs.ssl: must not be there"),
    ({**LINE, "statusCode": 1.5}, "statusCode: must be a whole number from 0"),
    ({**LINE, "attempt": 0}, "attempt: must be a whole number from 1"),
    ({**LINE, "more": 1}, "more: must not be there"),
    ({"at": 1}, "; namespace: must be there; name: must be there; outcome: must be there"),
]


@pytest.mark.parametrize(("line", "said"), WRONG)
def test_what_does_not_fit_is_refused_by_line_and_field(
    line: object, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database, file = SqliteDatabase(tmp_path / "history.db"), tmp_path / "lines"
    text = line if isinstance(line, str) else json.dumps(line)
    file.write_text(f"{json.dumps(LINE)}\n{text}\n{json.dumps({**LINE, 'name': 'later'})}\n")
    assert main(["db", "import", str(file), *where(database)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("1 heartbeats read, 1 of them new\nkubekuma: ")
    assert f"{file}, line 2: " in error
    assert said in error
    assert len(read(database)[0]) == 1


def test_what_is_no_text_is_refused_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "lines"
    file.write_bytes(b"\xff\n")
    assert main(["db", "import", str(file), "--data", str(tmp_path)]) == 1
    assert "line 1: must be JSON: " in capsys.readouterr().err
    assert main(["db", "import", str(tmp_path / "none"), "--data", str(tmp_path)]) == 1
    assert "No such file" in capsys.readouterr().err


def test_nothing_is_imported_while_a_program_works_with_it(
    lines: Path, empty: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = empty.lock()
    assert main(["db", "import", str(lines), *where(empty)]) == 1
    assert "another KubeKuma works with" in capsys.readouterr().err
    lock.release()
    assert read(empty)[0] == []


@pytest.mark.parametrize("led", [False, True])
def test_whoever_leads_from_now_on_is_left_alone(
    lines: Path,
    empty: Database,
    led: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The lock of a session may be lost: the epoch tells."""
    put(empty, lambda db: led and begin_reign(db, "a_1", 0, "", "name"))
    done: list[Put] = []

    def then_another_leads(db: Connection, *words: Any) -> Put:
        # In the same transaction, which is all that another could come before.
        done.append(put_beats(db, *words))
        if len(done) == 2:
            begin_reign(db, "b_1", 0, "", "name")
        return done[-1]

    monkeypatch.setattr("kubekuma.cli.db_import.PORTION", 100)
    monkeypatch.setattr("kubekuma.cli.db_import.put_beats", then_another_leads)
    assert main(["db", "import", str(lines), *where(empty)]) == 1
    assert "another KubeKuma works with" in capsys.readouterr().err
    assert len(done) == 2
    assert len(read(empty)[1]) == 200


class Terminal(io.StringIO):
    """A screen."""

    def isatty(self) -> bool:
        return True


def test_people_see_how_far_it_is(
    lines: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setattr("kubekuma.cli.db_import.PORTION", 50)
    assert main(["db", "import", str(lines), "--data", str(tmp_path)]) == 0
    assert screen.getvalue().count("\r") > 5
    assert "import [##############################] 100 %\n600 heartbeats" in screen.getvalue()


def test_one_program_writes_what_another_reads(
    history: SqliteDatabase, lines: Path, tmp_path: Path
) -> None:
    """By a pipe: no file lies between them."""
    kubekuma = [sys.executable, "-m", "kubekuma", "db"]
    with lines.open("rb") as file:
        done = subprocess.run(
            [*kubekuma, "import", "-", "--data", str(tmp_path / "new")],
            stdin=file,
            capture_output=True,
            check=True,
        )
    assert done.stderr.decode() == "600 heartbeats read, 600 of them new\n"
    assert read(SqliteDatabase(tmp_path / "new" / "history.db")) == read(history)
