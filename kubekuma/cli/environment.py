"""Settings of the process: flags, and environment variables of the same names."""

import argparse
import ipaddress
import math
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import unquote, urlsplit

import attrs

from kubekuma.kit.log import LEVELS
from kubekuma.kit.url import parse_url
from kubekuma.kube.lease import Timing
from kubekuma.record.database import Database
from kubekuma.record.postgresql import PostgresDatabase
from kubekuma.record.sqlite import SqliteDatabase
from kubekuma.validate import text

T = TypeVar("T")

AUTH_MODES: Final = ("oidc", "local", "disabled")


class Mistake(Exception):  # noqa: N818 - a person's, and said to that person
    """What is wrong with how the program was called, and what would be right."""


@attrs.frozen(kw_only=True)
class Environment:
    """What the process is told."""

    data: Path
    database: Database
    kubeconfig: Path | None
    kube_namespace: str
    watch_namespaces: tuple[str, ...]
    log_level: str
    listen: str
    pod: str
    timing: Timing
    external_url: str = ""


def declare_environment(command: argparse.ArgumentParser) -> None:
    """Declare the flags; those that are absent leave it to the environment."""
    declare_database(command)
    command.add_argument("--listen", metavar="HOST:PORT", help="LISTEN; 127.0.0.1:3000")
    command.add_argument(
        "--external-url", metavar="URL", help="EXTERNAL_URL; where people reach the server"
    )
    command.add_argument("--kube-namespace", metavar="NAME", help="KUBE_NAMESPACE; monitoring")
    command.add_argument(
        "--watch-namespaces", metavar="A,B", help="WATCH_NAMESPACES; all namespaces"
    )
    command.add_argument("--log-level", metavar="LEVEL", help="LOG_LEVEL; info")
    command.add_argument("--pod-name", metavar="NAME", help="POD_NAME; the host's name")
    for flag, says in _SPANS.items():
        command.add_argument(f"--{flag.replace('_', '-')}", metavar="SECONDS", help=says)


def declare_database(command: argparse.ArgumentParser) -> None:
    """Declare the flags that say which database it is."""
    command.add_argument(
        "--data", metavar="DIR", help="where history is kept (KUBEKUMA_DATA; ./kubekuma-data)"
    )
    command.add_argument(
        "--database-url",
        metavar="URL",
        help="sqlite:///PATH or postgresql://… (DATABASE_URL; in the data directory)",
    )


def read_database(options: argparse.Namespace, environ: Mapping[str, str]) -> Database:
    """Which database flags, or else variables, say. Raises Mistake."""
    read = _Reader(options, environ)
    data = Path(read("KUBEKUMA_DATA", "data", "kubekuma-data", str))
    found = read("DATABASE_URL", "database_url", "", _database, secret=True)
    return found or SqliteDatabase(data / "history.db")


def read_environment(options: argparse.Namespace, environ: Mapping[str, str]) -> Environment:
    """What flags, or else variables, say. Raises Mistake with a name, what is wrong, an example."""
    read = _Reader(options, environ)
    data = Path(read("KUBEKUMA_DATA", "data", "kubekuma-data", str))
    timing = Timing(
        lease_seconds=read("LEASE_DURATION_SECONDS", "lease_duration_seconds", "45", _whole),
        deadline_seconds=read("LEASE_DEADLINE_SECONDS", "lease_deadline_seconds", "30", _seconds),
        renew_seconds=read("LEASE_RENEW_SECONDS", "lease_renew_seconds", "10", _seconds),
        retry_seconds=read("LEASE_RETRY_SECONDS", "lease_retry_seconds", "2", _seconds),
        request_seconds=read("LEASE_REQUEST_SECONDS", "lease_request_seconds", "5", _seconds),
        history_seconds=read("HISTORY_WAIT_SECONDS", "history_wait_seconds", "600", _seconds),
    )
    for field, message in timing.mistakes():
        raise Mistake(f"{_VARIABLES[field]} is {getattr(timing, field):g}: {message}")
    read("AUTH_MODE", "auth_mode", "disabled", _auth_mode)
    # Without a login, others than this machine are served only where somebody has said so.
    listening = _anywhere if "AUTH_MODE" in environ else parse_listen
    home = read("KUBE_NAMESPACE", "kube_namespace", "monitoring", _namespace)
    watched = read("WATCH_NAMESPACES", "watch_namespaces", "", _namespaces)
    return Environment(
        data=data,
        database=read_database(options, environ),
        kubeconfig=read("KUBECONFIG", "kubeconfig", "", _kubeconfig),
        kube_namespace=home,
        # What lies in our own namespace reaches all others: it is always watched.
        watch_namespaces=tuple(dict.fromkeys((*watched, home))) if watched else (),
        log_level=read("LOG_LEVEL", "log_level", "info", _log_level),
        listen=read("LISTEN", "listen", "127.0.0.1:3000", listening),
        pod=read("POD_NAME", "pod_name", "", str) or socket.gethostname(),
        timing=timing,
        external_url=read("EXTERNAL_URL", "external_url", "", _external_url),
    )


