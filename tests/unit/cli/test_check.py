"""kubekuma check: one monitor, once, before one's eyes."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubekuma.cli.main import main

TOKEN = "s3cr3t-value"


class Site(BaseHTTPRequestHandler):
    """Says "hello" to whoever brings the token, and no to all others."""

    def do_GET(self) -> None:
        body = b"hello " + TOKEN.encode()
        self.send_response(200 if self.headers["X-Token"] == TOKEN else 403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Say nothing."""


@pytest.fixture
def site() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Site) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@contextmanager
def refusing_port() -> Iterator[int]:
    """Give a port of loopback that nobody listens on."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def manifest(folder: Path, *monitors: tuple[str, dict[str, Any]]) -> str:
    file = folder / "m.yaml"
    documents = [
        {
            "apiVersion": "monitoring.kubekuma.io/v1",
            "kind": "Monitor",
            "metadata": {"name": name},
            "spec": spec,
        }
        for name, spec in monitors
    ]
    file.write_text(yaml.safe_dump_all(documents))
    return str(file)


def with_token(url: str, **more: Any) -> dict[str, Any]:
    ref = {"name": "api", "key": "token"}
    headers = [{"name": "X-Token", "valueFromSecretRef": ref}]
    return {"type": "http", "target": {"http": {"url": url, "headers": headers}}, **more}


@pytest.fixture
def secret(tmp_path: Path) -> str:
    file = tmp_path / "token.txt"
    file.write_text(f"{TOKEN}\n")
    return f"api/token={file}"


def test_a_pass_is_shown_step_by_step_and_without_secrets(
    tmp_path: Path, site: str, secret: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = manifest(tmp_path, ("web", with_token(site)))
    assert main(["check", file, "--secret", secret]) == 0
    out = capsys.readouterr().out
    authority = site.removeprefix("http://").rstrip("/")
    assert f"web  http  {site}" in out
    assert f"  connecting to {authority}\n" in out
    assert f"  connected to {authority} in " in out
    assert "  > X-Token: ***\n" in out
    assert "  < HTTP/1.0 200 OK\n" in out
    assert "\npassed: Passed\n" in out
    assert " ms (connect " in out
    assert TOKEN not in out


def test_a_failure_is_exit_one_and_says_why(
    tmp_path: Path, site: str, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = {"type": "http", "target": {"http": {"url": site}}}
    assert main(["check", manifest(tmp_path, ("web", spec))]) == 1
    assert "failed: StatusMismatch: the status is 403" in capsys.readouterr().out


def test_a_missing_secret_is_unknown_and_exit_one(
    tmp_path: Path, site: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", manifest(tmp_path, ("web", with_token(site)))]) == 1
    out = capsys.readouterr().out
    assert "unknown: SecretMissing: there is no Secret api with a key token" in out
    assert "failed: there is no Secret api" in out


def test_a_refused_connection_leaves_a_transcript(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with refusing_port() as port:
        spec = {"type": "tcp", "target": {"tcp": {"host": "127.0.0.1", "port": port}}}
        assert main(["check", manifest(tmp_path, ("db", spec))]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[2] == f"  connecting to 127.0.0.1:{port}"
    assert lines[3].startswith("  failed after ")
    assert lines[3].endswith(f" ms: Connection refused while connecting to 127.0.0.1:{port}")


@pytest.mark.parametrize(("listening", "status"), [(True, 1), (False, 0)])
def test_an_inverted_monitor_passes_when_it_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], *, listening: bool, status: int
) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        if listening:
            held.listen()
        spec = {
            "type": "tcp",
            "invert": True,
            "target": {"tcp": {"host": "127.0.0.1", "port": held.getsockname()[1]}},
        }
        assert main(["check", manifest(tmp_path, ("db", spec))]) == status
    assert "(inverted: a pass fails and a fail passes)" in capsys.readouterr().out


def test_the_result_can_be_had_as_json(
    tmp_path: Path, site: str, secret: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = manifest(tmp_path, ("web", with_token(site)))
    assert main(["check", "--json", file, "--secret", secret]) == 0
    out = capsys.readouterr().out
    found = json.loads(out)
    assert TOKEN not in out
    assert (found["monitor"], found["outcome"], found["reason"]) == ("web", "passed", "Passed")
    assert found["statusCode"] == 200
    assert set(found["phasesMs"]) == {"connect", "first_byte", "transfer"}
    assert found["latencyMs"] == pytest.approx(sum(found["phasesMs"].values()), abs=0.01)
    assert found["transcript"][0].startswith("connecting to ")


def test_of_several_monitors_one_must_be_named(
    tmp_path: Path, site: str, secret: str, capsys: pytest.CaptureFixture[str]
) -> None:
    closed = {"type": "http", "target": {"http": {"url": site}}}
    file = manifest(tmp_path, ("open", with_token(site)), ("closed", closed))
    assert main(["check", file]) == 2
    assert "name it with --name (Monitor open, Monitor closed)" in capsys.readouterr().err
    assert main(["check", file, "--name", "other"]) == 2
    assert main(["check", file, "--name", "closed"]) == 1
    assert main(["check", file, "--name", "open", "--secret", secret]) == 0


@pytest.mark.parametrize(
    ("host", "said"),
    [("a b", "must be a name or addre"), ("localhost", "has no checker for type")],
)
def test_what_cannot_be_checked_is_a_mistake(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    host: str,
    said: str,
) -> None:
    monkeypatch.setattr("kubekuma.check.available.AVAILABLE_TYPES", frozenset())
    spec = {"type": "tcp", "target": {"tcp": {"host": host, "port": 1}}}
    assert main(["check", manifest(tmp_path, ("web", spec))]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "m.yaml:2: is no YAML"),
        ("kind: Secret\napiVersion: v1\n", "one Monitor is wanted: name it with --name (none)"),
    ],
)
def test_a_file_without_a_monitor_is_a_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    (tmp_path / "m.yaml").write_text(text)
    assert main(["check", str(tmp_path / "m.yaml")]) == 2
    assert said in capsys.readouterr().err


def test_files_that_are_not_there_are_named(
    tmp_path: Path, site: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(tmp_path / "none.yaml")]) == 2
    assert "none.yaml: No such file" in capsys.readouterr().err
    file = manifest(tmp_path, ("web", with_token(site)))
    assert main(["check", file, "--secret", f"api/token={tmp_path}/none.txt"]) == 2
    assert "--secret api/token: " in capsys.readouterr().err
    assert main(["check", file, "--secret", "api"]) == 2
    assert "must be NAME/KEY=FILE, for example api/token=t.txt" in capsys.readouterr().err


def group(*names: str, **more: Any) -> dict[str, Any]:
    members = [{"name": name} for name in names]
    return {"type": "group", "target": {"group": {"members": members, **more}}}


def test_the_members_of_a_group_are_checked_first(
    tmp_path: Path, site: str, secret: str, capsys: pytest.CaptureFixture[str]
) -> None:
    closed = {"type": "http", "target": {"http": {"url": site}}}
    file = manifest(
        tmp_path,
        ("open", with_token(site)),
        ("closed", closed),
        ("not-closed", {**closed, "invert": True}),
        ("off", {**closed, "enabled": False}),
        ("any", group("open", "closed", rule="best")),
        ("all", group("any", "open", "not-closed", "off")),
        ("some", group("open", "closed")),
        ("more", group("open", "elsewhere")),
    )
    check = ["check", file, "--secret", secret, "--name"]
    assert main([*check, "all"]) == 0
    assert "3 members, 3 up" in capsys.readouterr().out
    assert main([*check, "some"]) == 1
    out = capsys.readouterr().out
    assert "MembersDown: 1 of 2 members are up, and 2 should be; down: closed" in out
    assert main([*check, "more"]) == 1
    out = capsys.readouterr().out
    assert "unknown: MembersUnknown: " in out
    assert "unknown: elsewhere" in out


def test_a_cluster_that_nobody_knows_is_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    target = {
        "resource": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
        "check": {"type": "AvailableReplicasAtLeast"},
    }
    spec = {"type": "k8s", "target": {"k8s": target}}
    assert main(["check", manifest(tmp_path, ("web", spec))]) == 1
    assert "unknown: NotChecked: no usable credentials in " in capsys.readouterr().out
