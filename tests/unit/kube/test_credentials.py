"""Credentials are found, leave nothing behind, and are read again when they may have changed."""

import base64
import ssl
import tempfile
from pathlib import Path
from typing import Any

import pytest
import trio
import trustme
import yaml
from fakes.kube_http import Asked, KubeHttp, kubeconfig, reply
from kr8s._auth import KubeAuth
from structlog.testing import capture_logs
from support.history import files
from trio.testing import MockClock

from kubekuma.kube.client import SECRETS, KubeClient
from kubekuma.kube.credentials import (
    REREAD_SECONDS,
    Credentials,
    NoCredentialsError,
    load_credentials,
)
from kubekuma.kube.errors import Refused
from kubekuma.model.meta import Key

WEB = Key("shop", "web")


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go, and no credentials of the machine's."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return folder


def written(path: Path, cluster: dict[str, Any], user: dict[str, Any]) -> Path:
    path.write_text(yaml.safe_dump(kubeconfig(cluster, user)))
    return path


def base64_of(blob: trustme.Blob) -> str:
    return base64.b64encode(blob.bytes()).decode()


async def signed(credentials: Credentials, server: KubeHttp) -> str | None:
    """What a request says that we are."""
    client = KubeClient(credentials)
    await client.get(SECRETS, WEB)
    await client.aclose()
    return server.asked[-1].headers.get("authorization")


async def test_a_kubeconfig_with_a_token_is_enough(nursery: trio.Nursery, tmp_path: Path) -> None:
    server: KubeHttp = await nursery.start(KubeHttp(lambda _: reply({})).listen)
    credentials = await load_credentials(server.kubeconfig(tmp_path, token="t0ken\n"))
    assert credentials.server == server.url
    assert await signed(credentials, server) == "Bearer t0ken"


async def test_certificates_within_a_kubeconfig_are_used_and_leave_no_files(
    tmp_path: Path, temporary: Path
) -> None:
    authority = trustme.CA()
    mine, theirs = authority.issue_cert("me@example.org"), authority.issue_cert("127.0.0.1")
    cluster = {
        "server": "https://127.0.0.1:1",
        "certificate-authority-data": base64_of(authority.cert_pem),
    }
    user = {
        "client-certificate-data": base64_of(mine.cert_chain_pems[0]),
        "client-key-data": base64_of(mine.private_key_pem),
    }
    credentials = await load_credentials(written(tmp_path / "kubeconfig", cluster, user))
    assert files(temporary) == []
    # The file is gone, and what was in it is in use: the server asks for it, and gets it.
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    theirs.configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    assert isinstance(credentials.verify, ssl.SSLContext)
    ours, other = trio.testing.memory_stream_pair()
    served = trio.SSLStream(other, context, server_side=True)
    client = trio.SSLStream(ours, credentials.verify, server_hostname="127.0.0.1")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.do_handshake)
        nursery.start_soon(served.do_handshake)
    assert served.getpeercert()["subjectAltName"] == (("email", "me@example.org"),)


async def test_files_that_a_kubeconfig_names_stay(tmp_path: Path, temporary: Path) -> None:
    authority = trustme.CA()
    ca = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(ca)
    cluster = {"server": "https://127.0.0.1:1", "certificate-authority": "ca.pem"}
    await load_credentials(written(tmp_path / "kubeconfig", cluster, {"token": "t"}))
    assert files(tmp_path, "ca.pem") == [ca]
    assert files(temporary) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "just words",
        "a: [1",
        "kind: Config",
        yaml.safe_dump({**kubeconfig({}, {}), "contexts": []}),
        yaml.safe_dump({**kubeconfig({}, {}), "current-context": "elsewhere"}),
        yaml.safe_dump(kubeconfig({}, {})),
        yaml.safe_dump(kubeconfig({"server": "https://x"}, {"username": "me", "password": "x"})),
        yaml.safe_dump(
            kubeconfig({"server": "https://x", "certificate-authority-data": "no!"}, {"token": "t"})
        ),
        yaml.safe_dump(
            kubeconfig(
                {"server": "https://x"},
                {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "false"}},
            )
        ),
    ],
)
async def test_a_kubeconfig_that_is_of_no_use_is_said_to_be(tmp_path: Path, text: str) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(text)
    with pytest.raises(NoCredentialsError, match="kubeconfig"):
        await load_credentials(path)


async def test_a_key_is_not_left_behind_when_what_comes_after_it_is_of_no_use(
    tmp_path: Path, temporary: Path
) -> None:
    mine = trustme.CA().issue_cert("me@example.org")
    user = {
        "client-key-data": base64_of(mine.private_key_pem),
        "client-certificate-data": base64_of(trustme.CA().issue_cert("x@y.org").cert_chain_pems[0]),
    }
    path = written(tmp_path / "kubeconfig", {"server": "https://x"}, user)
    with pytest.raises(NoCredentialsError):
        await load_credentials(path)
    assert files(temporary) == []