def prepare_folder(database: Database) -> None:
    """Make the folder of a database that is a file. Raises OSError."""
    if isinstance(database, SqliteDatabase):
        database.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)


_SPANS: Final = {
    "lease_duration_seconds": "LEASE_DURATION_SECONDS; 45",
    "lease_deadline_seconds": "LEASE_DEADLINE_SECONDS; 30",
    "lease_renew_seconds": "LEASE_RENEW_SECONDS; 10",
    "lease_retry_seconds": "LEASE_RETRY_SECONDS; 2",
    "lease_request_seconds": "LEASE_REQUEST_SECONDS; 5",
    "history_wait_seconds": "HISTORY_WAIT_SECONDS; 600",
}
_VARIABLES: Final = {
    "lease_seconds": "LEASE_DURATION_SECONDS",
    "deadline_seconds": "LEASE_DEADLINE_SECONDS",
    "renew_seconds": "LEASE_RENEW_SECONDS",
    "retry_seconds": "LEASE_RETRY_SECONDS",
    "request_seconds": "LEASE_REQUEST_SECONDS",
    "history_seconds": "HISTORY_WAIT_SECONDS",
}


@attrs.frozen
class _Reader:
    options: argparse.Namespace
    environ: Mapping[str, str]

    def __call__(
        self,
        name: str,
        flag: str,
        default: str,
        parse: Callable[[str], T],
        *,
        secret: bool = False,
    ) -> T:
        given: Any = getattr(self.options, flag, None)
        said = f"--{flag.replace('_', '-')}" if given is not None else name
        value = given if given is not None else self.environ.get(name, default)
        try:
            return parse(value)
        except ValueError as error:
            hidden = secret and ("@" in value or "password" in value.lower())
            shown = "there, and may hold a password" if hidden else repr(value)
            raise Mistake(f"{said} is {shown}: {error}") from error


def _auth_mode(value: str) -> str:
    if value not in AUTH_MODES:
        raise ValueError(f"must be one of {', '.join(AUTH_MODES)}, for example disabled")
    if value != "disabled":
        raise ValueError(
            "this version has no login yet: leave it out, or say disabled, which lets LISTEN be "
            "any address"
        )
    return value


_NO_DATABASE: Final = (
    "must be sqlite:///PATH or postgresql://USER@HOST/DATABASE, "
    "for example sqlite:////var/lib/kubekuma/k.db"
)


def _database(value: str) -> Database | None:
    if not value:
        return None
    try:
        parts = urlsplit(value)
    except ValueError:
        raise ValueError(_NO_DATABASE) from None
    if parts.scheme in {"postgres", "postgresql"}:
        return PostgresDatabase(value)
    path = unquote(parts.path)
    if parts.scheme != "sqlite" or parts.netloc or len(path) < 2:
        raise ValueError(_NO_DATABASE)
    # As everybody has it: three slashes before a relative path, four before an absolute one.
    return SqliteDatabase(Path(path[1:]))


def _kubeconfig(value: str) -> Path | None:
    # Several files, separated by colons, are merged by whoever reads them.
    return Path(value) if value and ":" not in value else None


def _namespace(value: str) -> str:
    for error in text.namespace_name(value):
        raise ValueError(f"{error.message}, for example monitoring")
    return value


def _namespaces(value: str) -> tuple[str, ...]:
    return tuple(_namespace(each.strip()) for each in value.split(",") if each.strip())


def _seconds(value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        raise ValueError("must be a number of seconds, for example 10") from None
    if not 0 <= seconds < math.inf:
        raise ValueError("must be 0 or more seconds, for example 10")
    return seconds


def _whole(value: str) -> int:
    seconds = _seconds(value)
    if seconds != int(seconds):
        raise ValueError("must be whole seconds, as the Lease says no fractions, for example 45")
    return int(seconds)


def _log_level(value: str) -> str:
    if value.lower() not in LEVELS:
        raise ValueError(f"must be one of {', '.join(LEVELS)}, for example info")
    return value.lower()


def _external_url(value: str) -> str:
    if not value:
        return ""
    url = parse_url(value)
    if "?" in url.target:
        raise ValueError("must have no query, for example https://status.example.org")
    return f"{url.scheme}://{url.authority}{url.target}".rstrip("/")


def _anywhere(value: str) -> str:
    host, _, port = value.rpartition(":")
    is_port = port.isascii() and port.isdigit() and int(port) <= 65535
    if not is_port or not host:
        raise ValueError("must be HOST:PORT, for example 127.0.0.1:3000 or [::1]:3000")
    return value


def parse_listen(value: str) -> str:
    """Check where to listen: HOST:PORT on the loopback interface; ValueError if it is not."""
    host, _, _ = _anywhere(value).rpartition(":")
    if not _is_loopback(host.strip("[]")):
        raise ValueError(
            "must be an address of the loopback interface, for example 127.0.0.1:3000: "
            "there is no login yet. AUTH_MODE=disabled says that everybody may read"
        )
    return value


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
