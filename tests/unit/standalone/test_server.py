"""The embedded API as a service: what it leaves on disk, and what a restart keeps."""

import json
import socket
import ssl
import stat
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import yaml
from cryptography import x509
from support.embedded import WIDGETS, client_of, embedded_server, widget

from kubekuma.standalone.credentials import keep_credentials, server_context, write_private
from kubekuma.standalone.documents import ManifestProblem
from kubekuma.standalone.server import serve_embedded_api

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PATH = "/apis/example.org/v1/namespaces/default/widgets"


async def test_a_restart_keeps_everything_a_client_knows(tmp_path: Path) -> None:
    async with embedded_server(tmp_path) as first, client_of(first) as client:
        made = (await client.post(PATH, json=widget("a"))).json()
        config = first.kubeconfig.read_text()
    async with embedded_server(tmp_path) as second, client_of(first) as client:
        # The old address, token and authority still hold.
        assert (await client.get(f"{PATH}/a")).json() == made
        assert second == first
        assert second.kubeconfig.read_text() == config
        later = (await client.post(PATH, json=widget("b"))).json()
        assert int(later["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])
        assert first.token not in repr(first)


async def test_another_port_is_taken_if_the_last_one_is_in_use(tmp_path: Path) -> None:
    async with embedded_server(tmp_path) as first:
        pass
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(first.url.rpartition(":")[2])))
        taken.listen()
        async with embedded_server(tmp_path) as second, client_of(second) as client:
            assert second.url != first.url
            assert second.url in second.kubeconfig.read_text()
            assert (await client.get("/version")).status_code == 200


async def test_what_lies_on_disk_is_for_the_owner_only(tmp_path: Path) -> None:
    data = tmp_path / "new" / "data"
    async with embedded_server(data) as endpoint:
        assert stat.S_IMODE(data.stat().st_mode) == 0o700
        names = {path.name for path in data.iterdir()}
        assert {"api.db", "ca.pem", "server.pem", "token", "kubeconfig"} <= names
        for path in data.iterdir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
        config = yaml.safe_load(endpoint.kubeconfig.read_text())
        assert config["current-context"] == config["contexts"][0]["name"]
        assert config["contexts"][0]["context"]["namespace"] == "default"
        assert config["users"][0]["user"]["token"] == endpoint.token


async def test_definitions_and_namespaces_are_there_when_it_has_started(tmp_path: Path) -> None:
    async with (
        embedded_server(tmp_path, namespaces=["monitoring"]) as endpoint,
        client_of(endpoint) as client,
    ):
        found = (await client.get("/api/v1/namespaces")).json()["items"]
        names = [each["metadata"]["name"] for each in found]
        assert names == ["default", "kube-system", "monitoring"]
        crd = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.org"
        conditions = (await client.get(crd)).json()["status"]["conditions"]
        assert {each["type"]: each["status"] for each in conditions}["Established"] == "True"
    # Nothing is written again by a start that brings nothing new.
    async with (
        embedded_server(tmp_path, namespaces=["monitoring"]) as endpoint,
        client_of(endpoint) as client,
    ):
        again = (await client.get("/api/v1/namespaces")).json()["items"]
        assert again == found


async def test_only_loopback_is_served(tmp_path: Path) -> None:
    for listen in ("0.0.0.0:0", "192.0.2.1:0"):
        with pytest.raises(ValueError, match="loopback"):
            await serve_embedded_api(tmp_path, [], listen=listen, stop=trio.Event())


async def test_a_second_process_on_the_same_data_is_refused(tmp_path: Path) -> None:
    async with embedded_server(tmp_path):
        with pytest.raises(Exception, match="locked"):
            await serve_embedded_api(tmp_path, [], stop=trio.Event())


async def test_stopping_ends_watches_in_an_orderly_way(tmp_path: Path) -> None:
    stop = trio.Event()
    serve = partial(serve_embedded_api, tmp_path, [WIDGETS], stop=stop)
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            endpoint = await nursery.start(serve)
            async with (
                client_of(endpoint) as client,
                client.stream("GET", PATH, params={"watch": "true"}) as answer,
            ):
                stop.set()
                assert await answer.aread() == b""


async def test_manifests_are_applied_before_it_says_that_it_has_started(tmp_path: Path) -> None:
    folder = tmp_path / "manifests"
    folder.mkdir()
    (folder / "a.json").write_text(json.dumps(widget("a")))
    (folder / "b.yaml").write_text("a: [")
    problems: list[ManifestProblem] = []
    options: dict[str, Any] = {"manifests": folder, "report": problems.append}
    async with (
        embedded_server(tmp_path / "data", **options) as endpoint,
        client_of(endpoint) as client,
    ):
        assert (await client.get(f"{PATH}/a")).status_code == 200
    assert [each.path.name for each in problems] == ["b.yaml"]


def test_certificates_are_renewed_before_they_end(tmp_path: Path) -> None:
    first = keep_credentials(tmp_path, NOW)
    certificate = first.server_pem.read_bytes()
    same = keep_credentials(tmp_path, NOW + timedelta(days=300))
    assert same == first
    assert same.server_pem.read_bytes() == certificate
    renewed = keep_credentials(tmp_path, NOW + timedelta(days=340))
    assert renewed.server_pem.read_bytes() != certificate
    assert (renewed.ca_pem, renewed.token) == (first.ca_pem, first.token)
    # With a new authority comes a new certificate.
    other = keep_credentials(tmp_path, NOW + timedelta(days=3640))
    assert other.ca_pem != first.ca_pem
    authority = x509.load_pem_x509_certificate(other.ca_pem)
    server = x509.load_pem_x509_certificate(other.server_pem.read_bytes())
    server.verify_directly_issued_by(authority)
    server_context(other)


def test_what_cannot_be_read_is_made_anew(tmp_path: Path) -> None:
    first = keep_credentials(tmp_path, NOW)
    for name in ("ca.pem", "server.pem"):
        (tmp_path / name).write_bytes(b"rubbish")
    (tmp_path / "token").write_text("\n")
    second = keep_credentials(tmp_path, NOW)
    assert second.token != first.token
    assert second.ca_pem != first.ca_pem
    ssl.create_default_context(cadata=second.ca_pem.decode())


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("before")
    path.chmod(0o644)
    write_private(path, b"after")
    assert path.read_bytes() == b"after"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["file"]
