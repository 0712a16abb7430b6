"""Settings of the process: flags win over variables, and mistakes come with what would be right."""

import argparse
import socket
from pathlib import Path

import pytest

from kubekuma.cli.environment import (
    Environment,
    Mistake,
    declare_environment,
    read_environment,
)
from kubekuma.kube.lease import Timing
from kubekuma.record.sqlite import SqliteDatabase


def read(*flags: str, **environ: str) -> Environment:
    parser = argparse.ArgumentParser()
    declare_environment(parser)
    parser.add_argument("--kubeconfig")
    return read_environment(parser.parse_args(flags), environ)


def test_with_nothing_said_the_defaults_hold() -> None:
    assert read() == Environment(
        data=Path("kubekuma-data"),
        database=SqliteDatabase(Path("kubekuma-data/history.db")),
        kubeconfig=None,
        kube_namespace="monitoring",
        watch_namespaces=(),
        log_level="info",
        listen="127.0.0.1:3000",
        pod=socket.gethostname(),
        timing=Timing(),
    )


@pytest.mark.parametrize(
    ("name", "value", "field", "meant"),
    [
        ("KUBEKUMA_DATA", "/srv/k", "data", Path("/srv/k")),
        ("KUBEKUMA_DATA", "/srv/k", "database", SqliteDatabase(Path("/srv/k/history.db"))),
        ("DATABASE_URL", "sqlite:///a/b.db", "database", SqliteDatabase(Path("a/b.db"))),
        ("DATABASE_URL", "sqlite:////a/b%20c.db", "database", SqliteDatabase(Path("/a/b c.db"))),
        ("KUBECONFIG", "/home/a/config", "kubeconfig", Path("/home/a/config")),
        ("KUBECONFIG", "/a:/b", "kubeconfig", None),
        ("KUBE_NAMESPACE", "uptime", "kube_namespace", "uptime"),
        ("WATCH_NAMESPACES", "a, b,", "watch_namespaces", ("a", "b", "monitoring")),
        ("AUTH_MODE", "disabled", "listen", "127.0.0.1:3000"),
        ("LOG_LEVEL", "DEBUG", "log_level", "debug"),
        ("LISTEN", "[::1]:0", "listen", "[::1]:0"),
        ("LISTEN", "localhost:8080", "listen", "localhost:8080"),
        ("POD_NAME", "kubekuma-0", "pod", "kubekuma-0"),
        ("LEASE_DURATION_SECONDS", "60", "timing", Timing(lease_seconds=60)),
        ("LEASE_DEADLINE_SECONDS", "20", "timing", Timing(deadline_seconds=20)),
        ("LEASE_RENEW_SECONDS", "2.5", "timing", Timing(renew_seconds=2.5)),
        ("LEASE_RETRY_SECONDS", "0.5", "timing", Timing(retry_seconds=0.5)),
        ("LEASE_REQUEST_SECONDS", "3", "timing", Timing(request_seconds=3)),
        ("HISTORY_WAIT_SECONDS", "0", "timing", Timing(history_seconds=0)),
    ],
)
def test_each_variable_is_understood(name: str, value: str, field: str, meant: object) -> None:
    assert getattr(read(**{name: value}), field) == meant


@pytest.mark.parametrize(
    ("name", "value", "example"),
    [
        ("DATABASE_URL", "mysql://a/b", "sqlite:////var/lib/kubekuma/k.db"),
        ("DATABASE_URL", "sqlite://host/b.db", "sqlite:////var/lib/kubekuma/k.db"),
        ("DATABASE_URL", "sqlite:///", "sqlite:////var/lib/kubekuma/k.db"),
        ("DATABASE_URL", "sqlite://[", "sqlite:////var/lib/kubekuma/k.db"),
        ("DATABASE_URL", "postgresql://a/b?nonsense=1", "postgresql://USER@HOST"),
        ("KUBE_NAMESPACE", "", "monitoring"),
        ("KUBE_NAMESPACE", "Monitoring", "monitoring"),
        ("WATCH_NAMESPACES", "a,B", "monitoring"),
        ("AUTH_MODE", "none", "disabled"),
        ("AUTH_MODE", "oidc", "disabled"),
        ("LOG_LEVEL", "loud", "info"),
        ("LISTEN", "3000", "127.0.0.1:3000"),
        ("LEASE_DURATION_SECONDS", "45.5", "whole seconds"),
        ("LEASE_DURATION_SECONDS", "long", "for example 10"),
        ("LEASE_RENEW_SECONDS", "-1", "for example 10"),
        ("LEASE_RENEW_SECONDS", "inf", "for example 10"),
        ("LISTEN", "127.0.0.1:²", "127.0.0.1:3000"),
        ("LISTEN", "127.0.0.1:70000", "127.0.0.1:3000"),
        ("LISTEN", "0.0.0.0:3000", "127.0.0.1:3000"),
        ("LISTEN", "example.org:3000", "127.0.0.1:3000"),
    ],
)
def test_a_mistake_names_the_variable_and_what_would_be_right(
    name: str, value: str, example: str
) -> None:
    with pytest.raises(Mistake) as made:
        read(**{name: value})
    said = str(made.value)
    assert said.startswith(f"{name} is {value!r}: ")
    assert example in said


