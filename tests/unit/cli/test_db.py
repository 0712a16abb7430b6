"""The history can be looked at, copied, put back, taken elsewhere and checked."""

import csv
import io
import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from build import WEB, at
from support.postgresql import Postgres, postgres

from kubekuma.cli.main import main
from kubekuma.cli.progress import Progress
from kubekuma.model.meta import Key
from kubekuma.model.result import Outcome, Reason, Timings
from kubekuma.model.state import Heartbeat
from kubekuma.record.database import Connection
from kubekuma.record.heartbeats import heartbeat_row, insert_heartbeats
from kubekuma.record.lock import DatabaseLock
from kubekuma.record.postgresql import PostgresDatabase
from kubekuma.record.sealed import hours_to_seal, seal_hours
from kubekuma.record.sqlite import SqliteDatabase
from kubekuma.record.states import series_of

__all__ = ["postgres"]

MAIL = Key("post", "mail")


def beat(minute: int) -> Heartbeat:
    return Heartbeat(
        at=at(60 * minute),
        outcome=Outcome.FAILED if minute == 7 else Outcome.PASSED,
        reason=Reason.TIMEOUT if minute == 7 else Reason.PASSED,
        message='said "no", and\nno more' if minute == 7 else "",
        latency_seconds=0.0125,
        timings=Timings(dns=0.002),
        status_code=200,
    )


