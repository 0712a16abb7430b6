"""Who we are for HTTP, against servers that ask: nginx, Apache and Authlib."""

import hashlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import httpx
import pytest
from fakes.targets import check_context, monitor_of, secret_ref
from support.certificates import certificates
from support.daemons import free_ports, installed, running
from support.daemons_tls import server_files

from kubekuma.check.context import CheckContext
from kubekuma.check.run import run_check
from kubekuma.model.monitor import MonitorType
from kubekuma.model.result import CheckResult, Reason
from kubekuma.model.target import (
    Auth,
    BasicAuth,
    BearerAuth,
    ClientCertificate,
    HttpTarget,
    OAuth2ClientCredentials,
    Tls,
)

pytestmark = pytest.mark.servers

SECRETS = {
    "user": b"alice\n",
    "password": b"s3cret: \xc3\xbc\n",
    "wrong": b"wr0ng",
    "token": b"t0ken",
    "id": b"monitor",
    "client": b"s3cret: &x",
    "bundle": certificates().bundle,
    "nonsense": b"no PEM",
}
PASSWORD = "s3cret: ü"
ALICE = BasicAuth(
    username_secret_ref=secret_ref("user"), password_secret_ref=secret_ref("password")
)
MALLORY = attrs.evolve(ALICE, password_secret_ref=secret_ref("wrong"))


def context() -> CheckContext:
    return check_context(secrets=SECRETS)


async def check(
    url: str, auth: Auth | None, within: CheckContext | None = None, **fields: Any
) -> CheckResult:
    target = HttpTarget(url=url, auth=auth, **fields)
    result = await run_check(
        monitor_of(MonitorType.HTTP, target), within or context(), transcript=True
    )
    shown = repr(result)
    assert not any(each in shown for each in ("s3cret", "wr0ng", "t0ken"))
    return result


@attrs.frozen
class Nginx:
    port: int
    tls_port: int


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    program = installed("nginx", "nginx-light")
    folder = tmp_path_factory.mktemp("nginx-auth")
    files = server_files(folder)
    port, tls_port = free_ports(2)
    command: list[str | Path] = [installed("openssl", "openssl"), "passwd", "-apr1", PASSWORD]
    hashed = subprocess.run(command, capture_output=True, check=True)
    (folder / "users").write_bytes(b"alice:" + hashed.stdout)
    configuration = folder / "nginx.conf"
    configuration.write_text(f"""
daemon off;
user root;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ }}
http {{
  access_log off;
  client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
  uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
  server {{
    listen 127.0.0.1:{port};
    location /basic {{ auth_basic "here"; auth_basic_user_file {folder}/users; try_files "" @ok; }}
    location /bearer {{ if ($http_authorization != "Bearer t0ken") {{ return 401; }} return 204; }}
    location /set {{ add_header Set-Cookie "session=abc; Path=/"; return 302 /cookie; }}
    location /cookie {{ if ($cookie_session != "abc") {{ return 403; }} return 204; }}
    location /leak {{ return 302 http://localhost:{port}/seen; }}
    location /seen {{ if ($http_authorization) {{ return 500; }} return 204; }}
    location @ok {{ return 204; }}
  }}
  server {{
    listen 127.0.0.1:{tls_port} ssl;
    ssl_certificate {files.cert};
    ssl_certificate_key {files.key};
    ssl_client_certificate {files.authority};
    ssl_verify_client on;
    location / {{ return 204; }}
  }}
}}
""")
    command = [program, "-p", folder, "-c", configuration]
    with running(command, folder, ports=(port, tls_port)):
        yield Nginx(port, tls_port)


async def test_basic(nginx: Nginx) -> None:
    url = f"http://127.0.0.1:{nginx.port}/basic"
    assert (await check(url, Auth(basic=ALICE))).reason is Reason.PASSED
    for auth in (None, Auth(basic=MALLORY)):
        result = await check(url, auth)
        assert result.reason is Reason.STATUS_MISMATCH
        assert "401" in result.message
    missing = attrs.evolve(ALICE, password_secret_ref=secret_ref("none"))
    assert (await check(url, Auth(basic=missing))).reason is Reason.SECRET_MISSING


async def test_bearer(nginx: Nginx) -> None:
    url = f"http://127.0.0.1:{nginx.port}/bearer"
    auth = Auth(bearer=BearerAuth(token_secret_ref=secret_ref("token")))
    assert (await check(url, auth)).reason is Reason.PASSED


async def test_another_host_does_not_learn_who_we_are(nginx: Nginx) -> None:
    url = f"http://127.0.0.1:{nginx.port}/leak"
    assert (await check(url, Auth(basic=ALICE))).reason is Reason.PASSED


async def test_cookies_are_kept_on_the_way(nginx: Nginx) -> None:
    result = await check(f"http://127.0.0.1:{nginx.port}/set", None)
    assert result.reason is Reason.PASSED, result.message
    assert "abc" not in repr(result.transcript)