@pytest.mark.parametrize(
    "url",
    [
        "mysql://kuma:s3cret@host/db",
        "postgresql://kuma:s3cret@host/db?nonsense=1",
        "postgresql://kuma:%zzs3cret@host/db",
        "postgresql:///db?password=s3cret&nonsense=1",
        "PASSWORD=s3cret host=db",
    ],
)
def test_a_mistake_in_the_databases_url_does_not_show_its_password(url: str) -> None:
    with pytest.raises(Mistake, match=r"^DATABASE_URL is there, and may hold a pass") as made:
        read(DATABASE_URL=url)
    assert "s3cret" not in str(made.value)


@pytest.mark.parametrize(
    ("flag", "name", "field", "wins", "loses"),
    [
        ("--data", "KUBEKUMA_DATA", "data", "a", "b"),
        ("--database-url", "DATABASE_URL", "database", "sqlite:///a", "sqlite:///b"),
        ("--kubeconfig", "KUBECONFIG", "kubeconfig", "a", "b"),
        ("--kube-namespace", "KUBE_NAMESPACE", "kube_namespace", "a", "b"),
        ("--watch-namespaces", "WATCH_NAMESPACES", "watch_namespaces", "a", "b"),
        ("--log-level", "LOG_LEVEL", "log_level", "error", "loud"),
        ("--listen", "LISTEN", "listen", "localhost:1", "0.0.0.0:1"),
        ("--pod-name", "POD_NAME", "pod", "a", "b"),
        ("--lease-duration-seconds", "LEASE_DURATION_SECONDS", "timing", "60", "x"),
        ("--lease-renew-seconds", "LEASE_RENEW_SECONDS", "timing", "9", "x"),
    ],
)
def test_flags_win_even_over_bad_variables(
    flag: str, name: str, field: str, wins: str, loses: str
) -> None:
    told = read(flag, wins, **{name: loses})
    assert getattr(told, field) == getattr(read(**{name: wins}), field)


def test_a_mistake_in_a_flag_names_the_flag() -> None:
    with pytest.raises(Mistake, match=r"^--log-level is 'loud': must be one of "):
        read("--log-level", "loud", LOG_LEVEL="info")


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"LEASE_DEADLINE_SECONDS": "17"}, "LEASE_DEADLINE_SECONDS is 17: must be more than "),
        ({"LEASE_DURATION_SECONDS": "36"}, "LEASE_DURATION_SECONDS is 36: must be more than "),
        ({"LEASE_DURATION_SECONDS": "4000"}, "LEASE_DURATION_SECONDS is 4000: must be 3600 at "),
        ({"LEASE_REQUEST_SECONDS": "0"}, "LEASE_REQUEST_SECONDS is 0: must be more than 0"),
    ],
)
def test_times_that_would_let_two_lead_are_refused(environ: dict[str, str], named: str) -> None:
    with pytest.raises(Mistake) as made:
        read(**environ)
    assert str(made.value).startswith(named)


def test_others_are_served_only_where_somebody_said_that_all_may_read() -> None:
    assert read(AUTH_MODE="disabled", LISTEN="0.0.0.0:3000").listen == "0.0.0.0:3000"
    with pytest.raises(Mistake, match="AUTH_MODE=disabled says that everybody may read"):
        read(LISTEN="0.0.0.0:3000")