def fill(db: Connection, minutes: int) -> None:
    for key in (WEB, MAIL):
        series = series_of(db, key, "u1")
        insert_heartbeats(db, [heartbeat_row(series, beat(minute)) for minute in range(minutes)])
    while hours := hours_to_seal(db, 10**15):
        seal_hours(db, hours)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory with a history of 200 minutes."""
    folder = tmp_path / "data"
    folder.mkdir()
    session = SqliteDatabase(folder / "history.db").open_writer()
    with session.writing(durable=True) as db:
        fill(db, 200)
    session.close()
    return folder


@pytest.fixture
def works(data: Path) -> Iterator[None]:
    """A program that works with the history."""
    lock = DatabaseLock(data / "history.db")
    yield
    lock.release()


def change(path: Path, sql: str, *parameters: object) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(sql, parameters)


def beats_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as database:
        ((found,),) = database.execute("SELECT COUNT(*) FROM heartbeats").fetchall()
        return int(found)


def db(data: Path, *words: str) -> int:
    return main(["db", *words, "--data", str(data)])


@pytest.mark.usefixtures("works")
def test_stats_say_what_there_is(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert db(data, "stats", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["rows"]["heartbeat_blocks"] == 6
    assert found["rows"]["heartbeats"] == 40
    assert (found["oldestAt"], found["newestAt"]) == (
        "2026-01-01T00:00:00Z",
        "2026-01-01T03:19:00Z",
    )
    assert found["sizeBytes"] > 10_000
    assert db(data, "stats") == 0
    assert "heartbeat_blocks" in capsys.readouterr().out


@pytest.mark.usefixtures("works")
def test_a_backup_is_one_file_of_its_own_and_overwrites_nothing(data: Path) -> None:
    target = data / "copy.db"
    assert db(data, "backup", str(target)) == 0
    assert beats_of(target) == 40
    assert target.stat().st_mode & 0o777 == 0o600
    before = target.read_bytes()
    assert db(data, "backup", str(target)) == 1
    assert target.read_bytes() == before
    assert {file.name for file in data.iterdir() if file.name.startswith("copy")} == {"copy.db"}


def test_a_backup_is_taken_while_it_is_written_to(data: Path) -> None:
    with closing(sqlite3.connect(data / "history.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("DELETE FROM heartbeats")
        assert db(data, "backup", str(data / "copy.db")) == 0
        other.execute("COMMIT")
    assert beats_of(data / "copy.db") == 40
    assert beats_of(data / "history.db") == 0


def test_what_was_backed_up_is_restored_and_what_was_there_is_kept(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy.db"
    assert db(data, "backup", str(copy)) == 0
    change(data / "history.db", "DELETE FROM heartbeats WHERE at > 0")
    assert db(data, "restore", str(copy)) == 0
    assert beats_of(data / "history.db") == 40
    (aside,) = data.glob("history.db.before-restore-*")
    assert beats_of(aside) == 0
    assert str(aside) in capsys.readouterr().err
    assert db(data, "verify") == 0
    # Into a directory that is not there yet, too.
    assert db(tmp_path / "new", "restore", str(copy)) == 0
    assert beats_of(tmp_path / "new/history.db") == 40


def test_a_running_program_is_not_restored_under(
    data: Path, works: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert works is None
    before = (data / "history.db").read_bytes()
    shutil.copy(data / "history.db", data / "copy.db")
    assert db(data, "restore", str(data / "copy.db")) == 1
    assert "another KubeKuma works with" in capsys.readouterr().err
    assert (data / "history.db").read_bytes() == before


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda path: path.unlink(), "No such file"),
        (lambda path: path.write_bytes(b"no database at all" * 500), "not a database"),
        (lambda path: path.write_bytes(b""), "no history of KubeKuma"),
        (lambda path: change(path, "DROP TABLE series"), "no history of KubeKuma"),
        (lambda path: change(path, "INSERT INTO schema_version VALUES (9999)"), "schema 9999"),
        (lambda path: path.write_bytes(path.read_bytes()[:-9000]), "malformed|damaged"),
        (
            lambda path: path.write_bytes(path.read_bytes()[:8192] + b"\xff" * 20_000),
            "malformed|damaged",
        ),
    ],
    ids=["missing", "garbage", "empty", "another", "newer", "cut", "spoilt"],
)
def test_what_is_wrong_damaged_or_newer_is_refused(
    data: Path, spoil: object, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = data / "copy.db"
    assert db(data, "backup", str(copy)) == 0
    assert callable(spoil)
    spoil(copy)
    before = (data / "history.db").read_bytes()
    capsys.readouterr()
    assert db(data, "restore", str(copy)) == 1
    error = capsys.readouterr().err
    assert any(word in error for word in said.split("|")), error
    assert error.count("\n") == 1
    assert (data / "history.db").read_bytes() == before
    assert not list(data.glob("*.restoring*")) + list(data.glob("*before-restore*"))


def test_heartbeats_are_exported_as_json_the_oldest_first(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert db(data, "export", "--format", "jsonl") == 0
    out, error = capsys.readouterr()
    lines = [json.loads(line) for line in out.splitlines()]
    assert error == ""
    assert [line["name"] for line in lines] == ["mail"] * 200 + ["web"] * 200
    assert [line["at"] for line in lines[:200]] == sorted(line["at"] for line in lines[:200])
    assert lines[7] == {
        "namespace": "post",
        "name": "mail",
        "at": "2026-01-01T00:07:00.000Z",
        "outcome": "failed",
        "reason": "Timeout",
        "message": 'said "no", and\nno more',
        "latencyMs": 12.5,
        "phasesMs": {"dns": 2.0},
        "statusCode": 200,
        "attempt": 1,
    }


def test_a_part_is_exported_as_csv(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--name", "web", "--since", "2026-01-01T00:07:00Z", "--until", "2026-01-01T02:00:00Z")
    assert db(data, "export", *words) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out, newline="")))
    assert len(rows) == 113
    first = rows[0]
    assert (first["namespace"], first["name"], first["message"]) == (
        "shop",
        "web",
        'said "no", and\nno more',
    )
    assert (first["latencyMs"], first["dnsMs"], first["connectMs"]) == ("12.5", "2.0", "")
    assert db(data, "export", "--namespace", "none") == 0
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_damage_is_found_wherever_it_is(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert db(data, "verify") == 0
    assert "0 damaged, 2 monitors read" in capsys.readouterr().err
    for table, column in (
        ("heartbeat_blocks", "beats"),
        ("heartbeat_details", "details"),
        ("rollups", "figures"),
    ):
        first = f"(SELECT MIN(rowid_) FROM (SELECT series AS rowid_ FROM {table}))"  # noqa: S608 - ours
        sql = f"UPDATE {table} SET {column} = ? WHERE series = {first}"  # noqa: S608 - ours
        change(data / "history.db", sql, b"\x01spoilt")
    assert db(data, "verify") == 1
    out, error = capsys.readouterr()
    assert "shop/web 2026-01-01T01:00:00Z: a block of heartbeats is damaged" in out
    assert "figures are damaged" in out
    assert "post/mail" not in out
    assert error.startswith("7 damaged")


def test_a_damaged_file_is_said_to_be_one(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = data / "history.db"
    path.write_bytes(path.read_bytes()[:8192] + b"\xff" * 60_000)
    assert db(data, "verify") == 1
    out, error = capsys.readouterr()
    assert "malformed" in out + error or "Tree" in out


def test_an_earlier_schema_is_told_what_to_do(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(data / "history.db", "DELETE FROM schema_version WHERE number > 3")
    for words in (("stats",), ("export",), ("verify",)):
        assert db(data, *words) == 1
        assert "start KubeKuma of this version once" in capsys.readouterr().err
    assert db(data, "backup", str(data / "copy.db")) == 0


def test_where_there_is_no_history_nothing_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (("stats",), ("export",), ("verify",), ("backup", str(tmp_path / "copy.db"))):
        assert db(tmp_path / "none", *words) == 2
        assert "there is no history at" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("does", "tool"), [("backup", "pg_dump"), ("restore", "pg_restore")])
def test_postgresql_is_left_to_its_own_tools(
    does: str, tool: str, capsys: pytest.CaptureFixture[str]
) -> None:
    url = "postgresql://me:secret@127.0.0.1:1/history"
    assert main(["db", does, "file", "--database-url", url]) == 2
    error = capsys.readouterr().err
    assert tool in error
    assert "secret" not in error
    assert error.count("\n") == 1


@pytest.mark.servers
def test_postgresql_is_looked_at_exported_and_verified(
    postgres: Postgres, capsys: pytest.CaptureFixture[str]
) -> None:
    name = postgres.fresh()
    session = PostgresDatabase(postgres.url(name)).open_writer()
    with session.writing(durable=True) as connection:
        fill(connection, 130)
    session.close()
    where = ("--database-url", postgres.url(name))
    assert main(["db", "stats", "--json", *where]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["rows"]["heartbeat_blocks"] == 4
    assert found["sizeBytes"] > 1_000_000
    assert main(["db", "export", *where]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1 + 2 * 130 + 2
    assert main(["db", "verify", *where]) == 0
    postgres.run("UPDATE heartbeat_blocks SET beats = 'x' WHERE series = 1", name)
    assert main(["db", "verify", *where]) == 1
    assert "shop/web" in capsys.readouterr().out


class Terminal(io.StringIO):
    """A screen."""

    def isatty(self) -> bool:
        return True


def test_progress_is_drawn_for_people_only() -> None:
    screen, file = Terminal(), io.StringIO()
    for out in (screen, file):
        progress = Progress("copy", out)
        for done in range(2001):
            progress(done, 2000)
    assert file.getvalue() == ""
    assert screen.getvalue().count("\r") == 101
    assert screen.getvalue().endswith("[##############################] 100 %\n")
