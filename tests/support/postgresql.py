"""A PostgreSQL server of Debian's, with an empty database for each test."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import attrs
import psycopg
import pytest
from support.daemons import free_ports, installed

from kubekuma.record.postgresql import PostgresDatabase

USER = "postgres"


@attrs.define
class Postgres:
    """A running server. Everybody on this machine is let in."""

    folder: Path
    bin: Path
    port: int

    def url(self, name: str, port: int | None = None) -> str:
        """Where the database ``name`` is; ``port``: as seen through a proxy."""
        return f"postgresql://{USER}@127.0.0.1:{port or self.port}/{name}"

    def fresh(self) -> str:
        """Make an empty database; return its name."""
        name = f"t{uuid4().hex}"
        self.run(f"CREATE DATABASE {name}")
        return name

    def database(self) -> PostgresDatabase:
        """Make an empty database."""
        return PostgresDatabase(self.url(self.fresh()))

    def run(self, sql: str, name: str = "postgres") -> list[tuple[object, ...]]:
        """Run ``sql`` as who may do everything."""
        with psycopg.connect(self.url(name), autocommit=True) as connection:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

    def control(self, *words: str) -> None:
        """Start, stop or restart the server, by pg_ctl."""
        whole: list[str | Path] = [*as_user(), self.bin / "pg_ctl", "-w"]
        whole += ["-D", self.folder / "data", "-l", self.folder / "log", *words]
        # What it starts keeps its output open.
        quiet = subprocess.DEVNULL
        subprocess.run(whole, check=True, stdout=quiet, stderr=quiet, cwd="/")

    @contextmanager
    def standby(self) -> Iterator["Postgres"]:
        """Run a physical copy of it, which follows it and only reads until it is promoted."""
        with TemporaryDirectory(prefix="kubekuma-standby-") as folder:
            place = Path(folder)
            (port,) = free_ports(1)
            shutil.chown(place, USER)
            from_ = f"host=127.0.0.1 port={self.port} user={USER}"
            command = [*as_user(), self.bin / "pg_basebackup", "-R", "-c", "fast", "-d", from_]
            subprocess.run(
                [*command, "-D", place / "data"], check=True, capture_output=True, cwd="/"
            )
            with (place / "data" / "postgresql.conf").open("a") as file:
                file.write(f"port = {port}\n")
            with _started(Postgres(place, self.bin, port)) as server:
                yield server

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """Meanwhile none of its processes does anything, and no connection is closed."""
        first = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        pids = [first, *_children(first)]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in reversed(pids):
                os.kill(pid, signal.SIGCONT)


def as_user() -> Sequence[str | Path]:
    """The words before a command that PostgreSQL refuses to run as root."""
    return [installed("runuser", "util-linux"), "-u", USER, "--"]


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A server for all the tests of a process."""
    with running_postgres() as server:
        yield server


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """Run a server of one's own."""
    # Not in pytest's folder, which every session that starts closes to others than its owner.
    with (
        TemporaryDirectory(prefix="kubekuma-postgresql-") as folder,
        _running(Path(folder)) as server,
    ):
        yield server


@contextmanager
def _running(folder: Path) -> Iterator[Postgres]:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    bin_ = found[-1] if found else Path("/usr/lib/postgresql")
    initdb = installed(str(bin_ / "initdb"), "postgresql")
    (port,) = free_ports(1)
    shutil.chown(folder, USER)
    data = folder / "data"
    command = [*as_user(), initdb, "-A", "trust", "-D", data]
    subprocess.run(command, check=True, capture_output=True, cwd="/")
    settings = {
        "listen_addresses": "'127.0.0.1'",
        "port": port,
        "unix_socket_directories": "''",
        "fsync": "off",
        "max_connections": 30,
    }
    with (data / "postgresql.conf").open("a") as file:
        file.writelines(f"{name} = {value}\n" for name, value in settings.items())
    with _started(Postgres(folder, bin_, port)) as server:
        yield server


@contextmanager
def _started(server: Postgres) -> Iterator[Postgres]:
    server.control("start")
    try:
        yield server
    finally:
        if (server.folder / "data" / "postmaster.pid").exists():
            server.control("stop", "-m", "immediate")


def _children(pid: int) -> Iterator[int]:
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # Its name may hold anything but the last parenthesis.
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                yield int(stat.parent.name)
