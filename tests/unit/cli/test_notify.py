"""kubekuma notify test: one message, now, and what the service says to it."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import attrs
import pytest
import trio
import yaml
from build import at
from support.program import cluster

from kubekuma.cli.main import main
from kubekuma.deliver.trial import trials
from kubekuma.model.meta import Key, ObjectMeta
from kubekuma.model.policy import Happening
from kubekuma.model.provider import KEYED, Provider, ProviderSpec, ProviderType
from kubekuma.validate.decode import decoded

TOKEN = "s3cr3t-value"


class Service(BaseHTTPRequestHandler):
    """Takes messages of whoever brings the token."""

    got: ClassVar[list[Any]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        known = self.path == f"/{TOKEN}"
        if known:
            self.got.append(json.loads(body))
        said = b"ok\x1b[2J\n" if known else b"who are you?"
        self.send_response(200 if known else 403)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Say nothing."""


@pytest.fixture
def service() -> Iterator[str]:
    Service.got.clear()
    with HTTPServer(("127.0.0.1", 0), Service) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/{TOKEN}"
        server.shutdown()
        thread.join()


def provider(name: str = "chat") -> dict[str, Any]:
    config = {"slack": {"webhookUrlSecretRef": {"name": "slack", "key": "url"}}}
    return {
        "apiVersion": "monitoring.kubekuma.io/v1",
        "kind": "NotificationProvider",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"type": "slack", "config": config},
    }


def manifest(folder: Path, *documents: dict[str, Any]) -> str:
    file = folder / "p.yaml"
    file.write_text(yaml.safe_dump_all(documents))
    return str(file)


def secret(folder: Path, value: str) -> str:
    file = folder / "url.txt"
    file.write_text(f"{value}\n")
    return f"slack/url={file}"


def test_a_message_is_sent_and_the_answer_is_shown(
    tmp_path: Path, service: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = manifest(tmp_path, provider())
    assert main(["notify", "test", file, "--secret", secret(tmp_path, service)]) == 0
    out = capsys.readouterr().out
    assert out == "shop/chat  slack\n\nsent: it answers 200: ok [2J\n"
    (got,) = Service.got
    assert got["attachments"][0]["title"] == "✅ KubeKuma can send here"


def test_what_is_refused_is_shown_and_holds_no_credential(
    tmp_path: Path, service: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file, wrong = manifest(tmp_path, provider()), service.replace("s3cr3t", "0ther")
    assert main(["notify", "test", file, "--json", "--secret", secret(tmp_path, wrong)]) == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {
        "provider": "shop/chat",
        "type": "slack",
        "sent": False,
        "answer": "it answers 403: who are you?",
    }
    assert "0ther" not in captured.out + captured.err


def test_a_secret_that_is_not_there_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["notify", "test", manifest(tmp_path, provider())]) == 1
    assert "not sent: there is no Secret slack with a key url" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["p.yaml"], "one NotificationProvider is wanted: name it with --name"),
        (["p.yaml", "--name", "none"], "one NotificationProvider is wanted"),
        (["nothing.yaml"], "nothing.yaml: must be a file, or NAMESPACE/NAME"),
        (["shop/chat", "--kubeconfig", "nothing"], "nothing"),
        (["p.yaml", "--name", "a", "--secret", "x"], "must be NAME/KEY=FILE"),
    ],
)
def test_what_cannot_be_tried_is_a_mistake(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    manifest(tmp_path, provider("a"), provider("b"))
    assert main(["notify", "test", *arguments]) == 2
    assert said in capsys.readouterr().err


async def test_one_of_the_cluster_is_tried_with_the_secrets_there(
    tmp_path: Path, service: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with cluster(tmp_path) as api:
        await api.secret("slack", url=service)
        await api.apply(provider())
        for name, status in (("chat", 0), ("none", 2)):
            where = ["--kubeconfig", str(tmp_path / "api" / "kubeconfig")]
            command = ["notify", "test", f"shop/{name}", *where]
            assert await trio.to_thread.run_sync(main, command) == status
    captured = capsys.readouterr()
    assert captured.out.endswith("sent: it answers 200: ok [2J\n")
    assert "NotificationProvider shop/none: 404" in captured.err
    assert TOKEN not in captured.out + captured.err


def of_type(kind: ProviderType) -> Provider:
    spec = decoded(provider()["spec"], ProviderSpec)
    spec = attrs.evolve(spec, type=kind)
    return Provider(meta=ObjectMeta(key=Key("shop", "chat"), uid="u1"), spec=spec)


@pytest.mark.parametrize("kind", ProviderType)
def test_an_alert_that_is_opened_for_a_test_is_closed(kind: ProviderType) -> None:
    messages = trials(of_type(kind), "u1", at(0))
    assert all(each.is_test for each in messages)
    assert messages[-1].happening is Happening.UP
    assert len({each.key for each in messages}) == 1
    has_alerts = kind in KEYED - {ProviderType.WEBHOOK}
    assert [each.happening for each in messages[:-1]] == ([Happening.DOWN] if has_alerts else [])
    assert messages == trials(of_type(kind), "u1", at(0))
    assert messages[0].id != trials(of_type(kind), "u2", at(0))[0].id