async def test_a_certificate_of_ours(nginx: Nginx) -> None:
    url = f"https://127.0.0.1:{nginx.tls_port}/"
    pem = certificates().valid
    end = b"-----END EC PRIVATE KEY-----\n"
    key, marker, chain = pem.partition(end)
    within = check_context(secrets={**SECRETS, "key": key + marker, "cert": chain})
    tls = Tls(ca_bundle_secret_ref=secret_ref("bundle"))
    pair = ClientCertificate(cert_secret_ref=secret_ref("cert"), key_secret_ref=secret_ref("key"))
    assert (await check(url, Auth(mtls=pair), within, tls=tls)).reason is Reason.PASSED
    # Also where the server's own certificate is not looked at.
    lenient = Tls(verify=False)
    assert (await check(url, Auth(mtls=pair), within, tls=lenient)).reason is Reason.PASSED
    assert (await check(url, None, within, tls=tls)).reason is Reason.STATUS_MISMATCH
    nonsense = attrs.evolve(pair, cert_secret_ref=secret_ref("nonsense"))
    result = await check(url, Auth(mtls=nonsense), within, tls=tls)
    assert result.reason is Reason.SECRET_MISSING


MODULES = ("mpm_event", "authn_core", "authn_file", "authz_core", "authz_user", "auth_digest")


@pytest.fixture(scope="module")
def apache(open_folders: Callable[[], Path]) -> Iterator[str]:
    program = installed("apache2", "apache2")
    folder = open_folders()
    (port,) = free_ports(1)
    words = f"alice:here:{PASSWORD}".encode()
    secret = hashlib.md5(words).hexdigest()  # noqa: S324 - what Apache knows
    (folder / "users").write_text(f"alice:here:{secret}\n")
    (folder / "htdocs").mkdir()
    (folder / "htdocs" / "page").write_text("hello")
    modules = "\n".join(
        f"LoadModule {each}_module /usr/lib/apache2/modules/mod_{each}.so" for each in MODULES
    )
    configuration = folder / "apache.conf"
    configuration.write_text(f"""
{modules}
ServerRoot {folder}
ServerName localhost
Listen 127.0.0.1:{port}
PidFile {folder}/pid
ErrorLog {folder}/error.log
Mutex file:{folder} default
DocumentRoot {folder}/htdocs
<Directory {folder}/htdocs>
  AuthType Digest
  AuthName here
  AuthDigestProvider file
  AuthUserFile {folder}/users
  Require valid-user
</Directory>
""")
    command: list[str | Path] = [program, "-X", "-f", configuration]
    with running(command, folder, ports=(port,)):
        yield f"http://127.0.0.1:{port}/page"


async def test_digest(apache: str) -> None:
    result = await check(apache, Auth(digest=ALICE))
    assert result.reason is Reason.PASSED, result.message
    assert "trying again, with another authorization" in result.transcript
    result = await check(apache, Auth(digest=MALLORY))
    assert result.reason is Reason.STATUS_MISMATCH


@pytest.fixture(scope="module", params=["client_secret_basic", "client_secret_post"])
def oauth(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("oauth")
    (port,) = free_ports(1)
    script = Path(__file__).parent / "oauth.py"
    command: list[str | Path] = [sys.executable, script, str(port), request.param]
    with running(command, folder, ports=(port,)):
        yield f"http://127.0.0.1:{port}"


def client(url: str, *, secret: str = "client", **fields: Any) -> Auth:  # noqa: S107 - its key
    return Auth(
        oauth2_client_credentials=OAuth2ClientCredentials(
            token_url=f"{url}/token",
            client_id_secret_ref=secret_ref("id"),
            client_secret_secret_ref=secret_ref(secret),
            **fields,
        )
    )


async def test_a_token_is_fetched_kept_and_renewed_once(oauth: str) -> None:
    within, auth = context(), client(oauth, scopes=("read",))
    async with httpx.AsyncClient(base_url=oauth, trust_env=False) as admin:
        asked = (await admin.post("/forget")).json()["asked"]
        for _ in range(3):
            result = await check(f"{oauth}/resource", auth, within)
            assert result.reason is Reason.PASSED, result.message
        first = (await admin.post("/forget")).json()["asked"] - asked
        assert first in {1, 2}  # the second way, where the first is not taken
        # The server has forgotten it: a 401 calls for another one.
        result = await check(f"{oauth}/resource", auth, within)
        assert result.reason is Reason.PASSED, result.message
        assert "trying again, with another authorization" in result.transcript
        assert (await admin.post("/forget")).json()["asked"] - asked == 2 * first


async def test_no_token_is_told_as_such(oauth: str) -> None:
    result = await check(f"{oauth}/resource", client(oauth, secret="wrong"))
    assert result.reason is Reason.AUTH_FAILED
    assert "gives none" in result.message
    (closed,) = free_ports(1)
    result = await check(f"{oauth}/resource", client(f"http://127.0.0.1:{closed}"))
    assert result.reason is Reason.AUTH_FAILED
    assert "refused" in result.message


async def test_fetching_a_token_is_not_what_the_target_is_measured_by(oauth: str) -> None:
    result = await check(f"{oauth}/resource", client(oauth))
    timings = result.timings
    phases = (timings.dns, timings.connect, timings.tls, timings.first_byte, timings.transfer)
    assert sum(filter(None, phases)) == pytest.approx(result.latency_seconds)
