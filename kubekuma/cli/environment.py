"""Settings of the process: flags, and environment variables of the same names."""

import argparse
import ipaddress
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import unquote, urlsplit

import attrs

from kubekuma.kit.log import LEVELS
from kubekuma.validate import text

T = TypeVar("T")

AUTH_MODES: Final = ("oidc", "local", "disabled")


class Mistake(Exception):  # noqa: N818 - a person's, and said to that person
    """What is wrong with how the program was called, and what would be right."""


@attrs.frozen(kw_only=True)
class Environment:
    """What the process is told."""

    data: Path
    database: Path
    kubeconfig: Path | None
    kube_namespace: str
    watch_namespaces: tuple[str, ...]
    log_level: str
    listen: str


def declare_environment(command: argparse.ArgumentParser) -> None:
    """Declare the flags; those that are absent leave it to the environment."""
    command.add_argument(
        "--data", metavar="DIR", help="where history is kept (KUBEKUMA_DATA; ./kubekuma-data)"
    )
    command.add_argument(
        "--database-url", metavar="URL", help="sqlite:///PATH (DATABASE_URL; in the data directory)"
    )
    command.add_argument("--listen", metavar="HOST:PORT", help="LISTEN; 127.0.0.1:3000")
    command.add_argument("--kube-namespace", metavar="NAME", help="KUBE_NAMESPACE; monitoring")
    command.add_argument(
        "--watch-namespaces", metavar="A,B", help="WATCH_NAMESPACES; all namespaces"
    )
    command.add_argument("--log-level", metavar="LEVEL", help="LOG_LEVEL; info")


def read_environment(options: argparse.Namespace, environ: Mapping[str, str]) -> Environment:
    """What flags, or else variables, say. Raises Mistake with a name, what is wrong, an example."""
    read = _Reader(options, environ)
    data = Path(read("KUBEKUMA_DATA", "data", "kubekuma-data", str))
    read("AUTH_MODE", "auth_mode", "disabled", _auth_mode)
    return Environment(
        data=data,
        database=read("DATABASE_URL", "database_url", "", _database) or data / "history.db",
        kubeconfig=read("KUBECONFIG", "kubeconfig", "", _kubeconfig),
        kube_namespace=read("KUBE_NAMESPACE", "kube_namespace", "monitoring", _namespace),
        watch_namespaces=read("WATCH_NAMESPACES", "watch_namespaces", "", _namespaces),
        log_level=read("LOG_LEVEL", "log_level", "info", _log_level),
        listen=read("LISTEN", "listen", "127.0.0.1:3000", parse_listen),
    )


@attrs.frozen
class _Reader:
    options: argparse.Namespace
    environ: Mapping[str, str]

    def __call__(self, name: str, flag: str, default: str, parse: Callable[[str], T]) -> T:
        given: Any = getattr(self.options, flag, None)
        said = f"--{flag.replace('_', '-')}" if given is not None else name
        value = given if given is not None else self.environ.get(name, default)
        try:
            return parse(value)
        except ValueError as error:
            raise Mistake(f"{said} is {value!r}: {error}") from error


def _auth_mode(value: str) -> str:
    if value not in AUTH_MODES:
        raise ValueError(f"must be one of {', '.join(AUTH_MODES)}, for example disabled")
    if value != "disabled":
        raise ValueError(
            "this version has no login yet and serves the loopback interface only: "
            "leave it out, or say disabled"
        )
    return value


_NO_DATABASE: Final = "must be sqlite:///PATH, for example sqlite:////var/lib/kubekuma/k.db"


def _database(value: str) -> Path | None:
    if not value:
        return None
    try:
        parts = urlsplit(value)
    except ValueError:
        raise ValueError(_NO_DATABASE) from None
    if parts.scheme in {"postgres", "postgresql"}:
        raise ValueError("PostgreSQL comes with a later version: use sqlite:///PATH")
    path = unquote(parts.path)
    if parts.scheme != "sqlite" or parts.netloc or len(path) < 2:
        raise ValueError(_NO_DATABASE)
    # As everybody has it: three slashes before a relative path, four before an absolute one.
    return Path(path[1:])


def _kubeconfig(value: str) -> Path | None:
    # Several files, separated by colons, are merged by whoever reads them.
    return Path(value) if value and ":" not in value else None


def _namespace(value: str) -> str:
    for error in text.namespace_name(value):
        raise ValueError(f"{error.message}, for example monitoring")
    return value


def _namespaces(value: str) -> tuple[str, ...]:
    return tuple(_namespace(each.strip()) for each in value.split(",") if each.strip())


def _log_level(value: str) -> str:
    if value.lower() not in LEVELS:
        raise ValueError(f"must be one of {', '.join(LEVELS)}, for example info")
    return value.lower()


def parse_listen(value: str) -> str:
    """Check where to listen: HOST:PORT on the loopback interface; ValueError if it is not."""
    host, _, port = value.rpartition(":")
    is_port = port.isascii() and port.isdigit() and int(port) <= 65535
    if not is_port or not host:
        raise ValueError("must be HOST:PORT, for example 127.0.0.1:3000 or [::1]:3000")
    if not _is_loopback(host.strip("[]")):
        raise ValueError(
            "must be an address of the loopback interface, for example 127.0.0.1:3000: "
            "this version serves nobody else; put a proxy in front to reach it from elsewhere"
        )
    return value


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