async def test_what_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(NoCredentialsError, match=r"no kubeconfig at .*gone"):
        await load_credentials(tmp_path / "gone")
    with pytest.raises(NoCredentialsError, match="service account"):
        await load_credentials(None)


async def test_a_token_is_read_again_when_it_is_refused_and_not_otherwise(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    valid = "first"

    def answer(asked: Asked) -> Any:
        if asked.headers["authorization"] == f"Bearer {valid}":
            return reply({})
        return reply({"reason": "Unauthorized"}, "401 Unauthorized")

    server: KubeHttp = await nursery.start(KubeHttp(answer).listen)
    path = server.kubeconfig(tmp_path, token="first")
    client = KubeClient(await load_credentials(path))
    server.kubeconfig(tmp_path, token="second")
    await client.get(SECRETS, WEB)
    assert len(server.asked) == 1
    valid = "second"
    await client.get(SECRETS, WEB)
    await client.get(SECRETS, WEB)
    said = [each.headers["authorization"].split()[1] for each in server.asked]
    assert said == ["first", "first", "second", "second"]
    # Refused for good: once more, and then it is an answer.
    valid = "third"
    with pytest.raises(Refused, match="401"):
        await client.get(SECRETS, WEB)
    assert len(server.asked) == 6
    await client.aclose()


@pytest.mark.parametrize("code", ["403 Forbidden", "500 Oops"])
async def test_other_refusals_are_no_reason_to_read_it_again(
    nursery: trio.Nursery, tmp_path: Path, code: str
) -> None:
    server: KubeHttp = await nursery.start(KubeHttp(lambda _: reply({}, code)).listen)
    client = await server.client(tmp_path, token="t")
    with pytest.raises(Refused):
        await client.get(SECRETS, WEB)
    await client.aclose()
    assert len(server.asked) == 1


async def test_credentials_that_cannot_be_read_again_are_a_refusal_and_no_crash(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    server: KubeHttp = await nursery.start(KubeHttp(lambda _: reply({}, "401 Unauthorized")).listen)
    client = await server.client(tmp_path, token="canary-4711")
    (tmp_path / "kubeconfig").write_text("a: [1")
    with capture_logs() as logs, pytest.raises(Refused, match="401"):
        await client.get(SECRETS, WEB)
    await client.aclose()
    assert [each["event"] for each in logs] == ["credentials cannot be read again"]
    assert "canary" not in str(logs)


@pytest.fixture
def clock() -> MockClock:
    """Virtual time that gives the sockets theirs."""
    return MockClock(autojump_threshold=0.05)


async def test_a_plugin_is_not_asked_again_for_the_mere_passing_of_time(
    nursery: trio.Nursery, tmp_path: Path, clock: MockClock
) -> None:
    server: KubeHttp = await nursery.start(KubeHttp(lambda _: reply({})).listen)
    credentials = await load_credentials(server.kubeconfig(tmp_path, token="first"))
    server.kubeconfig(tmp_path, token="second")
    await trio.sleep(10 * REREAD_SECONDS)
    assert await signed(credentials, server) == "Bearer first"
    assert clock.current_time() >= 10 * REREAD_SECONDS


async def test_a_pod_reads_its_token_again_before_it_expires(
    nursery: trio.Nursery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: MockClock
) -> None:
    server: KubeHttp = await nursery.start(KubeHttp(lambda _: reply({})).listen)
    account = tmp_path / "serviceaccount"
    await trio.Path(account).mkdir()
    trustme.CA().cert_pem.write_to_path(account / "ca.crt")
    (account / "namespace").write_text("monitoring")
    token = account / "token"
    token.write_text("first\n")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", server.url.rpartition(":")[2])
    source = KubeAuth(serviceaccount=str(account))
    await source.reauthenticate()
    credentials = Credentials(source, verify=True)
    credentials.server = server.url  # without TLS, which is not what this is about
    assert await signed(credentials, server) == "Bearer first"
    token.write_text("second\n")
    await trio.sleep(REREAD_SECONDS / 2)
    assert await signed(credentials, server) == "Bearer first"
    await trio.sleep(REREAD_SECONDS / 2 + 1)
    assert await signed(credentials, server) == "Bearer second"
    token.unlink()
    await trio.sleep(REREAD_SECONDS + 1)
    assert await signed(credentials, server) == "Bearer second"
    assert clock.current_time() > 2 * REREAD_SECONDS
